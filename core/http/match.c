/* match.c - the conditions of a rule: host, path and method of a request; and what lies behind a path.
 *
 * A path is compared as the upstream will understand it: percent-encoded bytes decoded, empty and "." elements left out, ".."
 * followed (RFC 3986, 6.2.2), or a rule for /admin would not hold for /%61dmin. */
#include "http/request.h"

#include <string.h>

/* ---- host ---- */

/* The host without its port. */
static struct part host_of(const struct request *request)
{
	struct part part = request->head->flags & HEAD_HOST ? request->head->host : request->head->authority;
	const uint8_t *host = request->bytes + part.offset, *colon;

	colon = part.length ? memchr(host, host[0] == '[' ? ']' : ':', part.length) : NULL;
	if (colon && *colon == ']')
		colon++;
	if (colon)
		part.length = (uint32_t)(colon - host);
	return part;
}

/* "*.example.com" stands for exactly one more label. */
static bool host_holds(const char *wanted, const struct request *request)
{
	struct part host = host_of(request);
	const uint8_t *dot;

	if (strncmp(wanted, "*.", 2) != 0)
		return part_equals(request->bytes, host, wanted);
	dot = host.length ? memchr(request->bytes + host.offset, '.', host.length) : NULL;
	if (!dot || dot == request->bytes + host.offset)
		return false;
	host.length -= (uint32_t)(dot - request->bytes) - host.offset;
	host.offset = (uint32_t)(dot - request->bytes);
	return part_equals(request->bytes, host, wanted + 1);
}

/* ---- path ---- */

static int hex_value(uint8_t byte)
{
	if (byte >= '0' && byte <= '9')
		return byte - '0';
	byte |= 0x20;
	return byte >= 'a' && byte <= 'f' ? byte - 'a' + 10 : -1;
}

struct part request_path(const struct request *request)
{
	struct part path = request->head->target;
	const uint8_t *query;

	if (request->head->authority.length) {
		uint32_t skipped = request->head->authority.offset + request->head->authority.length - path.offset;

		path.offset += skipped;
		path.length -= skipped;
	}
	query = path.length ? memchr(request->bytes + path.offset, '?', path.length) : NULL;
	if (query)
		path.length = (uint32_t)(query - request->bytes) - path.offset;
	return path;
}

/* An element of the path ends at `length`, its slash put: "" and "." go, and ".." goes with the one in front of it. */
static uint32_t end_element(const uint8_t *path, uint32_t length)
{
	uint32_t start = length - 1;

	while (start > 0 && path[start - 1] != '/')
		start--;
	if (start == 0)
		return length; /* the first slash */
	if (length - start == 1 || (length - start == 2 && path[start] == '.'))
		return start;
	if (length - start != 3 || path[start] != '.' || path[start + 1] != '.')
		return length;
	if (start == 1)
		return start;
	for (start--; path[start - 1] != '/'; start--)
		;
	return start;
}

/* The path as it is meant, with a slash at its end; `path` has room for its raw length and that.  Sets `rest` to the raw bytes
 * behind the last slash, or end, in front of which the path has `wanted_length` bytes. */
static uint32_t normalize(const uint8_t *raw, uint32_t raw_length, uint8_t *path, size_t wanted_length,
			  struct path_rest *rest)
{
	uint32_t length = 0, before = 0;

	*rest = (struct path_rest) { 0 };
	for (uint32_t i = 0; i < raw_length; i++) {
		uint8_t byte = raw[i];

		if (byte == '%' && raw_length - i > 2 && hex_value(raw[i + 1]) >= 0 && hex_value(raw[i + 2]) >= 0) {
			byte = (uint8_t)(hex_value(raw[i + 1]) << 4 | hex_value(raw[i + 2]));
			i += 2;
		}
		path[length++] = byte;
		if (byte != '/')
			continue;
		before = length = end_element(path, length);
		if (length == wanted_length + 1)
			*rest = (struct path_rest) { true, { i + 1, raw_length - i - 1 } };
	}
	path[length++] = '/';
	length = end_element(path, length);
	if (length == wanted_length + 1)
		*rest = (struct path_rest) { before >= length, { raw_length, 0 } };
	return length;
}

/* By elements: /a holds for /a and /a/b, not for /ab.  If it holds, the last place at which the path had the wanted length is the
 * end of `wanted` itself: had a ".." led out of it later, it would have been come to again later. */
bool path_holds(const char *wanted, const struct request *request, struct path_rest *rest)
{
	uint8_t path[HEAD_LINE + 1];
	struct part raw = request_path(request);
	size_t wanted_length = strlen(wanted);
	uint32_t length;

	while (wanted_length && wanted[wanted_length - 1] == '/')
		wanted_length--;
	length = normalize(request->bytes + raw.offset, raw.length, path, wanted_length, rest);
	rest->part.offset += raw.offset;
	return length > wanted_length && memcmp(path, wanted, wanted_length) == 0 && path[wanted_length] == '/';
}

bool condition_holds(const struct lun_condition *condition, const struct request *request)
{
	const struct part method = request->head->method;
	struct path_rest rest;

	if (!condition)
		return true;
	if (condition->method && (strlen(condition->method) != method.length ||
				  memcmp(condition->method, request->bytes + method.offset, method.length) != 0))
		return false;
	if (condition->host && !host_holds(condition->host, request))
		return false;
	return !condition->path || path_holds(condition->path, request, &rest);
}
