/* http_paths.c - every path of a few pieces, under every rule of a few, against a model that takes paths apart into elements. */
#include "request.h"

enum { PIECES = 6, LENGTH = 5, ELEMENTS = 16, PATH = 64 };

struct elements {
	char names[ELEMENTS][PATH];
	size_t count;
};

static void end_element(struct elements *elements, char *name, size_t *length)
{
	name[*length] = '\0';
	if (strcmp(name, "..") == 0)
		elements->count -= elements->count > 0;
	else if (*length && strcmp(name, ".") != 0)
		strcpy(elements->names[elements->count++], name);
	*length = 0;
}

/* Decoded, without empty elements and ".", and with ".." followed. */
static struct elements take_apart(const char *path)
{
	struct elements elements = { .count = 0 };
	char name[PATH];
	size_t length = 0;

	for (const char *at = path; *at; at++) {
		char byte = *at;

		if (strncmp(at, "%2f", 3) == 0 || strncmp(at, "%2e", 3) == 0) {
			byte = at[2] == 'f' ? '/' : '.';
			at += 2;
		}
		if (byte == '/')
			end_element(&elements, name, &length);
		else
			name[length++] = byte;
	}
	end_element(&elements, name, &length);
	return elements;
}

static bool begins_with(const struct elements *elements, const struct elements *first)
{
	for (size_t i = 0; i < first->count; i++)
		if (i == elements->count || strcmp(elements->names[i], first->names[i]) != 0)
			return false;
	return true;
}

/* What the upstream gets for a path. */
static void ask(struct lun_policy *policy, const char *path, char *got)
{
	static struct outcome outcome;
	char client[128], *end;
	int length = snprintf(client, sizeof(client), "GET %s HTTP/1.1\r\nHost: a\r\n\r\n", path);
	const struct trial trial = {
		.policy = policy, .bytes = client, .length = (size_t)length, .first = (size_t)length, .step = 1
	};

	trial_run(&trial, &outcome);
	assert_false(outcome.status.refused);
	end = memchr(outcome.bytes + 4, ' ', outcome.length - 4);
	memcpy(got, outcome.bytes + 4, (size_t)(end - (char *)outcome.bytes) - 4);
	got[end - (char *)outcome.bytes - 4] = '\0';
}

/* The path means `add` and what was behind `strip`, without a ".." that leads out of `add`; and ends as it was sent. */
static void check(const struct lun_path_rule *rule, const char *path, const char *got)
{
	const struct elements before = take_apart(path), strip = take_apart(rule->strip), add = take_apart(rule->add);
	const struct elements after = take_apart(got);
	const char *rest = got + strlen(rule->add);
	bool good = begins_with(&after, &add) && after.count - add.count == before.count - strip.count && got[0] == '/' &&
		    strncmp(got, rule->add, strlen(rule->add)) == 0 && (*rest == '/' || *rest == '\0') &&
		    rest[0] + rest[1] != '/' + '/';

	if (!begins_with(&before, &strip)) {
		assert_string_equal(got, path);
		return;
	}
	for (size_t i = 0; good && add.count + i < after.count; i++)
		good = strcmp(after.names[add.count + i], before.names[strip.count + i]) == 0;
	if (*rest)
		good = good && strcmp(path + strlen(path) - strlen(rest + 1), rest + 1) == 0;
	/* alone, the rest climbs nowhere: it means the same under a path of many elements */
	if (good) {
		char deep[2 * PATH];

		snprintf(deep, sizeof(deep), "/x/y/z%s", rest);
		good = take_apart(deep).count == 3 + before.count - strip.count;
	}
	if (!good)
		fail_msg("%s, with \"%s\" for \"%s\", becomes %s", path, rule->add, rule->strip, got);
}

static struct lun_policy *policy_of(const struct lun_path_rule *rule)
{
	struct lun_port port = { .port = 80 };
	struct lun_service service = {
		.name = "default/web", .ports = &port, .port_count = 1, .paths = rule, .path_count = 1
	};
	struct lun_policy_config config = { .size = sizeof(config), .services = &service, .service_count = 1 };
	struct lun_policy *policy;

	assert_int_equal(lun_policy_new(&policy, &config, NULL), 0);
	return policy;
}

static void every_path_means_what_it_should(void **state)
{
	static const char *const pieces[PIECES] = { "/", "a", ".", "..", "%2f", "%2e" };
	static const struct lun_path_rule rules[] = { { .strip = "/a", .add = "/b" },
						      { .strip = "/a/a", .add = "" },
						      { .strip = "", .add = "/b/b" } };

	(void)state;
	for (size_t i = 0; i < sizeof(rules) / sizeof(rules[0]); i++) {
		struct lun_policy *policy = policy_of(&rules[i]);

		for (int number = 0; number < PIECES * PIECES * PIECES * PIECES * PIECES; number++) {
			char path[PATH] = "/", got[PATH];

			for (int left = number, k = 0; k < LENGTH; k++, left /= PIECES)
				strcat(path, pieces[left % PIECES]);
			ask(policy, path, got);
			check(&rules[i], path, got);
		}
		lun_policy_unref(policy);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = { cmocka_unit_test(every_path_means_what_it_should) };

	return cmocka_run_group_tests(tests, NULL, NULL);
}
