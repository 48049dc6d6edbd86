/* memory.c - memory runs out: each allocation of an operation fails in turn, alone, and with all that come after it.
 *
 * The operation must then say so, by its code and a sentence, or do without, and either way give back all that it took.  This
 * program is linked with --wrap, so that calls of ours, and those that Lua and cJSON make by our functions, are seen here first;
 * what libc and libpcap take for themselves is not. */
#include <lunette/lua.h>
#include <lunette/replay.h>

#include "lua_load.h"

#include <cjson/cJSON.h>
#include <errno.h>
#include <sys/mman.h>

static uint64_t asked;              /* calls since the operation began */
static uint64_t fails = UINT64_MAX; /* the call that fails */
static bool lasting;                /* so do all after it */
static int64_t held;                /* pieces of memory that were not given back */

static bool refused(void)
{
	uint64_t call = asked++;
	bool is = lasting ? call >= fails : call == fails;

	if (is)
		errno = ENOMEM;
	return is;
}

static void *taken(void *memory)
{
	held += memory != NULL;
	return memory;
}

/* NOLINTBEGIN(bugprone-reserved-identifier): the linker's names */
void *__real_malloc(size_t size);
void *__real_calloc(size_t count, size_t size);
void *__real_realloc(void *memory, size_t size);
void *__real_aligned_alloc(size_t alignment, size_t size);
char *__real_strdup(const char *text);
char *__real_strndup(const char *text, size_t most);
void *__real_mmap(void *at, size_t length, int protection, int flags, int file, off_t offset);
int __real_munmap(void *at, size_t length);
void __real_free(void *memory);

void *__wrap_malloc(size_t size)
{
	return refused() ? NULL : taken(__real_malloc(size));
}

void *__wrap_calloc(size_t count, size_t size)
{
	return refused() ? NULL : taken(__real_calloc(count, size));
}

void *__wrap_realloc(void *memory, size_t size)
{
	void *now = refused() ? NULL : __real_realloc(memory, size);

	held += now && !memory;
	return now;
}

void *__wrap_aligned_alloc(size_t alignment, size_t size)
{
	return refused() ? NULL : taken(__real_aligned_alloc(alignment, size));
}

char *__wrap_strdup(const char *text)
{
	return refused() ? NULL : taken(__real_strdup(text));
}

char *__wrap_strndup(const char *text, size_t most)
{
	return refused() ? NULL : taken(__real_strndup(text, most));
}

void *__wrap_mmap(void *at, size_t length, int protection, int flags, int file, off_t offset)
{
	void *memory = refused() ? MAP_FAILED : __real_mmap(at, length, protection, flags, file, offset);

	held += memory != MAP_FAILED;
	return memory;
}

int __wrap_munmap(void *at, size_t length)
{
	held--;
	return __real_munmap(at, length);
}

void __wrap_free(void *memory)
{
	held -= memory != NULL;
	__real_free(memory);
}
/* NOLINTEND(bugprone-reserved-identifier) */

/* Does it once and gives everything back; the code that it ended with. */
typedef int operation_fn(struct lun_error *error);

/* Fails each call in turn until an operation makes fewer. */
static void exhaust(operation_fn *operation, const char *name)
{
	uint64_t reported = 0;

	for (fails = 0;; fails++) {
		struct lun_error error = { 0 };
		int64_t before = held;
		int code;

		asked = 0;
		code = operation(&error);
		if (held != before)
			fail_msg("%s, call %llu fails%s: %lld pieces were not given back", name, (unsigned long long)fails,
				 lasting ? " and all after it" : "", (long long)(held - before));
		if (code < 0 && (code != LUN_NO_MEMORY || error.code != code || error.text[0] == '\0'))
			fail_msg("%s, call %llu fails%s: code %d, \"%s\"", name, (unsigned long long)fails,
				 lasting ? " and all after it" : "", code, error.text);
		reported += code < 0;
		if (asked <= fails)
			break;
	}
	assert_true(reported > 0);
	print_message("%s: %llu calls, %llu failures were reported\n", name, (unsigned long long)fails,
		      (unsigned long long)reported);
}

static void exhaust_both(operation_fn *operation, const char *name)
{
	lasting = false;
	exhaust(operation, name);
	lasting = true;
	exhaust(operation, name);
	fails = UINT64_MAX;
}

/* A policy of C services that uses what takes memory: headers, conditions, timeouts, hints, Maglev. */
static int c_policy(struct lun_policy **policy, struct lun_error *error)
{
	static const struct lun_port port = { .name = "http", .port = 80, .node_port = 30080 };
	static const char *const zones[] = { "a" };
	static const struct lun_condition when = { .path = "/api" };
	static const struct lun_header headers[] = { { .name = "X-A", .value = "$remote_addr $http_accept", .when = &when },
						     { .name = "X-B", .kind = LUN_HEADER_REMOVE } };
	static const struct lun_timeout timeout = { .state = LUN_STATE_ESTABLISHED, .time = UINT64_C(60000000000) };
	struct lun_address cluster_ip, node_ip;
	struct lun_endpoint endpoints[2] = { { .zone_hints = zones, .zone_hint_count = 1 }, { .node = "n" } };
	struct lun_service services[2] = {
		{ .name = "a/a",
		  .cluster_ips = &cluster_ip,
		  .cluster_ip_count = 1,
		  .ports = &port,
		  .port_count = 1,
		  .endpoints = endpoints,
		  .endpoint_count = 2,
		  .headers = headers,
		  .header_count = 2,
		  .timeouts = &timeout,
		  .timeout_count = 1,
		  .balance = LUN_BALANCE_MAGLEV },
	};
	struct lun_policy_config config = { .size = sizeof(config),
					    .services = services,
					    .service_count = 1,
					    .node = {
						    .name = "n", .zone = "a", .addresses = &node_ip, .address_count = 1 } };

	assert_int_equal(lun_address_parse(&cluster_ip, "10.96.0.1"), 0);
	assert_int_equal(lun_address_parse(&node_ip, "172.18.0.2"), 0);
	assert_int_equal(lun_address_parse(&endpoints[0].address, "10.244.0.5"), 0);
	assert_int_equal(lun_address_parse(&endpoints[1].address, "10.244.0.6"), 0);
	return lun_policy_new(policy, &config, error);
}

static int make_engine(struct lun_error *error)
{
	const struct lun_config config = { .size = sizeof(config), .flows = 1000 };
	struct lun_engine *engine = NULL;
	struct lun_policy *policy = NULL, *next = NULL;
	struct lun_service changed = { .name = "a/a" };
	int code = c_policy(&policy, error);

	if (code == 0)
		code = lun_engine_new(&engine, &config, policy, error);
	if (code == 0)
		code = lun_policy_change(&next, policy, &changed, 1, error);
	if (code == 0 && lun_engine_set_policy(engine, next) < 0) {
		code = error->code = LUN_NO_MEMORY;
		strcpy(error->text, lun_strerror(code)); /* it has no sentence of its own */
	}
	lun_engine_free(engine);
	lun_policy_unref(next);
	lun_policy_unref(policy);
	return code;
}

static int feed_http(struct lun_error *error)
{
	struct lun_http_config config = { .size = sizeof(config), .service = "a/a" };
	struct lun_http *http = NULL;
	int code = c_policy(&config.policy, error);

	if (code == 0)
		code = lun_http_new(&http, &config, error);
	lun_http_free(http);
	lun_policy_unref(config.policy);
	return code;
}

static int load(const char *path, struct lun_error *error)
{
	struct lun_policy *policy = NULL;
	int code = lun_lua_policy_load(&policy, path, NULL, error);

	if (code == 0)
		lun_policy_unref(policy);
	return code;
}

static int load_kind(struct lun_error *error)
{
	return load("../examples/kind.lua", error);
}

static int load_all(struct lun_error *error)
{
	return load("policies/all.lua", error);
}

/* What a cluster serves, from a file that is written once. */
static char folder[] = "/tmp/lunette-memory-XXXXXX";

static void write_file(const char *name, const char *text)
{
	char path[64];
	FILE *file;

	snprintf(path, sizeof(path), "%s/%s", folder, name);
	file = fopen(path, "we");
	assert_non_null(file);
	assert_true(fputs(text, file) >= 0);
	assert_int_equal(fclose(file), 0);
}

static void remove_file(const char *name)
{
	char path[64];

	snprintf(path, sizeof(path), "%s/%s", folder, name);
	unlink(path);
}

static int load_objects(struct lun_error *error)
{
	char path[64];

	snprintf(path, sizeof(path), "%s/objects.lua", folder);
	return load(path, error);
}

static int replay(struct lun_error *error)
{
	const struct lun_replay_options options = { .size = sizeof(options), .out = "/dev/null" };
	const struct lun_config config = { .size = sizeof(config), .flows = 1000 };
	struct lun_engine *engine = NULL;
	int code = lun_engine_new(&engine, &config, NULL, error);

	if (code == 0)
		code = lun_replay_run(engine, "../examples/kind.pcap", &options, NULL, error);
	lun_engine_free(engine);
	return code;
}

static int bench(struct lun_error *error)
{
	const struct lun_config config = { .size = sizeof(config), .flows = 1000 };
	struct lun_capture *capture = NULL;
	struct lun_replay_bench result;
	int code = lun_capture_load(&capture, "../examples/kind.pcap", error);

	if (code == 0)
		code = lun_replay_bench(capture, &config, NULL, 1, &result, error);
	lun_capture_free(capture);
	return code;
}

static void memory_runs_out(void **state)
{
	(void)state;
	assert_non_null(mkdtemp(folder));
	write_file("objects.lua", "node { name = 'n1', pods = { '10.244.0.0/16' } }\n"
				  "require('lunette.kubernetes').load('objects.json')\n");
	write_file("objects.json", "{\"items\":[{\"kind\":\"Service\",\"metadata\":{\"namespace\":\"a\",\"name\":\"b\"},"
				   "\"spec\":{\"clusterIP\":\"10.96.0.1\",\"ports\":[{\"port\":80}]}},"
				   "{\"kind\":\"EndpointSlice\",\"metadata\":{\"namespace\":\"a\",\"name\":\"b-1\","
				   "\"labels\":{\"kubernetes.io/service-name\":\"b\"}},\"addressType\":\"IPv4\","
				   "\"endpoints\":[{\"addresses\":[\"10.244.0.5\"],\"zone\":\"a\"}],"
				   "\"ports\":[{\"name\":\"\",\"port\":8080}]}]}");
	cJSON_InitHooks(&(cJSON_Hooks) { .malloc_fn = __wrap_malloc, .free_fn = __wrap_free });
	exhaust_both(make_engine, "an engine with a policy in C");
	exhaust_both(feed_http, "a connection to a service with headers");
	exhaust_both(replay, "a replay");
	exhaust_both(bench, "a benchmark");
	exhaust_both(load_kind, "a policy in Lua");
	exhaust_both(load_all, "a policy in Lua that has every key");
	exhaust_both(load_objects, "a policy of Kubernetes objects");
	remove_file("objects.lua");
	remove_file("objects.json");
	assert_int_equal(rmdir(folder), 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = { cmocka_unit_test(memory_runs_out) };

	return cmocka_run_group_tests(tests, NULL, NULL);
}
