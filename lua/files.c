/* files.c - the files that a policy is made of: itself, its modules, its lists.  Their texts are kept while it loads, so that a message can
 * be given the line it is about. */
#include "script.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>

enum { ROOM_FIRST = 16 * 1024, ROOM_HUGE = 2 * 1024 * 1024 };

/* The room to begin with for what a stream holds: of a file that is large already enough, on huge pages, for else the faults
 * cost more than the reading. */
static size_t stream_room(FILE *file, size_t most)
{
	struct stat status;

	if (fstat(fileno(file), &status) < 0 || status.st_size < ROOM_FIRST || (uint64_t)status.st_size >= most)
		return ROOM_FIRST;
	return ((size_t)status.st_size + ROOM_HUGE) / ROOM_HUGE * ROOM_HUGE;
}

/* All that a stream holds, as script_read. */
static char *stream_read(FILE *file, size_t most, size_t *length)
{
	size_t size = stream_room(file, most);
	char *text = aligned_alloc(size % ROOM_HUGE == 0 ? ROOM_HUGE : sizeof(max_align_t), size);

	if (size % ROOM_HUGE == 0 && text != NULL)
		madvise(text, size, MADV_HUGEPAGE);
	for (*length = 0; text != NULL; size *= 2) {
		char *grown;

		*length += fread(text + *length, 1, size - 1 - *length, file);
		if (ferror(file))
			break;
		text[*length] = '\0';
		if (feof(file))
			return text;
		errno = EFBIG;
		grown = size * 2 <= most ? realloc(text, size * 2) : NULL;
		if (grown == NULL)
			break;
		text = grown;
	}
	free(text);
	return NULL;
}

char *script_read(const char *path, size_t most, size_t *length)
{
	FILE *file = fopen(path, "re");
	char *text;
	int code;

	if (file == NULL)
		return NULL;
	text = stream_read(file, most, length);
	code = errno;
	fclose(file);
	errno = code;
	return text;
}

int script_file_error(lua_State *state, const char *path)
{
	return errno == ENOMEM ? limits_no_memory(state) : luaL_error(state, "%s: %s", path, strerror(errno));
}

/* Keeps a file's text for error messages; false if memory is short. */
bool script_source_add(struct script *script, const char *name, char *text, size_t length)
{
	size_t size = strlen(name) + 1;
	struct source *source = malloc(sizeof(*source) + size);

	if (source == NULL)
		return false;
	*source = (struct source) { .next = script->sources, .text = text, .length = length };
	memcpy(source->name, name, size);
	script->sources = source;
	return true;
}

void script_sources_free(struct script *script)
{
	struct source *next;

	for (struct source *source = script->sources; source != NULL; source = next) {
		next = source->next;
		free(source->text);
		free(source);
	}
	script->sources = NULL;
}

const struct source *script_source(lua_State *state, const char *name)
{
	struct script *script = script_of(state);
	const char *path = lua_pushfstring(state, "%s%s", script->folder, name);
	size_t length;
	char *text = script_read(path, SCRIPT_SOURCE, &length);

	if (text == NULL)
		script_file_error(state, path);
	if (!script_source_add(script, name, text, length)) {
		free(text);
		limits_no_memory(state);
	}
	lua_pop(state, 1);
	return script->sources;
}

void script_push_chunk(lua_State *state, const struct source *source)
{
	const char *name = lua_pushfstring(state, "@%s", source->name);

	if (luaL_loadbufferx(state, source->text, source->length, name, "t") != LUA_OK)
		lua_error(state);
	lua_remove(state, -2);
}

void script_push_file(lua_State *state, const char *name)
{
	script_push_chunk(state, script_source(state, name));
}
