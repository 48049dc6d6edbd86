/* lua_load.h - policies written in the test itself: each goes to a file of its own folder, which is removed again. */
#ifndef LUNETTE_TESTS_LUA_LOAD_H
#define LUNETTE_TESTS_LUA_LOAD_H

#include "notation.h"

#include <lunette/lua.h>
#include <time.h>
#include <unistd.h>

/* The first line of most policies here. */
#define NODE                                                                                                                \
	"node { name = 'n1', addresses = { '172.18.0.2' }, pods = { '10.244.0.0/16' }, masquerade_address = '10.244.0.1' "  \
	"}\n"
#define WEB                                                                                                                 \
	"service 'default/web' { cluster_ips = { '10.96.0.1' }, ports = { { port = 80 } }, endpoints = { '10.244.0.5' } "   \
	"}\n"

struct loaded {
	char folder[32], path[64];
	struct lun_lua_options options;
	struct lun_policy *policy; /* NULL if it failed */
	struct lun_error error;
	char log[4096]; /* the lines said so far */
	struct notation notation;
};

static inline void loaded_log(void *user, const char *line)
{
	struct loaded *l = user;
	size_t used = strlen(l->log);

	snprintf(l->log + used, sizeof(l->log) - used, "%s\n",
		 strncmp(line, l->folder, strlen(l->folder)) == 0 ? line + strlen(l->folder) + 1 : line);
}

/* Writes a file beside the policy. */
static inline void loaded_write(const struct loaded *l, const char *name, const char *text)
{
	char path[64];
	FILE *file;

	snprintf(path, sizeof(path), "%s/%s", l->folder, name);
	file = fopen(path, "w");
	assert_non_null(file);
	assert_int_equal(fwrite(text, 1, strlen(text), file), strlen(text));
	assert_int_equal(fclose(file), 0);
}

static inline void loaded_init(struct loaded *l)
{
	*l = (struct loaded) { .folder = "/tmp/lunette-test-XXXXXX" };
	assert_non_null(mkdtemp(l->folder));
	snprintf(l->path, sizeof(l->path), "%s/p.lua", l->folder);
	l->options = (struct lun_lua_options) { .size = sizeof(l->options), .log = loaded_log, .user = l };
}

/* Loads the file `path`. */
static inline int loaded_file(struct loaded *l, const char *path)
{
	int result = lun_lua_policy_load(&l->policy, path, &l->options, &l->error);

	if (result < 0)
		l->policy = NULL;
	return result;
}

/* Loads `text` as "p.lua". */
static inline int loaded_text(struct loaded *l, const char *text)
{
	loaded_write(l, "p.lua", text);
	return loaded_file(l, l->path);
}

/* Loads and starts an engine with it. */
static inline void loaded_start(struct loaded *l, const char *text)
{
	struct lun_config config = { .size = sizeof(config), .flows = 1024, .seed = { 1, 2 } };
	struct lun_error error;

	if (loaded_text(l, text) < 0)
		fail_msg("%s", l->error.text);
	l->notation = (struct notation) { .now = 1000, .traced = true };
	assert_int_equal(lun_engine_new(&l->notation.engine, &config, l->policy, &error), 0);
}

static inline void loaded_fini(struct loaded *l)
{
	lun_engine_free(l->notation.engine);
	lun_policy_unref(l->policy);
	unlink(l->path);
	assert_int_equal(rmdir(l->folder), 0);
}

/* The error without its folder. */
static inline const char *loaded_error(const struct loaded *l)
{
	size_t length = strlen(l->folder);

	return strncmp(l->error.text, l->folder, length) == 0 ? l->error.text + length + 1 : l->error.text;
}

/* Seconds of CPU time of this thread. */
static inline double cpu_seconds(void)
{
	struct timespec now;

	clock_gettime(CLOCK_THREAD_CPUTIME_ID, &now);
	return (double)now.tv_sec + (double)now.tv_nsec / 1e9;
}

#endif
