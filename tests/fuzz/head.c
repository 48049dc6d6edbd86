/* head.c - any bytes as a request head: the scanner says the same of every beginning as of the whole, its parts lie inside,
 * and what is rendered from a good head is a good head, with our line once and the same body length.
 *
 * Input: the bytes of a stream. */
#include "fuzz.h"

#include "http/http.h"

static void check_parts(const struct head *head)
{
	uint32_t at = head->fields_offset;

	MUST(head->target.length && head->target.offset + head->target.length < at && head->length <= HEAD_SIZE);
	for (uint32_t i = 0; i < head->field_count; i++) {
		struct part name = head->fields[i].name, value = head->fields[i].value;

		MUST(name.offset == at && name.length && value.offset > name.offset + name.length);
		at = head->fields[i].end;
		MUST(value.offset + value.length + 2 <= at);
	}
	MUST(head->length == at + 2);
}

/* Every beginning, each in memory of its own, as if the stream came byte by byte. */
static void check_beginnings(const uint8_t *data, uint32_t size, int used)
{
	static struct head head;

	for (uint32_t part = 0; part <= size; part++) {
		uint8_t *bytes = exact_copy(data, part);
		int result = head_scan(&head, bytes, part);

		free(bytes);
		MUST(used <= 0 || result == (part < (uint32_t)used ? HEAD_MORE : used));
		MUST(used > 0 || result == HEAD_MORE || result == used);
		if (result == HEAD_BAD)
			return; /* it stays so: the next one is the same bytes and more */
	}
}

static void check_rendered(struct http *http, const uint8_t *bytes)
{
	static struct head head;
	struct lun_header ours[] = { { "X-Real-IP", "$remote_addr $$ $http_x_real_ip $nothing" },
				     { "x_id", "$request_id" } };
	struct http_stream stream = { .headers = { .headers = ours, .count = 2, .service = "a/b" } };
	struct flow flow = { .tuple = { { .source = address_of("192.0.2.1"), .protocol = LUN_TCP } } };
	uint32_t found[2] = { 0 };
	uint64_t body = http->head.content_length;

	if (!http_render(http, &flow, &stream, bytes, 1) || http->rendered_length > HEAD_SIZE)
		return;
	if (http->head.field_count + 2 > HEAD_FIELDS)
		return; /* ours may be too many */
	MUST(head_scan(&head, http->rendered, http->rendered_length) == (int)http->rendered_length);
	check_parts(&head);
	for (uint32_t i = 0; i < head.field_count; i++)
		for (int k = 0; k < 2; k++)
			found[k] += name_is_twin(http->rendered + head.fields[i].name.offset, head.fields[i].name.length,
						 ours[k].name);
	MUST(found[0] == 1 && found[1] == 1 && head.content_length == body);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static const struct hash_key key;
	static struct http http;
	uint8_t *bytes = exact_copy(data, size);
	int used;

	if (!http.rendered)
		MUST(http_init(&http, 1, &key) == 0);
	used = head_scan(&http.head, bytes, (uint32_t)size);
	MUST(used == HEAD_BAD || used == HEAD_MORE ||
	     (used > 0 && (size_t)used <= size && http.head.length == (uint32_t)used));
	if (used > 0) {
		check_parts(&http.head);
		check_rendered(&http, bytes);
	}
	check_beginnings(data, size < 600 ? (uint32_t)size : 600, used);
	free(bytes);
	return 0;
}
