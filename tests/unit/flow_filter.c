/* Filters of flows: which expression holds which flow, with libpcap's precedence; and what is said of wrong ones. */
#include <lunette/replay.h>

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

static struct lun_tuple tuple(uint8_t protocol, const char *source, const char *destination)
{
	struct lun_tuple tuple = { .protocol = protocol };

	assert_int_equal(lun_endpoint_parse(&tuple.source, &tuple.source_port, source), 0);
	assert_int_equal(lun_endpoint_parse(&tuple.destination, &tuple.destination_port, destination), 0);
	return tuple;
}

enum { WEB, DNS, PING6, GRE, FLOWS };

static void make_flows(struct lun_flow flows[FLOWS])
{
	const uint64_t second = 1000000000;

	flows[WEB] = (struct lun_flow) { .orig = tuple(LUN_TCP, "10.9.0.1:40000", "10.96.0.10:80"),
					 .reply = tuple(LUN_TCP, "10.244.0.5:8080", "10.9.0.1:40000"),
					 .state = LUN_STATE_ESTABLISHED,
					 .age = 90 * second,
					 .service = "default/web:http" };
	flows[DNS] = (struct lun_flow) { .orig = tuple(LUN_UDP, "[fd00::9]:5353", "[fd96::1]:53"),
					 .reply = tuple(LUN_UDP, "[fd44::5]:53", "[fd00::9]:5353"),
					 .state = LUN_STATE_UDP_STREAM,
					 .service = "default/web2:dns" };
	flows[PING6] = (struct lun_flow) { .orig = tuple(LUN_ICMPV6, "[fd00::9]:7", "[fd96::1]:128"),
					   .reply = tuple(LUN_ICMPV6, "[fd96::1]:7", "[fd00::9]:129") };
	flows[GRE] = (struct lun_flow) { .orig = tuple(47, "10.9.0.1:0", "10.9.0.2:0"),
					 .reply = tuple(47, "10.9.0.2:0", "10.9.0.1:0") };
}

/* Which flows fit, a letter each: w, d, p, g. */
static const struct {
	const char *expression, *fit;
} rows[] = {
	{ "tcp", "w" },
	{ "udp or icmp6", "dp" },
	{ "ip6", "dp" },
	{ "ip proto 47", "g" },
	{ "dst port 80 or 53", "wd" },
	{ "src net 10.9.0.0/16", "wg" },
	{ "dst host fd96::1", "dp" },
	{ "tcp[tcpflags] = tcp-syn", "w" },
	{ "icmp6[icmp6type] = icmp6-echo", "p" },
	{ "state ESTABLISHED", "w" },
	{ "state established or state stream", "wd" },
	{ "not state ESTABLISHED", "dpg" },
	{ "!(state ESTABLISHED||udp)", "pg" },
	{ "udp and state STREAM", "d" },
	{ "tcp and state STREAM", "" },
	{ "ip or state STREAM and ip", "wg" },
	{ "service default/web", "w" },
	{ "service default/web:http", "w" },
	{ "service default/web:htt", "" },
	{ "not service default/web", "dpg" },
	{ "endpoint 10.244.0.0/16", "w" },
	{ "endpoint 10.244.0.5:8080", "w" },
	{ "endpoint 10.244.0.5:80", "" },
	{ "endpoint [fd44::5]:53", "d" },
	{ "age 90", "w" },
	{ "age 91", "" },
	{ "age 0", "wdpg" },
	{ "source ::/0", "wdpg" },
	{ "source 10.9.0.1 and not destination 10.96.0.10:80", "g" },
	{ "protocol udp", "d" },
	/* To libpcap `and` binds no tighter than `or`. */
	{ "(protocol tcp and (age 60 or state NONE)) or src host fd00::9 and dst port 53", "d" },
	{ "state NONE or state NONE or state NONE or state NONE or state NONE or state NONE or state NONE or state NONE or "
	  "state NONE or state NONE or state NONE or age 90",
	  "wpg" },
};

static void test_fits(void **state)
{
	static const char letters[] = "wdpg";
	struct lun_flow flows[FLOWS];

	(void)state;
	make_flows(flows);
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		struct lun_flow_filter *filter = NULL;
		struct lun_error error = { .text = "" };
		char fit[FLOWS + 1] = "";

		if (lun_flow_filter_new(&filter, rows[i].expression, &error) < 0)
			fail_msg("%s", error.text);
		for (int flow = 0; flow < FLOWS; flow++)
			if (lun_flow_filter_holds(filter, &flows[flow]))
				fit[strlen(fit)] = letters[flow];
		if (strcmp(fit, rows[i].fit) != 0)
			fail_msg("%s: fits '%s', not '%s'", rows[i].expression, fit, rows[i].fit);
		lun_flow_filter_free(filter);
	}
}

static const struct {
	const char *expression, *said;
} wrong[] = {
	{ "state", "filter: state : expected a state such as ESTABLISHED" },
	{ "state SLEEPING", "filter: state SLEEPING: expected a state such as ESTABLISHED" },
	{ "tcp and age (60)", "filter: age : expected seconds" },
	{ "age -1", "filter: age -1: expected seconds" },
	{ "age 4294967296", "filter: age 4294967296: expected seconds" },
	{ "service", "filter: service : expected namespace/name, or namespace/name:port" },
	{ "endpoint 10.0.0.0/33", "filter: endpoint 10.0.0.0/33: expected an address, a prefix, or ADDRESS:PORT" },
	{ "protocol tcq", "filter: protocol tcq: expected a protocol such as tcp" },
	{ "state NONE age 1", "filter state NONE age 1: " },
	{ "tcp prt 80", "filter tcp prt 80: " },
	{ "(tcp", "filter (tcp: " },
	{ "ether src 2:0:0:0:0:1", "filter ether src 2:0:0:0:0:1: " },
	{ "age 1 or age 1 or age 1 or age 1 or age 1 or age 1 or age 1 or age 1 or age 1 or age 1 or age 1 or age 1 or age "
	  "1",
	  "filter: more than 12 of state, service, endpoint, ..." },
};

static void test_wrong(void **state)
{
	char long_one[9000];

	(void)state;
	for (size_t i = 0; i < sizeof(wrong) / sizeof(wrong[0]); i++) {
		struct lun_flow_filter *filter = NULL;
		struct lun_error error = { .text = "" };

		assert_int_equal(lun_flow_filter_new(&filter, wrong[i].expression, &error), LUN_BAD_ARGUMENT);
		assert_null(filter);
		if (strncmp(error.text, wrong[i].said, strlen(wrong[i].said)) != 0)
			fail_msg("%s: %s", wrong[i].expression, error.text);
	}
	for (size_t length = 200; length < sizeof(long_one); length += 97) { /* a word, and many, that find no room */
		struct lun_flow_filter *filter = NULL;
		struct lun_error error;

		memset(long_one, '9', length);
		long_one[length] = '\0';
		assert_int_equal(lun_flow_filter_new(&filter, long_one, &error), LUN_BAD_ARGUMENT);
		memcpy(long_one, "service ", 8);
		assert_int_equal(lun_flow_filter_new(&filter, long_one, &error), length < 264 ? 0 : LUN_BAD_ARGUMENT);
		lun_flow_filter_free(filter);
		for (size_t i = 1; i < length; i += 2)
			long_one[i] = '(';
		assert_int_equal(lun_flow_filter_new(&filter, long_one, &error), LUN_BAD_ARGUMENT);
	}
}

static void test_null(void **state)
{
	struct lun_flow flows[FLOWS];

	(void)state;
	make_flows(flows);
	assert_true(lun_flow_filter_holds(NULL, &flows[WEB]));
	lun_flow_filter_free(NULL);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_fits),
		cmocka_unit_test(test_wrong),
		cmocka_unit_test(test_null),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
