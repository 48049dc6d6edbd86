/* objects.c - any bytes as Kubernetes objects: they are taken or refused with a line, and what is taken can be compiled. */
#include "fuzz.h"

#include "../../lua/objects.h"

#include <ctype.h>

enum { SERVICES_MOST = 64 };

static void log_line(void *user, const char *line)
{
	++*(unsigned *)user;
	MUST(strlen(line) < 500 && strncmp(line, "o.json:", 7) == 0);
}

/* Compiles all services with their endpoints. */
static void compile(const struct objects *objects)
{
	struct lun_service services[SERVICES_MOST];
	struct arena arena = { .chunks = NULL };
	struct lun_policy_config config = { .size = sizeof(config), .services = services };
	struct lun_policy *policy;
	struct lun_error error;

	config.node = (struct lun_node) { .name = "n", .zone = "z" };
	for (size_t i = 0; i < objects->entry_size; i++)
		if (objects->entries[i] && objects->entries[i]->service && config.service_count < SERVICES_MOST)
			services[config.service_count++] = objects_service(objects->entries[i], &arena);
	objects_check_claims(objects);
	if (lun_policy_new(&policy, &config, &error) < 0)
		abort();
	lun_policy_unref(policy);
	arena_free(&arena);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	unsigned lines = 0;
	struct objects objects = { .log = log_line, .user = &lines };
	const struct objects_place place = { .name = "o.json", .line = 1 };
	char *text = (char *)exact_copy(data, size);
	struct lun_error error = { .text = "" };
	int code = objects_read(&objects, &place, text, size, &error);

	MUST(code == 0 ||
	     (code == LUN_BAD_FILE && strncmp(error.text, "o.json:", 7) == 0 && isdigit((unsigned char)error.text[7])));
	compile(&objects);
	objects_settle(&objects);
	objects_fini(&objects);
	free(text);
	return 0;
}
