/* control.c - any bytes as what a client asks the agent at its socket: refused with a word why, or a request that flows are held against. */
#include "fuzz.h"

#include "control/request.h"

static struct lun_flow flow_of(uint8_t protocol, const char *source, const char *endpoint)
{
	struct lun_flow flow = { .state = LUN_STATE_ESTABLISHED, .service = "default/web:http", .age = 90000000000 };

	flow.orig = (struct lun_tuple) { .source = address_of(source), .source_port = 40000, .protocol = protocol };
	flow.reply = (struct lun_tuple) { .source = address_of(endpoint), .source_port = 80, .protocol = protocol };
	return flow;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	const struct lun_flow flows[] = { flow_of(LUN_TCP, "10.1.1.1", "10.244.0.5"),
					  flow_of(LUN_UDP, "fd00::1", "fd44::5") };
	struct lun_error error = { .text = "" };
	struct request request;
	char *line = malloc(size + 1);
	int code;

	MUST(line);
	memcpy(line, data, size);
	line[size] = '\0';
	code = request_parse(&request, line, &error);
	free(line);
	if (code < 0) {
		request_fini(&request);
		MUST(code == LUN_BAD_ARGUMENT && error.text[0] && strlen(error.text) < sizeof(error.text));
		return 0;
	}
	MUST(request.command == REQUEST_FLOWS || request.command == REQUEST_STATS || request.command == REQUEST_TRACE ||
	     request.command == REQUEST_TOP);
	MUST(request.count <= REQUEST_COUNT_MOST);
	MUST(memchr(request.expression, 0, sizeof(request.expression)));
	for (size_t i = 0; request.filter && i < sizeof(flows) / sizeof(flows[0]); i++)
		lun_flow_filter_holds(request.filter, &flows[i]);
	request_fini(&request);
	return 0;
}
