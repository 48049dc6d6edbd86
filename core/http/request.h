/* request.h - a message whose head is complete, a request or a response, what a service does to it, and the bytes that come out.
 *
 * Every edit is one and the same: a name, whose lines are taken out of what was sent, and a text, which may be empty, that is put as
 * one line right behind the first line.  "set", "append", "default" and "remove" differ in the text alone.  In front of
 * that, the beginning of the path may be another one. */
#ifndef LUNETTE_HTTP_REQUEST_H
#define LUNETTE_HTTP_REQUEST_H

#include "base/hash.h"
#include "http/head.h"

#include <lunette/lunette.h>
#include <string.h>

/* What a service does to its requests; the policy's memory. */
struct http_headers {
	const struct lun_header *headers;
	const struct lun_path_rule *paths;
	const struct lun_prefix *trusted; /* proxies whose X-Forwarded-... are believed */
	const struct lun_hooks *hooks;
	const char *service; /* "namespace/name" */
	uint32_t trusted_count;
	uint16_t count; /* of headers, at most LUN_HEADERS */
	uint16_t path_count;
	uint16_t port;            /* the service's */
	uint8_t greeting_version; /* of the PROXY header in front of the stream, or 0 */
	bool read;                /* requests are; else they are bytes like any others */
	uint8_t on_error;         /* enum lun_action: MAP, ACCEPT or DROP, if the hook fails */
	bool resets;              /* who is refused gets a RST */
	bool responses;           /* there are rules for them */
};

struct request {
	const struct http_headers *headers;
	const struct head *head;
	const uint8_t *bytes;          /* of the head */
	const struct lun_tuple *tuple; /* the flow's two, by direction */
	const struct hash_key *key;    /* for request ids */
	uint64_t place;                /* of the head in the stream, */
	uint32_t generation;           /* and of the flow in its record: what makes an id another one */
	/* by request_render, for value.c and match.c: the first fields, and where those behind them begin */
	const struct field *fields;
	uint32_t field_count, fields_end;
};

/* How far one walk along the fields is; it begins as { 0 }. */
struct field_walk {
	uint32_t index, at;
};

static inline bool request_next_field(const struct request *request, struct field_walk *walk, struct field *field)
{
	if (walk->index < request->field_count) {
		*field = request->fields[walk->index++];
		return true;
	}
	if (walk->at == 0)
		walk->at = request->fields_end;
	return head_next_field(request->head, request->bytes, &walk->at, field);
}

/* Bytes that are being put together; `full` says that some found no room. */
struct writer {
	uint8_t *bytes;
	uint32_t length, capacity;
	bool full;
};

static inline void writer_put(struct writer *writer, const void *bytes, size_t length)
{
	if (length > writer->capacity - writer->length) {
		writer->full = true;
		return;
	}
	memcpy(writer->bytes + writer->length, bytes, length);
	writer->length += (uint32_t)length;
}

static inline void writer_put_text(struct writer *writer, const char *text)
{
	writer_put(writer, text, strlen(text));
}

/* value.c: puts the text of a rule's value, its variables filled in. */
void value_put(struct writer *writer, const struct request *request, const char *value);
/* Puts the values of all fields of a name, in any case, in one list. */
void value_put_field(struct writer *writer, const struct request *request, const char *name, size_t length);

/* match.c: whether a request is one that the rule speaks of. */
bool condition_holds(const struct lun_condition *condition, const struct request *request);
/* match.c: the path of the target, as it was sent: without http://HOST in front of it, and without a query. */
struct part request_path(const struct request *request);

/* What was sent behind a path, and whether there was a slash between.  It begins with no empty element, and no ".." in it leads out of
 * where it is put. */
struct path_rest {
	bool slash;
	struct part part;
};

/* match.c: whether the path is `wanted` or lies in it, and then the rest. */
bool path_holds(const char *wanted, const struct request *request, struct path_rest *rest);

/* hook.c: what a hook set in one request. */
enum { HOOK_HEADERS = 16, HOOK_TEXT = 4096 };

struct hook_edits {
	struct lun_header headers[HOOK_HEADERS]; /* values are texts, without variables */
	size_t count, used;
	const char *target; /* path and query, or NULL */
	char text[HOOK_TEXT];
};

/* Asks the hook, if there is one.  False: it failed. */
bool hook_ask(struct hook_edits *edits, const struct request *request);

enum rendered { RENDERED_LINES = 1 /* some were put in */, RENDERED_FAILED = 2 /* the hook did */ };

/* Why such a request is refused. */
#define HTTP_HOOK_FAILED "the policy script failed on this head"

static inline bool rendered_refuses(const struct request *request, unsigned rendered)
{
	return rendered & RENDERED_FAILED && request->headers->on_error == LUN_ACTION_DROP;
}

/* render.c: the head as the upstream gets it, or a trailer section without lines of our names.  If the hook fails, `on_error` says what
 * that is: what the rules make of it, what the client sent, or nothing, and the request is refused.  => enum rendered, as bits */
unsigned request_render(struct writer *writer, const struct request *request);

#endif
