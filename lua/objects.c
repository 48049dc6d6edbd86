/* objects.c - see objects.h.
 *
 * A list may hold a hundred thousand endpoints, so its items are parsed one by one, each thrown away before the next: the outer
 * object is walked here, and only what stands in it is given to cJSON. */
#include "objects.h"

#include "kube.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* ---- The store ------------------------------------------------------------------------------------------------------- */

static size_t name_hash(const char *name)
{
	size_t hash = 14695981039346656037u; /* FNV-1a */

	for (; *name != '\0'; name++)
		hash = (hash ^ (unsigned char)*name) * 1099511628211u;
	return hash ^ hash >> 32;
}

/* The place of a name: of its entry, or the empty one where it goes. */
static struct kube_entry **entry_place(struct kube_entry **entries, size_t size, const char *name)
{
	size_t at = name_hash(name) & (size - 1);

	while (entries[at] != NULL && strcmp(entries[at]->name, name) != 0)
		at = (at + 1) & (size - 1);
	return &entries[at];
}

/* False: no memory. */
static bool entries_grow(struct objects *objects)
{
	size_t size = objects->entry_size ? objects->entry_size * 2 : 64;
	struct kube_entry **entries = calloc(size, sizeof(struct kube_entry *));

	if (entries == NULL)
		return false;
	for (size_t i = 0; i < objects->entry_size; i++)
		if (objects->entries[i] != NULL)
			*entry_place(entries, size, objects->entries[i]->name) = objects->entries[i];
	free(objects->entries);
	objects->entries = entries;
	objects->entry_size = size;
	return true;
}

/* The entry of a service, made if there is none; NULL: no memory. */
static struct kube_entry *entry_of(struct objects *objects, const char *name)
{
	size_t size = strlen(name) + 1;
	struct kube_entry **place, *entry;

	if (objects->entry_count * 2 >= objects->entry_size && !entries_grow(objects))
		return NULL;
	place = entry_place(objects->entries, objects->entry_size, name);
	if (*place != NULL)
		return *place;
	entry = calloc(1, sizeof(*entry) + size);
	if (entry == NULL)
		return NULL;
	entry->name = memcpy(entry + 1, name, size);
	objects->entry_count++;
	*place = entry;
	return entry;
}

static void slice_free(struct kube_slice *slice)
{
	if (slice == NULL)
		return;
	arena_free(&slice->arena);
	free(slice);
}

static void service_free(struct kube_service *service)
{
	if (service == NULL)
		return;
	arena_free(&service->arena);
	free(service);
}

static void node_free(struct kube_node *node)
{
	arena_free(&node->arena);
	free(node);
}

void objects_fini(struct objects *objects)
{
	for (size_t i = 0; i < objects->entry_size; i++) {
		struct kube_entry *entry = objects->entries[i];

		if (entry == NULL)
			continue;
		service_free(entry->service);
		for (struct kube_slice *slice = entry->slices, *next; slice != NULL; slice = next) {
			next = slice->next;
			slice_free(slice);
		}
		free(entry);
	}
	for (struct kube_node *node = objects->nodes, *next; node != NULL; node = next) {
		next = node->next;
		node_free(node);
	}
	free(objects->entries);
	*objects = (struct objects) { .log = objects->log, .user = objects->user };
}

const struct kube_node *objects_node(const struct objects *objects, const char *name)
{
	for (const struct kube_node *node = objects->nodes; node != NULL; node = node->next)
		if (name != NULL && strcmp(node->name, name) == 0)
			return node;
	return NULL;
}

struct lun_service objects_service(const struct kube_entry *entry, struct arena *arena)
{
	struct lun_service service = entry->service->service;
	struct lun_endpoint *endpoints;
	size_t count = 0;

	for (const struct kube_slice *slice = entry->slices; slice != NULL; slice = slice->next)
		count += slice->count;
	service.endpoints = endpoints = arena_take(arena, count, sizeof(*endpoints));
	for (const struct kube_slice *slice = entry->slices; slice != NULL && endpoints != NULL; slice = slice->next) {
		if (slice->count > 0)
			memcpy(endpoints + service.endpoint_count, slice->endpoints, slice->count * sizeof(*endpoints));
		service.endpoint_count += slice->count;
	}
	return service;
}

void objects_settle(struct objects *objects)
{
	for (size_t i = 0; i < objects->entry_size; i++)
		if (objects->entries[i] != NULL)
			objects->entries[i]->changed = false;
	objects->services_changed = false;
}

/* ---- One object: added, changed or deleted ---------------------------------------------------------------------------- */

struct change {
	struct kube_source source;
	bool deleted;
};

static int take_service(struct objects *objects, const struct change *change, const char *name)
{
	struct kube_entry *entry = entry_of(objects, name);
	struct kube_service *service = calloc(1, sizeof(*service));
	bool failed;

	if (entry == NULL || service == NULL) {
		free(service);
		return LUN_NO_MEMORY;
	}
	if (change->deleted || !kube_read_service(&change->source, &service->arena, &service->service)) {
		failed = service->arena.failed;
		service_free(service);
		service = NULL;
	} else {
		failed = service->arena.failed;
	}
	if (failed) {
		service_free(service);
		return LUN_NO_MEMORY;
	}
	service_free(entry->service);
	entry->service = service;
	entry->changed = objects->services_changed = true;
	return 0;
}

/* Takes the slice of a name out of the list; => it, or NULL. */
static struct kube_slice *slice_remove(struct kube_slice **link, const char *name)
{
	struct kube_slice *slice;

	while (*link != NULL && strcmp((*link)->name, name) != 0)
		link = &(*link)->next;
	slice = *link;
	if (slice != NULL)
		*link = slice->next;
	return slice;
}

/* Puts it into the list, which is in order of names, so that the order of endpoints does not hang on that of events. */
static void slice_insert(struct kube_slice **link, struct kube_slice *slice)
{
	while (*link != NULL && strcmp((*link)->name, slice->name) < 0)
		link = &(*link)->next;
	slice->next = *link;
	*link = slice;
}

static struct kube_slice *slice_read(const struct change *change, const char *name, bool *ignored)
{
	struct kube_slice *slice = calloc(1, sizeof(*slice));

	if (slice == NULL)
		return NULL;
	slice->name = arena_text(&slice->arena, name);
	*ignored = !kube_read_slice(&change->source, &slice->arena, slice);
	if (!*ignored && !slice->arena.failed)
		return slice;
	slice_free(slice);
	return NULL;
}

static int take_slice(struct objects *objects, const struct change *change, const char *name)
{
	const char *owner = kube_slice_owner(&change->source), *slash = strchr(name, '/');
	struct kube_slice *slice = NULL;
	struct kube_entry *entry;
	char service[LUN_NAME_SIZE];
	bool ignored = change->deleted;

	if (owner == NULL || slash == NULL) {
		kube_say(&change->source, "no label kubernetes.io/service-name says its service: ignored");
		return 0;
	}
	if ((size_t)snprintf(service, sizeof(service), "%.*s/%s", (int)(slash - name), name, owner) >= sizeof(service)) {
		kube_say(&change->source, "the name of its service is too long: ignored");
		return 0;
	}
	entry = entry_of(objects, service);
	if (entry != NULL && !change->deleted)
		slice = slice_read(change, name, &ignored);
	if (entry == NULL || (slice == NULL && !ignored))
		return LUN_NO_MEMORY;
	slice_free(slice_remove(&entry->slices, name));
	if (slice != NULL)
		slice_insert(&entry->slices, slice);
	entry->changed = true;
	return 0;
}

static int take_node(struct objects *objects, const struct change *change, const char *name)
{
	struct kube_node **link = &objects->nodes, *node;

	while (*link != NULL && strcmp((*link)->name, name) != 0)
		link = &(*link)->next;
	if (*link != NULL) {
		node = *link;
		*link = node->next;
		node_free(node);
	}
	objects->services_changed = true;
	if (change->deleted)
		return 0;
	node = calloc(1, sizeof(*node));
	if (node == NULL)
		return LUN_NO_MEMORY;
	node->name = arena_text(&node->arena, name);
	kube_read_node(&change->source, &node->arena, node);
	if (node->arena.failed) {
		node_free(node);
		return LUN_NO_MEMORY;
	}
	node->next = objects->nodes;
	objects->nodes = node;
	return 0;
}

static int take_object(struct objects *objects, const struct change *change)
{
	const char *kind = kube_text(change->source.json, "kind");
	char name[LUN_NAME_SIZE];

	if (!kube_name(&change->source, name)) {
		kube_say(&change->source, "no name, or none that Kubernetes would take: ignored");
		return 0;
	}
	objects->version++;
	if (kind != NULL && strcmp(kind, "Service") == 0)
		return take_service(objects, change, name);
	if (kind != NULL && strcmp(kind, "EndpointSlice") == 0)
		return take_slice(objects, change, name);
	if (kind != NULL && strcmp(kind, "Node") == 0)
		return take_node(objects, change, name);
	kube_say(&change->source, "neither Service, EndpointSlice nor Node: ignored");
	return 0;
}

/* ---- Text ------------------------------------------------------------------------------------------------------------ */

struct input {
	struct objects *objects;
	const char *name;
	const char *at, *end;
	const char *counted; /* up to here lines are counted */
	unsigned long line;
	struct lun_error *error;
	bool starved; /* the last value that was taken did not fail for what it is, but for lack of memory */
};

/* The number of the line that `at` is on. */
static unsigned long line_of(struct input *input, const char *at)
{
	while (input->counted < at) {
		const char *end = memchr(input->counted, '\n', (size_t)(at - input->counted));

		if (end == NULL)
			break;
		input->line++;
		input->counted = end + 1;
	}
	return input->line;
}

static int input_fail(struct input *input, const char *expected)
{
	int shown = input->end - input->at < 20 ? (int)(input->end - input->at) : 20;

	if (input->starved)
		return LUN_NO_MEMORY;
	if (input->error == NULL)
		return LUN_BAD_FILE;
	input->error->code = LUN_BAD_FILE;
	for (int i = 0; i < shown; i++)
		if ((unsigned char)input->at[i] < ' ')
			shown = i;
	snprintf(input->error->text, sizeof(input->error->text), "%s:%lu: broken JSON, expected %s, got %s%.*s%s",
		 input->name, line_of(input, input->at), expected, shown > 0 ? "\"" : "the end", shown, input->at,
		 shown > 0 ? "\"" : "");
	return LUN_BAD_FILE;
}

static void skip_blanks(struct input *input)
{
	while (input->at < input->end && strchr(" \t\r\n", *input->at) != NULL && *input->at != '\0')
		input->at++;
}

/* Takes a character if it is the next one. */
static bool take(struct input *input, char wanted)
{
	skip_blanks(input);
	if (input->at == input->end || *input->at != wanted)
		return false;
	input->at++;
	return true;
}

/* The next value; NULL: broken, or there is no memory. */
static cJSON *take_value(struct input *input)
{
	const char *stop = input->at;
	cJSON *value;

	skip_blanks(input);
	errno = 0;
	value = cJSON_ParseWithLengthOpts(input->at, (size_t)(input->end - input->at), &stop, 0);
	input->starved = value == NULL && errno == ENOMEM; /* cJSON itself does not say why it failed */
	input->at = stop;
	return value;
}

/* Gives an object, or what a watch event is about, to the store. */
static int offer(struct input *input, const cJSON *json, unsigned long line)
{
	const cJSON *object = cJSON_GetObjectItemCaseSensitive(json, "object");
	const char *type = kube_text(json, "type");
	char at[LUN_NAME_SIZE];
	struct change change = {
		.source = { .json = json, .at = at, .log = input->objects->log, .user = input->objects->user }
	};
	int code;

	snprintf(at, sizeof(at), "%.200s:%lu", input->name, line);
	if (type != NULL && object != NULL) {
		change.source.json = object;
		change.deleted = strcmp(type, "DELETED") == 0;
		if (strcmp(type, "BOOKMARK") == 0)
			return 0;
		if (strcmp(type, "ERROR") == 0) {
			kube_say(&change.source, "the API server says: %s",
				 kube_text(object, "message") != NULL ? kube_text(object, "message") : "an error");
			return 0;
		}
	}
	code = take_object(input->objects, &change);
	if (code < 0 && input->error != NULL) {
		input->error->code = code;
		snprintf(input->error->text, sizeof(input->error->text), "%s: %s", at, lun_strerror(code));
	}
	return code;
}

static bool is_list_kind(const cJSON *object)
{
	const char *kind = kube_text(object, "kind");
	size_t length = kind != NULL ? strlen(kind) : 0;

	return length >= 4 && strcmp(kind + length - 4, "List") == 0;
}

/* The API server's own lists say once what kind their items are: a ServiceList holds Services.  False: no memory. */
static bool name_kind(const cJSON *list, cJSON *item)
{
	const char *whole = is_list_kind(list) ? kube_text(list, "kind") : "List";
	char kind[LUN_NAME_SIZE];

	if (strcmp(whole, "List") == 0 || kube_text(item, "kind") != NULL || kube_text(item, "type") != NULL)
		return true;
	snprintf(kind, sizeof(kind), "%.*s", (int)strlen(whole) - 4, whole);
	return cJSON_AddStringToObject(item, "kind", kind) != NULL;
}

/* Behind the '[' of a list: each item to the store. */
static int take_items(struct input *input, const cJSON *list)
{
	if (take(input, ']'))
		return 0;
	do {
		unsigned long line;
		cJSON *item;
		int code;

		skip_blanks(input);
		line = line_of(input, input->at);
		item = take_value(input);
		if (item == NULL)
			return input_fail(input, "an item of the list");
		code = !cJSON_IsObject(item) || name_kind(list, item) ? offer(input, item, line) : LUN_NO_MEMORY;
		cJSON_Delete(item);
		if (code < 0)
			return code;
	} while (take(input, ','));
	return take(input, ']') ? 0 : input_fail(input, "\",\" or \"]\"");
}

/* A key and what it has: of a list the items go to the store at once, all else into `object`. */
static int take_member(struct input *input, cJSON *object, bool *is_list)
{
	cJSON *key = take_value(input), *value = NULL;
	int code = 0;

	if (!cJSON_IsString(key)) {
		code = input_fail(input, "a key");
	} else if (!take(input, ':')) {
		code = input_fail(input, "\":\"");
	} else if (strcmp(key->valuestring, "items") == 0 && take(input, '[')) {
		*is_list = true;
		code = take_items(input, object);
	} else {
		value = take_value(input);
		if (value == NULL) {
			code = input_fail(input, "a value");
		} else if (!cJSON_AddItemToObject(object, key->valuestring, value)) {
			cJSON_Delete(value);
			code = LUN_NO_MEMORY;
		}
	}
	cJSON_Delete(key);
	return code;
}

/* Behind the '{' of a list, an object or an event. */
static int take_outer(struct input *input, cJSON *object, unsigned long line)
{
	bool is_list = false;
	int code = 0;

	if (take(input, '}'))
		return offer(input, object, line);
	do {
		code = take_member(input, object, &is_list);
	} while (code == 0 && take(input, ','));
	if (code == 0 && !take(input, '}'))
		code = input_fail(input, "\",\" or \"}\"");
	return code < 0 || is_list || is_list_kind(object) ? code : offer(input, object, line);
}

int objects_read(struct objects *objects, const struct objects_place *place, const char *text, size_t length,
		 struct lun_error *error)
{
	struct input input = { .objects = objects,
			       .name = place->name,
			       .at = text,
			       .end = text + length,
			       .counted = text,
			       .line = place->line,
			       .error = error };
	int code;

	skip_blanks(&input);
	do {
		unsigned long line = line_of(&input, input.at);
		cJSON *object = cJSON_CreateObject();

		if (object == NULL)
			return LUN_NO_MEMORY;
		code = take(&input, '{') ? take_outer(&input, object, line) : input_fail(&input, "an object");
		cJSON_Delete(object);
		skip_blanks(&input);
	} while (code == 0 && input.at < input.end);
	return code;
}

/* ---- Claims ---------------------------------------------------------------------------------------------------------- */

/* An address (none: all of the node's) and port that a service wants to be reached at. */
struct claim {
	struct lun_address address;
	uint16_t port;
	uint8_t protocol;
	const struct lun_service *service;
};

static int by_claim(const void *a, const void *b)
{
	const struct claim *x = a, *y = b;
	int order = memcmp(&x->address, &y->address, sizeof(x->address));

	if (order == 0)
		order = (int)x->port - (int)y->port;
	if (order == 0)
		order = (int)x->protocol - (int)y->protocol;
	return order != 0 ? order : strcmp(x->service->name, y->service->name);
}

static size_t claim_addresses(struct claim *claims, const struct lun_service *service, const struct lun_port *port,
			      const struct lun_address *addresses, size_t count)
{
	for (size_t i = 0; i < count; i++)
		claims[i] = (struct claim) { addresses[i], port->port, port->protocol, service };
	return count;
}

/* => how many `claims` a service makes; NULL: only counted */
static size_t claim(struct claim *claims, const struct lun_service *service)
{
	size_t addresses = service->cluster_ip_count + service->external_ip_count + service->load_balancer_ip_count,
	       count = 0;

	if (claims == NULL)
		return service->port_count * (addresses + 1);
	for (size_t i = 0; i < service->port_count; i++) {
		const struct lun_port *port = &service->ports[i];

		count += claim_addresses(claims + count, service, port, service->cluster_ips, service->cluster_ip_count);
		count += claim_addresses(claims + count, service, port, service->external_ips, service->external_ip_count);
		count += claim_addresses(claims + count, service, port, service->load_balancer_ips,
					 service->load_balancer_ip_count);
		if (port->node_port != 0)
			claims[count++] = (struct claim) { { { 0 } }, port->node_port, port->protocol, service };
	}
	return count;
}

static void say_claim(const struct objects *objects, const struct claim *first, const struct claim *second)
{
	char text[LUN_ADDRESS_TEXT], line[500];

	snprintf(line, sizeof(line), "%s: Service %.120s: %s %s belongs to %.120s already: left to it", second->service->at,
		 second->service->name, lun_protocol_name(second->protocol),
		 lun_endpoint_format(&second->address, second->port, text), first->service->name);
	objects->log(objects->user, line);
}

void objects_check_claims(const struct objects *objects)
{
	struct claim *claims;
	size_t count = 0;

	for (size_t i = 0; i < objects->entry_size; i++)
		if (objects->entries[i] != NULL && objects->entries[i]->service != NULL)
			count += claim(NULL, &objects->entries[i]->service->service);
	claims = malloc((count + 1) * sizeof(*claims));
	if (claims == NULL || objects->log == NULL) {
		free(claims);
		return;
	}
	count = 0;
	for (size_t i = 0; i < objects->entry_size; i++)
		if (objects->entries[i] != NULL && objects->entries[i]->service != NULL)
			count += claim(claims + count, &objects->entries[i]->service->service);
	qsort(claims, count, sizeof(*claims), by_claim);
	for (size_t i = 1, first = 0; i < count; i++) {
		if (memcmp(&claims[first].address, &claims[i].address, sizeof(claims[i].address)) != 0 ||
		    claims[first].port != claims[i].port || claims[first].protocol != claims[i].protocol)
			first = i;
		else if (claims[first].service != claims[i].service)
			say_claim(objects, &claims[first], &claims[i]);
	}
	free(claims);
}
