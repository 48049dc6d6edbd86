/* stream.h - a file or pipe to which JSON objects are appended: whole objects out of what has come so far. */
#ifndef LUNETTE_LUA_STREAM_H
#define LUNETTE_LUA_STREAM_H

#include <stdbool.h>
#include <stddef.h>

struct stream {
	struct stream *next;
	char *name; /* as the policy gave it */
	char *path;
	int descriptor;
	char *text; /* what has come: from `begin` on, to `length` */
	size_t begin, length, room;
	size_t scanned; /* up to here depth and the like are known */
	unsigned depth; /* of braces */
	bool in_string, escaped;
	bool taken;         /* what stands from `begin` to `scanned` was given out */
	unsigned long line; /* that `begin` is on */
};

/* NULL with errno: it cannot be opened, or no memory.  Nothing waits: not for who will write, nor for what. */
struct stream *stream_open(const char *name, const char *path);
void stream_close(struct stream *stream);

/* Reads what is there.  False with errno: an error, EFBIG: an object of more than 256 MiB; what had come is thrown away. */
bool stream_fill(struct stream *stream);

/* The next whole object of what was read, on which line it begins; NULL: none.  Valid until the next call of a stream_. */
const char *stream_take(struct stream *stream, size_t *length, unsigned long *line);

#endif
