/* names.c - text and back: addresses, prefixes, endpoints, tuples, and the names of everything in the public header. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include <lunette/lunette.h>

#define COUNT(array) (sizeof(array) / sizeof((array)[0]))

static struct lun_address address_of(const char *text)
{
	struct lun_address address;

	if (lun_address_parse(&address, text) < 0)
		fail_msg("%s is no address", text);
	return address;
}

/* What is read, and how it reads when it is written again; NULL: refused. */
static const struct {
	const char *text, *again;
} addresses[] = {
	{ "10.0.0.1", "10.0.0.1" },
	{ "0.0.0.0", "0.0.0.0" },
	{ "255.255.255.255", "255.255.255.255" },
	{ "010.000.00.0001", "10.0.0.1" }, /* R34: decimal, not octal */
	{ "192.168.064.099", "192.168.64.99" },
	{ "::", "::" },
	{ "::1", "::1" },
	{ "FC00:F853:CCD:E793::2", "fc00:f853:ccd:e793::2" },
	{ "2001:0db8:0000:0000:0000:0000:0000:0001", "2001:db8::1" },
	{ "::ffff:10.0.0.1", "10.0.0.1" }, /* one form inside, RFC 4291 2.5.5.2 */
	{ "", NULL },
	{ " 10.0.0.1", NULL },
	{ "10.0.0.1 ", NULL },
	{ "10.0.0", NULL },
	{ "10.0.0.", NULL },
	{ "10.0.0.1.", NULL },
	{ "10.0.0.1.2", NULL },
	{ "10.0..1", NULL },
	{ "256.0.0.1", NULL },
	{ "10.0.0.4294967297", NULL },
	{ "10.0.0.-1", NULL },
	{ "10.0.0.+1", NULL },
	{ "0x0a.0.0.1", NULL },
	{ "10.0.0.1/8", NULL },
	{ "localhost", NULL },
	{ ":", NULL },
	{ ":::", NULL },
	{ "1::2::3", NULL },
	{ "fe80::1%eth0", NULL },
	{ "[::1]", NULL },
	{ "1:2:3:4:5:6:7:8:9", NULL },
};

static void test_addresses(void **state)
{
	(void)state;
	for (size_t i = 0; i < COUNT(addresses); i++) {
		char text[LUN_ADDRESS_TEXT];
		struct lun_address address;
		int result = lun_address_parse(&address, addresses[i].text);

		if (result != (addresses[i].again ? 0 : LUN_BAD_ARGUMENT))
			fail_msg("\"%s\": %d", addresses[i].text, result);
		if (addresses[i].again)
			assert_string_equal(lun_address_format(&address, text), addresses[i].again);
	}
}

static void test_address_bytes(void **state)
{
	static const uint8_t mapped[16] = { [10] = 0xff, [11] = 0xff, 10, 0, 0, 1 };
	struct lun_address v4 = address_of("10.0.0.1"), v6 = address_of("::a00:1"), zero = address_of("::");

	(void)state;
	assert_memory_equal(v4.bytes, mapped, sizeof(mapped));
	assert_true(lun_address_is_v4(&v4));
	assert_false(lun_address_is_v4(&v6));
	assert_true(lun_address_is_zero(&zero));
	assert_false(lun_address_is_zero(&v4));
	v4 = address_of("0.0.0.0"); /* an IPv4 address all the same */
	assert_false(lun_address_is_zero(&v4));
}

/* Each with its length in 128 bits, one address inside and one just outside; NULL `inside`: refused. */
static const struct {
	const char *text;
	uint8_t length;
	const char *inside, *outside;
} prefixes[] = {
	{ "10.0.0.0/8", 104, "10.255.255.255", "11.0.0.0" },
	{ "  010.0.0.0/08\t", 104, "10.1.2.3", "9.255.255.255" }, /* R25, R34 */
	{ "10.1.2.3/16", 112, "10.1.255.255", "10.2.0.0" },
	{ "10.96.0.0/12", 108, "10.111.255.255", "10.112.0.0" },
	{ "192.168.0.128/25", 121, "192.168.0.255", "192.168.0.127" },
	{ "203.0.113.7", 128, "203.0.113.7", "203.0.113.6" },
	{ "0.0.0.0/0", 96, "255.255.255.255", "::1" },
	{ "::/0", 0, "10.0.0.1", NULL },
	{ "fd00::/64", 64, "fd00::ffff:ffff:ffff:ffff", "fd00:0:0:1::" },
	{ "fd00::/9", 9, "fd7f::1", "fd80::" },
	{ "2001:db8::1/128", 128, "2001:db8::1", "2001:db8::" },
	{ "10.0.0.0/33", 0, NULL, NULL },
	{ "10.0.0.0/-1", 0, NULL, NULL },
	{ "10.0.0.0/", 0, NULL, NULL },
	{ "10.0.0.0/8x", 0, NULL, NULL },
	{ "10.0.0.0/8/8", 0, NULL, NULL },
	{ "10.0.0.0 /8", 0, NULL, NULL },
	{ "fd00::/129", 0, NULL, NULL },
	{ "fd00::/4294967297", 0, NULL, NULL },
	{ "/8", 0, NULL, NULL },
	{ "", 0, NULL, NULL },
	{ "1000000000000000000000000000000000000000000000000000000000000000000000000000/8", 0, NULL, NULL },
};

static void check_prefix(size_t i)
{
	struct lun_prefix prefix;
	struct lun_address address;
	int result = lun_prefix_parse(&prefix, prefixes[i].text);

	if (result != (prefixes[i].inside ? 0 : LUN_BAD_ARGUMENT))
		fail_msg("\"%s\": %d", prefixes[i].text, result);
	if (!prefixes[i].inside)
		return;
	assert_int_equal(prefix.length, prefixes[i].length);
	address = address_of(prefixes[i].inside);
	assert_true(lun_prefix_holds(&prefix, &address));
	if (prefixes[i].outside) {
		address = address_of(prefixes[i].outside);
		assert_false(lun_prefix_holds(&prefix, &address));
	}
}

static void test_prefixes(void **state)
{
	struct lun_prefix prefix;
	struct lun_address start = address_of("10.1.0.0");

	(void)state;
	for (size_t i = 0; i < COUNT(prefixes); i++)
		check_prefix(i);
	assert_int_equal(lun_prefix_parse(&prefix, "10.1.2.3/16"), 0);
	prefix.length = 129;
	assert_false(lun_prefix_holds(&prefix, &start));
	assert_memory_equal(&prefix.address, &start, sizeof(start)); /* bits behind the length are cleared */
}

/* What is read, what port it has, how it is written; NULL `again`: refused. */
static const struct {
	const char *text;
	uint16_t port;
	const char *again;
} endpoints[] = {
	{ "10.0.0.1:80", 80, "10.0.0.1:80" },
	{ "10.0.0.1", 0, "10.0.0.1:0" },
	{ "10.0.0.1:65535", 65535, "10.0.0.1:65535" },
	{ "010.0.0.01:0080", 80, "10.0.0.1:80" },
	{ "[fd00::1]:80", 80, "[fd00::1]:80" },
	{ "[fd00::1]", 0, "[fd00::1]:0" },
	{ "fd00::1", 0, "[fd00::1]:0" },
	{ "[2001:0db8:1111:2222:3333:4444:5555:6666]:65535", 65535, "[2001:db8:1111:2222:3333:4444:5555:6666]:65535" },
	{ "10.0.0.1:", 0, NULL },
	{ "10.0.0.1:65536", 0, NULL },
	{ "10.0.0.1:99999999999", 0, NULL },
	{ "10.0.0.1:-1", 0, NULL },
	{ "10.0.0.1:80 ", 0, NULL },
	{ "10.0.0.1:http", 0, NULL },
	{ "10.0.0.1:80:81", 0, NULL },
	{ "[fd00::1]:", 0, NULL },
	{ "[fd00::1]80", 0, NULL },
	{ "[fd00::1", 0, NULL },
	{ "fd00::1]:80", 0, NULL },
	{ "[]:80", 0, NULL },
	{ ":80", 0, NULL },
	{ "", 0, NULL },
	{ "[1111111111111111111111111111111111111111111111111111111111111111111111111111]:80", 0, NULL },
};

static void test_endpoints(void **state)
{
	(void)state;
	for (size_t i = 0; i < COUNT(endpoints); i++) {
		char text[LUN_ADDRESS_TEXT];
		struct lun_address address;
		uint16_t port = 1;
		int result = lun_endpoint_parse(&address, &port, endpoints[i].text);

		if (result != (endpoints[i].again ? 0 : LUN_BAD_ARGUMENT))
			fail_msg("\"%s\": %d", endpoints[i].text, result);
		if (!endpoints[i].again)
			continue;
		assert_int_equal(port, endpoints[i].port);
		assert_string_equal(lun_endpoint_format(&address, port, text), endpoints[i].again);
	}
}

static void test_tuples(void **state)
{
	const char *longest = "ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff";
	struct lun_tuple tuple = { .source = address_of("10.1.1.1"),
				   .source_port = 40000,
				   .destination = address_of("10.96.0.10"),
				   .destination_port = 80,
				   .protocol = LUN_TCP };
	char text[LUN_TUPLE_TEXT];

	(void)state;
	assert_string_equal(lun_tuple_format(&tuple, text), "tcp 10.1.1.1:40000 10.96.0.10:80");
	tuple.protocol = 255; /* without a name: its number */
	tuple.source = tuple.destination = address_of(longest);
	tuple.source_port = tuple.destination_port = 65535;
	assert_string_equal(lun_tuple_format(&tuple, text), "255 [ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff]:65535 "
							    "[ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff]:65535");
}

static void test_protocols(void **state)
{
	static const struct {
		uint8_t number;
		const char *name;
	} known[] = { { 1, "icmp" }, { LUN_TCP, "tcp" }, { LUN_UDP, "udp" }, { LUN_SCTP, "sctp" } };
	size_t named = 0;

	(void)state;
	for (size_t i = 0; i < COUNT(known); i++) {
		assert_string_equal(lun_protocol_name(known[i].number), known[i].name);
		assert_int_equal(lun_protocol_number(known[i].name), known[i].number);
	}
	for (int number = 0; number < 256; number++) {
		const char *name = lun_protocol_name((uint8_t)number);

		if (!name)
			continue;
		named++;
		assert_int_equal(lun_protocol_number(name), number);
	}
	assert_true(named >= COUNT(known));
	assert_null(lun_protocol_name(255));
	assert_int_equal(lun_protocol_number("tcpp"), LUN_NOT_FOUND);
	assert_int_equal(lun_protocol_number(""), LUN_NOT_FOUND);
	assert_int_equal(lun_protocol_number("TCP"), LUN_NOT_FOUND);
}

/* Every value of an enum has a name that no other value has, and a value that no enumerator has gets a name that none has:
 * the list ends at `count`. */
#define CHECK_NAMES(function, type, count)                                                                                  \
	do {                                                                                                                \
		for (int i = 0; i <= (int)(count); i++) {                                                                   \
			assert_non_null(function((type)i));                                                                 \
			assert_true(strlen(function((type)i)) > 0);                                                         \
			for (int j = 0; j < i; j++)                                                                         \
				assert_string_not_equal(function((type)i), function((type)j));                              \
		}                                                                                                           \
		assert_string_equal(function((type)(count)), "unknown");                                                    \
		assert_string_equal(function((type)-1), "unknown");                                                         \
	} while (0)

static void test_enum_names(void **state)
{
	(void)state;
	CHECK_NAMES(lun_reason_name, enum lun_reason, LUN_REASON_COUNT);
	CHECK_NAMES(lun_reason_text, enum lun_reason, LUN_REASON_COUNT);
	CHECK_NAMES(lun_via_name, enum lun_via, LUN_VIA_script + 1);
	/* Two protocols may have a state of the same name. */
	for (int i = 0; i < LUN_STATE_COUNT; i++)
		assert_string_not_equal(lun_state_name((enum lun_state)i), "unknown");
	assert_string_equal(lun_state_name(LUN_STATE_COUNT), "unknown");
	CHECK_NAMES(lun_verdict_name, enum lun_verdict, LUN_QUERY + 1);
	CHECK_NAMES(lun_ct_name, enum lun_ct, LUN_CT_UNTRACKED + 1);
}

static void test_some_names(void **state)
{
	(void)state;
	assert_string_equal(lun_reason_name(LUN_REASON_table_full), "table_full");
	assert_string_equal(lun_reason_text(LUN_REASON_table_full), "the flow table is full");
	assert_string_equal(lun_via_name(LUN_VIA_node_port), "node_port");
	assert_string_equal(lun_state_name(LUN_STATE_SYN_SENT), "SYN_SENT");
	assert_string_equal(lun_verdict_name(LUN_ACCEPT), "accept");
	assert_string_equal(lun_ct_name(LUN_CT_ESTABLISHED), "established");
}

static void test_errors(void **state)
{
#define ERROR_CODE(name, value, sentence) LUN_##name,
	static const int codes[] = { 0, LUN_ERRORS(ERROR_CODE) };
#undef ERROR_CODE

	(void)state;
	for (size_t i = 0; i < COUNT(codes); i++) {
		assert_true(codes[i] <= 0);
		for (size_t j = 0; j < i; j++) {
			assert_int_not_equal(codes[i], codes[j]);
			assert_string_not_equal(lun_strerror(codes[i]), lun_strerror(codes[j]));
		}
	}
	assert_non_null(lun_strerror(1));
	assert_non_null(lun_strerror(-1000));
}

int main(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_addresses),  cmocka_unit_test(test_address_bytes), cmocka_unit_test(test_prefixes),
		cmocka_unit_test(test_endpoints),  cmocka_unit_test(test_tuples),        cmocka_unit_test(test_protocols),
		cmocka_unit_test(test_enum_names), cmocka_unit_test(test_some_names),    cmocka_unit_test(test_errors),
	};

	return cmocka_run_group_tests_name("names", tests, NULL, NULL);
}
