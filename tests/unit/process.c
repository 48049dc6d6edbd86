/* process.c - an embedder's own memory, and its word on broken invariants.
 *
 * This program is linked with --wrap: while it watches, what asks the C library or the kernel for memory is seen. */
#include "base/process.h"
#include "notation.h"

#include <setjmp.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

static volatile bool watching; /* volatile: the compiler knows malloc, and thinks it reads nothing of ours */
static volatile uint32_t past_us;

/* NOLINTBEGIN(bugprone-reserved-identifier): the linker's names */
void *__real_malloc(size_t size);
void *__real_calloc(size_t count, size_t size);
void *__real_realloc(void *memory, size_t size);
void *__real_aligned_alloc(size_t alignment, size_t size);
void *__real_mmap(void *at, size_t length, int protection, int flags, int file, off_t offset);
void __real_free(void *memory);

void *__wrap_malloc(size_t size)
{
	past_us += watching;
	return __real_malloc(size);
}

void *__wrap_calloc(size_t count, size_t size)
{
	past_us += watching;
	return __real_calloc(count, size);
}

void *__wrap_realloc(void *memory, size_t size)
{
	past_us += watching;
	return __real_realloc(memory, size);
}

void *__wrap_aligned_alloc(size_t alignment, size_t size)
{
	past_us += watching;
	return __real_aligned_alloc(alignment, size);
}

void *__wrap_mmap(void *at, size_t length, int protection, int flags, int file, off_t offset)
{
	past_us += watching;
	return __real_mmap(at, length, protection, flags, file, offset);
}

void __wrap_free(void *memory)
{
	past_us += watching;
	__real_free(memory);
}
/* NOLINTEND(bugprone-reserved-identifier) */

struct account {
	size_t taken, given;
	size_t fails; /* this one does; 0: none */
};

/* Full of a pattern, so that who takes it for zeroed is found out. */
static void *take(void *user, size_t bytes, size_t alignment)
{
	struct account *account = user;
	void *memory;

	if (++account->taken == account->fails)
		return NULL;
	memory = __real_aligned_alloc(alignment, (bytes + alignment - 1) / alignment * alignment);
	assert_non_null(memory);
	return memset(memory, 0xa5, bytes);
}

static void give(void *user, void *memory)
{
	struct account *account = user;

	assert_non_null(memory);
	account->given++;
	__real_free(memory);
}

static int make_policy(struct lun_policy **policy, struct lun_error *error)
{
	struct lun_address node = notation_address("172.18.0.2"),
			   ips[] = { notation_address("10.96.0.1"), notation_address("10.96.0.2") };
	struct lun_prefix range = notation_prefix("10.96.0.0/12");
	struct lun_port port = { .port = 80 };
	struct lun_endpoint endpoint = { .address = notation_address("10.244.0.5") };
	struct lun_condition when = { .method = "GET" };
	struct lun_header header = { .name = "X-Real-IP", .value = "$remote_addr", .when = &when };
	struct lun_service services[] = {
		{ .name = "a/web", .cluster_ips = &ips[0], .headers = &header, .header_count = 1, .affinity = 1000000000 },
		{ .name = "b/web", .cluster_ips = &ips[1], .balance = LUN_BALANCE_MAGLEV },
	};
	struct lun_policy_config config = {
		.size = sizeof(config),
		.node = { .addresses = &node, .address_count = 1, .service_ranges = &range, .service_range_count = 1 },
		.services = services,
		.service_count = 2,
		.source_limit = 10,
	};

	for (int i = 0; i < 2; i++) {
		services[i].ports = &port;
		services[i].endpoints = &endpoint;
		services[i].cluster_ip_count = services[i].port_count = services[i].endpoint_count = 1;
	}
	return lun_policy_new(policy, &config, error);
}

/* Everything of the engine that takes memory. */
static int use_everything(struct lun_error *error)
{
	static struct notation n;
	struct lun_config config = { .size = sizeof(config), .flows = 64 };
	struct lun_endpoint other = { .address = notation_address("10.244.0.6") };
	struct lun_service changed = { .name = "a/web", .endpoints = &other, .endpoint_count = 1 };
	struct lun_policy *policy = NULL, *next = NULL;
	struct lun_http_config http_config = { .size = sizeof(http_config), .service = "a/web" };
	struct lun_http *http = NULL;
	int code = make_policy(&policy, error);

	n = (struct notation) { .now = 1000000000 };
	if (code == 0)
		code = lun_engine_new(&n.engine, &config, policy, error);
	if (code == 0) {
		notation_run(&n, "tcp 10.1.1.1:4000 10.96.0.1:80 S seq 100 win 1000");
		assert_string_equal(lun_verdict_name(n.packet.verdict), "accept");
		code = lun_policy_change(&next, policy, &changed, 1, error);
	}
	if (code == 0)
		code = lun_engine_set_policy(n.engine, next);
	http_config.policy = next;
	if (code == 0)
		code = lun_http_new(&http, &http_config, error);
	lun_http_free(http);
	lun_engine_free(n.engine);
	lun_policy_unref(next);
	lun_policy_unref(policy);
	return code;
}

static void all_memory_is_the_embedders(void **state)
{
	struct account account = { 0 };
	struct lun_process own = { .size = sizeof(own), .take = take, .give = give, .user = &account };
	struct lun_error error;
	int code;

	(void)state;
	assert_int_equal(lun_process_set(&own), 0);
	watching = true;
	code = use_everything(&error);
	watching = false;
	if (code < 0)
		fail_msg("%s", error.text);
	assert_int_equal(past_us, 0);
	assert_true(account.taken > 20);
	assert_int_equal(account.taken, account.given);
	assert_int_equal(lun_process_set(NULL), 0);

	account.taken = 0;
	watching = true;
	code = use_everything(&error);
	watching = false;
	assert_int_equal(code, 0);
	assert_int_equal(account.taken, 0);
	assert_true(past_us > 20);
}

static void the_embedder_has_no_memory(void **state)
{
	struct account account = { 0 };
	struct lun_process own = { .size = sizeof(own), .take = take, .give = give, .user = &account };
	struct lun_error error;
	uint32_t refused = 0;

	(void)state;
	assert_int_equal(lun_process_set(&own), 0);
	do {
		account = (struct account) { .fails = account.fails + 1 };
		refused += use_everything(&error) == LUN_NO_MEMORY;
		assert_int_equal(account.taken - (account.taken >= account.fails), account.given);
	} while (account.taken >= account.fails);
	assert_true(refused > 20);
	assert_int_equal(lun_process_set(NULL), 0);
}

static jmp_buf after;
static char said[200];

static void remember(void *user, const char *what, const char *file, int line)
{
	snprintf(said, sizeof(said), "%s: %s:%d", what, strrchr(file, '/'), line > 0);
	if (user)
		longjmp(after, 1);
}

static int signal_of(const struct lun_process *process)
{
	int status;
	pid_t child = fork();

	if (child == 0) {
		(void)!freopen("/dev/null", "w", stderr);
		signal(SIGABRT, SIG_DFL);
		lun_process_set(process);
		invariant_broken("1 == 2", "file.c", 1);
	}
	assert_int_equal(waitpid(child, &status, 0), child);
	return WIFSIGNALED(status) ? WTERMSIG(status) : 0;
}

static void a_broken_invariant_is_told(void **state)
{
	struct lun_process own = { .size = sizeof(own), .broken = remember, .user = &own };
	volatile int one = 1;

	(void)state;
	assert_int_equal(lun_process_set(&own), 0);
	invariant(one == 1);
	assert_string_equal(said, "");
	if (setjmp(after) == 0)
		invariant(one == 2);
	assert_string_equal(said, "one == 2: /process.c:1");
	own.user = NULL; /* it returns */
	assert_int_equal(signal_of(&own), SIGABRT);
	assert_int_equal(signal_of(NULL), SIGABRT);
	assert_int_equal(lun_process_set(NULL), 0);
}

static void what_is_told_is_checked(void **state)
{
	struct account account = { 0 };
	struct lun_process own = { .take = take, .give = give, .user = &account };
	struct lun_error error;

	(void)state;
	assert_int_equal(lun_process_set(&own), LUN_BAD_ARGUMENT);
	own.size = sizeof(own) + 1;
	assert_int_equal(lun_process_set(&own), LUN_BAD_ARGUMENT);
	own.size = sizeof(own);
	own.give = NULL;
	assert_int_equal(lun_process_set(&own), LUN_BAD_ARGUMENT);
	assert_int_equal(use_everything(&error), 0);
	assert_int_equal(account.taken, 0);
}

static void versions(void **state)
{
	(void)state;
	assert_int_equal(lun_version(), LUN_VERSION);
	assert_true(LUN_VERSION > 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(all_memory_is_the_embedders),
		cmocka_unit_test(the_embedder_has_no_memory),
		cmocka_unit_test(a_broken_invariant_is_told),
		cmocka_unit_test(what_is_told_is_checked),
		cmocka_unit_test(versions),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
