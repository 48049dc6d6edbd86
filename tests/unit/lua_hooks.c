/* lua_hooks.c - on_packet, on_close and flow.data: what they see, what they may do, and that nothing of a flow outlives it. */
#include "lua_load.h"

#define HERE "node { name = 'n1', addresses = { '172.18.0.2' }, pods = { '10.244.0.0/16' }, intercept = 'all' }\n" WEB
#define SYN "tcp 10.244.0.7:1 10.96.0.1:80 S seq 1000"
#define SYNACK "tcp 10.244.0.5:80 10.244.0.7:1 S. seq 9000 ack 1001"

static uint64_t policy_errors(const struct loaded *l)
{
	struct lun_stats stats;

	lun_engine_stats(l->notation.engine, &stats);
	return stats.reasons[LUN_REASON_policy_error];
}

static void packets_are_seen_as_they_came(void **state)
{
	struct loaded l;

	(void)state;
	loaded_init(&l);
	loaded_start(&l,
		     HERE "local seen = {}\n"
			  "function on_packet(p, flow)\n"
			  " seen[#seen + 1] = table.concat({ tostring(p.source), p.source_port, tostring(p.destination),\n"
			  "  p.destination_port, p.protocol, p.direction, p.state, p.length, p.flags, p.payload or 'none',\n"
			  "  tostring(flow.source), flow.destination_port, tostring(flow.service) }, ' ')\n"
			  "end\n"
			  "function on_close() print(table.concat(seen, '; ')) end\n");
	EXPECT(&l.notation, { SYN, "accept new SYN_SENT -> tcp 10.244.0.7:1 10.244.0.5:80" },
	       { SYNACK, "accept established SYN_RECV -> tcp 10.96.0.1:80 10.244.0.7:1" },
	       { "tcp 10.244.0.7:1 10.96.0.1:80 P. seq 1001 ack 9001 text \"abc\"",
		 "accept established ESTABLISHED -> tcp 10.244.0.7:1 10.244.0.5:80" },
	       { "tcp 10.244.0.7:1 10.96.0.1:80 R seq 1004", "accept established CLOSE -> tcp 10.244.0.7:1 10.244.0.5:80" });
	l.log[0] = '\0';
	l.notation.now += UINT64_C(3600) * 1000000000;
	lun_engine_tick(l.notation.engine, l.notation.now);
	assert_string_equal(l.log, "p.lua:9: 10.244.0.7 1 10.96.0.1 80 tcp orig SYN_SENT 40 S  10.244.0.7 80 default/web; "
				   "10.244.0.5 80 10.244.0.7 1 tcp reply SYN_RECV 40 S.  10.244.0.7 80 default/web; "
				   "10.244.0.7 1 10.96.0.1 80 tcp orig ESTABLISHED 43 P. abc 10.244.0.7 80 default/web; "
				   "10.244.0.7 1 10.96.0.1 80 tcp orig CLOSE 40 R  10.244.0.7 80 default/web\n");
	loaded_fini(&l);
}

/* Each as the body of on_packet, for a packet that opens a flow to the service. */
static const struct {
	const char *body, *out, *log;
	bool error; /* is counted */
} bodies[] = {
	{ "", "accept new SYN_SENT -> tcp 10.244.0.7:1 10.244.0.5:80", "", false },
	{ "return accept()", "accept new SYN_SENT -> tcp 10.244.0.7:1 10.244.0.5:80", "", false },
	{ "return drop 'no'", "drop new SYN_SENT (policy_drop)", "", false },
	{ "if packet.direction == 'reply' then return drop() end", "accept new SYN_SENT -> tcp 10.244.0.7:1 10.244.0.5:80",
	  "", false },
	{ "return reject()", "accept new SYN_SENT -> tcp 10.244.0.7:1 10.244.0.5:80",
	  "p.lua:3: on_packet returned another decision, expected nothing, accept() or drop(why)\n", true },
	{ "return dnat '10.0.0.1'", "accept new SYN_SENT -> tcp 10.244.0.7:1 10.244.0.5:80", "p.lua:3: on_packet returned",
	  true },
	{ "return 5", "accept new SYN_SENT -> tcp 10.244.0.7:1 10.244.0.5:80",
	  "p.lua:3: on_packet returned a number, expected nothing, accept() or drop(why)\n", true },
	{ "packet.length = 5", "accept new SYN_SENT -> tcp 10.244.0.7:1 10.244.0.5:80",
	  "p.lua:3: a packet can not be changed, on_packet answers with accept() or drop(why)\n", true },
	{ "return packet.lenght", "accept new SYN_SENT -> tcp 10.244.0.7:1 10.244.0.5:80",
	  "p.lua:3: a packet has no field lenght, did you mean length?\n", true },
	{ "while true do end", "accept new SYN_SENT -> tcp 10.244.0.7:1 10.244.0.5:80",
	  "p.lua:3: more than 100000 instructions", true },
	{ "local t = {} while true do t[#t + 1] = packet.payload .. #t end",
	  "accept new SYN_SENT -> tcp 10.244.0.7:1 10.244.0.5:80", "p.lua:3: more than 100000 instructions", true },
	{ "return setmetatable(packet, {})", "accept new SYN_SENT -> tcp 10.244.0.7:1 10.244.0.5:80",
	  "p.lua:3: bad argument #1", true },
	{ "flow.data = {}", "accept new SYN_SENT -> tcp 10.244.0.7:1 10.244.0.5:80", "p.lua:3: a flow can not be changed",
	  true },
};

static void on_packet_lets_go_or_drops(void **state)
{
	char text[1000];

	(void)state;
	for (size_t i = 0; i < sizeof(bodies) / sizeof(bodies[0]); i++) {
		struct loaded l;
		const char *got;

		loaded_init(&l);
		snprintf(text, sizeof(text), HERE "function on_packet(packet, flow) %s end\n", bodies[i].body);
		loaded_start(&l, text);
		got = notation_run(&l.notation, SYN);
		if (strcmp(got, bodies[i].out) != 0 || strncmp(l.log, bodies[i].log, strlen(bodies[i].log)) != 0 ||
		    (*bodies[i].log == '\0' && *l.log != '\0'))
			fail_msg("%s\n  expected %s, %s\n  got %s, %s", bodies[i].body, bodies[i].out, bodies[i].log, got,
				 l.log);
		assert_int_equal(policy_errors(&l), bodies[i].error);
		loaded_fini(&l);
	}
}

static void on_error_drops_packets_too(void **state)
{
	struct loaded l;

	(void)state;
	loaded_init(&l);
	loaded_start(&l, "node { name = 'n1', pods = { '10.244.0.0/16' }, on_error = 'drop' }\n" WEB
			 "function on_packet() error 'oh' end\n");
	EXPECT(&l.notation, { SYN, "drop new SYN_SENT (policy_error)" });
	assert_int_equal(policy_errors(&l), 1);
	loaded_fini(&l);
}

#define HEAD(target) "GET " target " HTTP/1.1\r\nHost: a\r\n\r\n"
#define SET(target) "GET " target " HTTP/1.1\r\nA: b\r\nHost: a\r\n\r\n"
#define REQUEST_REFUSED "reject established CLOSE (policy_error)"

/* A service that sets a header, and a hook that sets another, but then does `fails` for the target /bad. */
static void start_with_requests(struct loaded *l, const char *on_error, const char *fails)
{
	char text[1000];

	loaded_init(l);
	snprintf(text, sizeof(text),
		 "node { name = 'n1', pods = { '10.244.0.0/16' }, on_error = '%s' }\n"
		 "service 'default/web' { cluster_ips = { '10.96.0.1' }, ports = { { port = 80 } },\n"
		 " endpoints = { '10.244.0.5' }, http = { set = { A = 'b' } } }\n"
		 "function on_request(request)\n"
		 " if request.target == '/bad' then request.headers.C = 'd' %s end\n"
		 "end\n",
		 on_error, fails);
	loaded_start(l, text);
	EXPECT(&l->notation, { SYN, "accept new SYN_SENT -> tcp 10.244.0.7:1 10.244.0.5:80" },
	       { SYNACK, "accept established SYN_RECV -> tcp 10.96.0.1:80 10.244.0.7:1" });
}

/* What the upstream gets of these bytes, "" if they go no further. */
static const char *request_becomes(struct loaded *l, unsigned sequence, const char *bytes)
{
	static char left[NOTATION_PACKET], line[1000];
	const struct lun_packet *packet = &l->notation.packet;

	snprintf(line, sizeof(line), "tcp 10.244.0.7:1 10.96.0.1:80 P. seq %u ack 9001 text \"%s\"", sequence, bytes);
	notation_run(&l->notation, line);
	snprintf(left, sizeof(left), "%.*s", packet->verdict == LUN_ACCEPT ? (int)packet->length - 40 : 0,
		 (const char *)packet->data + 40);
	return left;
}

static void on_error_says_what_becomes_of_a_request(void **state)
{
	static const struct {
		const char *on_error, *fails, *upstream;
	} requests[] = {
		{ "services", "error 'oh'", SET("/bad") },
		{ "services", "while true do end", SET("/bad") },
		{ "services", "return 5", SET("/bad") },
		{ "accept", "error 'oh'", HEAD("/bad") },
		{ "accept", "while true do end", HEAD("/bad") },
		{ "accept", "return drop()", HEAD("/bad") },
		{ "drop", "error 'oh'", "" },
		{ "drop", "while true do end", "" },
		{ "drop", "return ('x'):rep(1 << 40)", "" },
		{ "drop", "return false", "" },
		{ "drop", "pcall(request.headers, 1) error()", "" },
	};

	(void)state;
	for (size_t i = 0; i < sizeof(requests) / sizeof(requests[0]); i++) {
		struct loaded l;
		const char *got;

		start_with_requests(&l, requests[i].on_error, requests[i].fails);
		assert_string_equal(request_becomes(&l, 1001, HEAD("/ok")), SET("/ok"));
		got = request_becomes(&l, 1001 + sizeof(HEAD("/ok")) - 1, HEAD("/bad"));
		if (strcmp(got, requests[i].upstream) != 0)
			fail_msg("%s, %s: got %s", requests[i].on_error, requests[i].fails, got);
		assert_string_not_equal(l.log, "");
		assert_int_equal(policy_errors(&l), 1);
		loaded_fini(&l);
	}
}

/* Both ends get a reset, and what is in front of the bad head in its packet still goes on; so do copies of a head that has gone. */
static void a_request_that_is_refused_ends_its_connection(void **state)
{
	const char *both = HEAD("/ok") HEAD("/bad");
	struct lun_event event;
	struct loaded l;

	(void)state;
	start_with_requests(&l, "drop", "error 'oh'");
	assert_string_equal(request_becomes(&l, 1001, both), SET("/ok"));
	assert_int_equal(policy_errors(&l), 0);
	assert_string_equal(request_becomes(&l, 1001, HEAD("/ok")), SET("/ok"));
	EXPECT(&l.notation,
	       { "tcp 10.244.0.7:1 10.96.0.1:80 P. seq 1030 ack 9001 text \"" HEAD("/bad") "\"", REQUEST_REFUSED });
	assert_int_equal(policy_errors(&l), 1);
	for (enum lun_side side = LUN_SIDE_CLIENT; side <= LUN_SIDE_UPSTREAM; side++) {
		assert_true(lun_engine_next_event(l.notation.engine, &event));
		assert_int_equal(event.kind, LUN_EVENT_EMIT);
		assert_int_equal(event.data[33] & TCP_RST, TCP_RST);
	}
	assert_true(lun_engine_next_event(l.notation.engine, &event));
	assert_int_equal(event.kind, LUN_EVENT_REFUSED);
	assert_int_equal(event.status, 0); /* it is no fault of the client's */
	loaded_fini(&l);
}

/* The hook fails on the copy of a head that it let go: the copy does not go. */
static void a_request_that_fails_later_does_not_go_again(void **state)
{
	struct loaded l;

	(void)state;
	start_with_requests(&l, "drop", "calls = (calls or 0) + 1 if calls > 1 then error 'oh' end");
	assert_string_not_equal(request_becomes(&l, 1001, HEAD("/bad")), "");
	EXPECT(&l.notation, { "tcp 10.244.0.7:1 10.96.0.1:80 P. seq 1001 ack 9001 text \"" HEAD("/bad") "\"",
			      "drop established ESTABLISHED (policy_error)" });
	loaded_fini(&l);
}

static void a_packet_that_was_kept_is_over(void **state)
{
	struct loaded l;

	(void)state;
	loaded_init(&l);
	loaded_start(&l, HERE "function on_packet(packet)\n"
			      " if kept then return drop(kept.flags) end\n"
			      " kept = packet\n"
			      "end\n");
	notation_run(&l.notation, SYN);
	assert_string_equal(l.log, "");
	notation_run(&l.notation, SYNACK);
	assert_string_equal(l.log,
			    "p.lua:4: this packet is over: it can be used only during the call of on_packet that it was "
			    "given to\n");
	loaded_fini(&l);
}

/* What on_flow keeps, on_packet and on_close find, until the flow is gone. */
static void data_lives_as_long_as_its_flow(void **state)
{
	struct loaded l;

	(void)state;
	loaded_init(&l);
	loaded_start(&l, HERE
		     "function on_flow(flow) assert(flow.data.n == nil) flow.data.n = 0 end\n"
		     "function on_packet(packet, flow)\n"
		     " flow.data.n = flow.data.n + 1\n"
		     " if flow.data.n == 3 then return drop 'the third' end\n"
		     "end\n"
		     "function on_close(flow)\n"
		     " print(tostring(flow.source), flow.data.n, flow.packets, flow.bytes, flow.age >= 0, flow.service)\n"
		     "end\n");
	for (int i = 0; i < 2; i++) {
		EXPECT(&l.notation, { SYN, "accept new SYN_SENT -> tcp 10.244.0.7:1 10.244.0.5:80" },
		       { SYNACK, "accept established SYN_RECV -> tcp 10.96.0.1:80 10.244.0.7:1" },
		       { "tcp 10.244.0.7:1 10.96.0.1:80 . seq 1001 ack 9001",
			 "drop established ESTABLISHED (policy_drop)" });
		l.notation.now += UINT64_C(24 * 3600) * 1000000000;
		lun_engine_tick(l.notation.engine, l.notation.now);
	}
	assert_string_equal(l.log, "p.lua:9: 10.244.0.7\t3\t3\t120\ttrue\tdefault/web\n");
	assert_int_equal(policy_errors(&l), 0);
	loaded_fini(&l);
}

/* Flows that never open, that end, that are dropped by the map: 300,000 tables, each of 1 kB, in 64 MB. */
static void data_of_no_flow_goes(void **state)
{
	static const char *const answers[] = { "return drop()", "return reject()", "", "return forward 'default/none'" };
	char text[1000], packet[100];

	(void)state;
	for (size_t i = 0; i < sizeof(answers) / sizeof(answers[0]); i++) {
		struct loaded l;

		loaded_init(&l);
		snprintf(text, sizeof(text),
			 "node { name = 'n', pods = { '10.244.0.0/16' } }\nservice 'default/web' { cluster_ips = { "
			 "'10.96.0.1' }, ports = { "
			 "{ port = 80 } } }\n"
			 "local n = 0\n"
			 "function on_flow(flow) n = n + 1 flow.data.text = ('x'):rep(1024) .. n %s end\n",
			 answers[i]);
		loaded_start(&l, text);
		l.notation.traced = false;
		for (int k = 0; k < 75000; k++) {
			snprintf(packet, sizeof(packet), "tcp 10.244.%d.%d:%d 10.96.0.1:80 S", k >> 15, k >> 7 & 255,
				 1 + (k & 127));
			notation_run(&l.notation, packet);
			assert_int_not_equal(l.notation.packet.verdict, LUN_ACCEPT);
		}
		assert_int_equal(policy_errors(&l), strstr(answers[i], "forward") != NULL ? 75000 : 0);
		loaded_fini(&l);
	}
}

/* Another policy hears the end, with nothing kept. */
static void the_policy_of_the_day_hears_the_end(void **state)
{
	struct lun_policy *before;
	struct loaded l;

	(void)state;
	loaded_init(&l);
	loaded_start(&l, HERE "function on_flow(flow) flow.data.n = 1 end\nfunction on_close() print 'old' end\n");
	notation_run(&l.notation, SYN);
	before = l.policy;
	assert_int_equal(loaded_text(&l, HERE "function on_close(flow) print('new', flow.data.n) end\n"), 0);
	assert_int_equal(lun_engine_set_policy(l.notation.engine, l.policy), 0);
	lun_policy_unref(before);
	l.notation.now += UINT64_C(24 * 3600) * 1000000000;
	lun_engine_tick(l.notation.engine, l.notation.now);
	assert_string_equal(l.log, "p.lua:3: new\tnil\n");
	loaded_fini(&l);
}

static void a_failing_on_close_harms_nobody(void **state)
{
	struct loaded l;

	(void)state;
	loaded_init(&l);
	loaded_start(&l, HERE "function on_flow(flow) assert(not flow.data.n) flow.data.n = 1 end\n"
			      "function on_close(flow) while true do end end\n");
	for (int i = 0; i < 2; i++) {
		EXPECT(&l.notation, { SYN, "accept new SYN_SENT -> tcp 10.244.0.7:1 10.244.0.5:80" });
		l.notation.now += UINT64_C(24 * 3600) * 1000000000;
		lun_engine_tick(l.notation.engine, l.notation.now);
	}
	assert_string_equal(l.log, "p.lua:4: more than 100000 instructions, the most that one call of a hook may take\n");
	assert_int_equal(policy_errors(&l), 0);
	loaded_fini(&l);
}

/* Forty lines that fail, the one of the first packet three times: 32 are counted apart. */
static void failures_are_counted_by_their_line(void **state)
{
	struct lun_lua_stats stats = { .elsewhere = 0 };
	char text[4000], packet[100];
	size_t length =
		(size_t)snprintf(text, sizeof(text), HERE "function on_flow(flow)\n local port = flow.source_port\n");
	struct loaded l;

	(void)state;
	for (int i = 1; i <= 40; i++)
		length += (size_t)snprintf(text + length, sizeof(text) - length, " if port == %d then error 'no' end\n", i);
	snprintf(text + length, sizeof(text) - length,
		 " if port == 50 then return forward 'no/such' end\n if port == 51 then return 5 end\nend\n");
	loaded_init(&l);
	l.options.stats = &stats;
	loaded_start(&l, text);
	for (int i = -1; i <= 40; i++) {
		snprintf(packet, sizeof(packet), "udp 10.244.0.7:%d 10.9.9.%d:80", i < 1 ? 1 : i, i + 2);
		notation_run(&l.notation, packet);
	}
	assert_int_equal(stats.hooks[LUN_LUA_ON_FLOW].calls, 42);
	assert_int_equal(stats.hooks[LUN_LUA_ON_FLOW].failed, 42);
	for (int i = 0; i < LUN_LUA_PLACES; i++) {
		snprintf(packet, sizeof(packet), "p.lua:%d", 5 + i);
		assert_string_equal(stats.places[i].at, packet);
		assert_int_equal(stats.places[i].failed, i == 0 ? 3 : 1);
	}
	assert_int_equal(stats.elsewhere, 8);
	assert_int_equal(policy_errors(&l), 42);
	stats = (struct lun_lua_stats) { .elsewhere = 0 };
	l.log[0] = '\0';
	notation_run(&l.notation, "udp 10.244.0.7:50 10.9.9.9:80");
	notation_run(&l.notation, "udp 10.244.0.7:51 10.9.9.9:80");
	assert_string_equal(l.log,
			    "p.lua:45: forward to \"no/such\", which has no such port\n"
			    "p.lua:3: on_flow returned a number, expected nothing (the service map decides) or one of "
			    "accept(), drop(why), reject(why), forward(name), dnat(endpoint)\n");
	assert_string_equal(stats.places[0].at, "p.lua:45");
	assert_string_equal(stats.places[1].at, "p.lua:3");
	loaded_fini(&l);
}

/* Of the same batch: each makes so much garbage that a round of the collector is due, and port 1 something that only a weak table
 * holds. */
#define GARBAGE                                                                                                             \
	HERE "local weak = setmetatable({}, { __mode = 'v' })\n"                                                            \
	     "function on_flow(flow)\n"                                                                                     \
	     " if flow.source_port == 1 then weak[1] = {} end\n"                                                            \
	     " if flow.source_port < 30 then for i = 1, 1000 do local t = { i } end end\n"                                  \
	     " if flow.source_port >= 29 then print(weak[1] ~= nil) end\n"                                                  \
	     "end\n"

static void garbage_is_collected_between_batches(void **state)
{
	static uint8_t data[30][64];
	struct lun_packet batch[30];
	struct loaded l;
	int ticks = 0;

	(void)state;
	loaded_init(&l);
	loaded_start(&l, GARBAGE);
	for (int i = 0; i < 30; i++) {
		char line[64];

		snprintf(line, sizeof(line), "udp 10.244.0.7:%d 10.96.0.9:80", i + 1);
		notation_build(&l.notation, line);
		memcpy(data[i], l.notation.data, l.notation.packet.length);
		batch[i] = (struct lun_packet) { .data = data[i],
						 .length = l.notation.packet.length,
						 .capacity = sizeof(data[i]) };
	}
	lun_engine_packets(l.notation.engine, batch, 29, l.notation.now);
	assert_string_equal(l.log, "p.lua:7: true\n");
	while (lun_engine_deadline(l.notation.engine) <= l.notation.now) {
		lun_engine_tick(l.notation.engine, l.notation.now);
		ticks++;
	}
	assert_true(ticks > 1); /* no step was the whole of it */
	l.log[0] = '\0';
	nanosleep(&(struct timespec) { .tv_sec = 1, .tv_nsec = 10000000 }, NULL);
	lun_engine_packets(l.notation.engine, batch + 29, 1, l.notation.now);
	assert_string_equal(l.log, "p.lua:7: false\n");
	loaded_fini(&l);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(packets_are_seen_as_they_came),
		cmocka_unit_test(on_packet_lets_go_or_drops),
		cmocka_unit_test(on_error_drops_packets_too),
		cmocka_unit_test(a_packet_that_was_kept_is_over),
		cmocka_unit_test(on_error_says_what_becomes_of_a_request),
		cmocka_unit_test(a_request_that_is_refused_ends_its_connection),
		cmocka_unit_test(a_request_that_fails_later_does_not_go_again),
		cmocka_unit_test(data_lives_as_long_as_its_flow),
		cmocka_unit_test(data_of_no_flow_goes),
		cmocka_unit_test(failures_are_counted_by_their_line),
		cmocka_unit_test(garbage_is_collected_between_batches),
		cmocka_unit_test(the_policy_of_the_day_hears_the_end),
		cmocka_unit_test(a_failing_on_close_harms_nobody),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
