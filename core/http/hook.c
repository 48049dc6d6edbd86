/* hook.c - one request, shown to a hook, and what it sets. */
#include "base/header.h"
#include "http/request.h"

/* What the hook's functions find behind the request that it was given. */
struct asked {
	struct lun_request shown; /* first: the hook has a pointer to it */
	const struct request *request;
	struct hook_edits *edits;
};

size_t lun_request_header(const struct lun_request *shown, const char *name, char *text, size_t size)
{
	const struct asked *asked = (const struct asked *)(const void *)shown;
	uint8_t bytes[HEAD_LINE];
	struct writer writer = { .bytes = bytes, .capacity = sizeof(bytes) };

	value_put_field(&writer, asked->request, name, strlen(name));
	if (size > 0)
		memcpy(text, bytes, writer.length < size ? writer.length : size);
	return writer.length;
}

/* A copy of a text in the edits' own memory, or NULL. */
static const char *keep(struct hook_edits *edits, const char *text)
{
	size_t size = strlen(text) + 1;
	char *copy = edits->text + edits->used;

	if (size > sizeof(edits->text) - edits->used)
		return NULL;
	memcpy(copy, text, size);
	edits->used += size;
	return copy;
}

int lun_request_set(struct lun_request *shown, const char *name, const char *value)
{
	struct hook_edits *edits = ((struct asked *)(void *)shown)->edits;
	struct lun_header header = { .name = name, .value = value, .kind = value ? LUN_HEADER_SET : LUN_HEADER_REMOVE };

	if (header_fault(&header))
		return LUN_BAD_ARGUMENT;
	if (edits->count == HOOK_HEADERS)
		return LUN_FULL;
	header.name = keep(edits, name);
	header.value = value ? keep(edits, value) : NULL;
	if (!header.name || (value && !header.value))
		return LUN_FULL;
	edits->headers[edits->count++] = header;
	return 0;
}

int lun_request_set_target(struct lun_request *shown, const char *target)
{
	struct hook_edits *edits = ((struct asked *)(void *)shown)->edits;
	const char *copy;

	if (!target_is_valid(target))
		return LUN_BAD_ARGUMENT;
	copy = keep(edits, target);
	if (!copy)
		return LUN_FULL;
	edits->target = copy;
	return 0;
}

static void show(struct asked *asked)
{
	const struct request *request = asked->request;
	const struct head *head = request->head;
	const char *bytes = (const char *)request->bytes;

	asked->shown = (struct lun_request) {
		.tuple = request->tuple[LUN_ORIG],
		.service = request->headers->service,
		.method = bytes + head->method.offset,
		.method_length = head->method.length,
		.target = bytes + head->target.offset,
		.target_length = head->target.length,
		.host = bytes + head->host.offset,
		.host_length = head->flags & HEAD_HOST ? head->host.length : 0,
	};
}

bool hook_ask(struct hook_edits *edits, const struct request *request)
{
	const struct lun_hooks *hooks = request->headers->hooks;
	struct asked asked = { .request = request, .edits = edits };

	edits->count = edits->used = 0;
	edits->target = NULL;
	if (!hooks || !hooks->request || request->head->flags & (HEAD_TRAILERS | HEAD_RESPONSE))
		return true;
	show(&asked);
	if (hooks->request(hooks->user, &asked.shown) >= 0)
		return true;
	edits->count = 0;
	edits->target = NULL;
	return false;
}
