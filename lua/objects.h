/* objects.h - what we know of a Kubernetes cluster: its services, endpoint slices and nodes, out of JSON.
 *
 * Each object is read once, into the structs of lunette.h, and its JSON is gone.  A service and the slices that carry its name
 * in their label meet in an entry, in whatever order they come; a later object of the same name takes the place of the one
 * before it.  What cannot be honoured is said, with its place, and left out. */
#ifndef LUNETTE_LUA_OBJECTS_H
#define LUNETTE_LUA_OBJECTS_H

#include "arena.h"

#include <lunette/lunette.h>

struct kube_slice {
	struct kube_slice *next; /* of the same service */
	struct arena arena;
	const char *name; /* "default/nginx-abcde" */
	const struct lun_endpoint *endpoints;
	size_t count;
};

struct kube_service {
	struct arena arena;
	struct lun_service service; /* without endpoints */
};

struct kube_entry {
	const char *name;             /* "default/nginx" */
	struct kube_service *service; /* NULL: not known, or ignored */
	struct kube_slice *slices;
	bool changed; /* since objects_settle */
	bool hidden;  /* the script declares a service of this name */
};

struct kube_node {
	struct kube_node *next;
	struct arena arena;
	const char *name, *zone;
	const struct lun_address *addresses; /* its internal ones */
	size_t address_count;
};

struct objects {
	struct kube_entry **entries; /* hash table by name; open addressing, half full at most */
	size_t entry_count, entry_size;
	struct kube_node *nodes;
	bool services_changed; /* not only endpoints did */
	unsigned long version; /* how often something was taken */
	/* A line for a person. */
	void (*log)(void *user, const char *line);
	void *user;
};

/* Where a text comes from, for messages: the file, and the line that it begins on. */
struct objects_place {
	const char *name;
	unsigned long line;
};

/* Reads lists, objects and watch events, one behind the other.  Fails, and has taken what came before: LUN_BAD_FILE
 * ("objects.json:17: ..."), LUN_NO_MEMORY. */
int objects_read(struct objects *objects, const struct objects_place *place, const char *text, size_t length,
		 struct lun_error *error);

/* The service with all endpoints of its slices, which live in `arena`, their strings as long as the slices. */
struct lun_service objects_service(const struct kube_entry *entry, struct arena *arena);

/* The node of a name, or NULL. */
const struct kube_node *objects_node(const struct objects *objects, const char *name);

/* Says which addresses two services claim. */
void objects_check_claims(const struct objects *objects);

/* What changed until now is known. */
void objects_settle(struct objects *objects);

void objects_fini(struct objects *objects);

#endif
