/* stream.c - see stream.h.
 *
 * Where an object ends is told by counting braces outside of strings, each byte once; whether it is one is told by who parses it.
 * A file that got shorter was begun anew. */
#define _GNU_SOURCE
#include "stream.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

enum { PIECE = 1 << 16, OBJECT_MAX = 256 << 20 };

void stream_close(struct stream *stream)
{
	if (stream == NULL)
		return;
	if (stream->descriptor >= 0)
		close(stream->descriptor);
	free(stream->text);
	free(stream->path);
	free(stream->name);
	free(stream);
}

struct stream *stream_open(const char *name, const char *path)
{
	struct stream *stream = calloc(1, sizeof(*stream));
	int code;

	if (stream == NULL)
		return NULL;
	stream->line = 1;
	stream->descriptor = open(path, O_RDONLY | O_NONBLOCK | O_CLOEXEC);
	code = errno;
	stream->name = strdup(name);
	stream->path = strdup(path);
	if (stream->descriptor >= 0 && stream->name != NULL && stream->path != NULL)
		return stream;
	stream_close(stream);
	errno = code;
	return NULL;
}

static void forget(struct stream *stream)
{
	stream->begin = stream->length = stream->scanned = stream->depth = 0;
	stream->in_string = stream->escaped = stream->taken = false;
}

static void notice_new_file(struct stream *stream)
{
	struct stat status;

	if (fstat(stream->descriptor, &status) < 0 || !S_ISREG(status.st_mode) ||
	    status.st_size >= lseek(stream->descriptor, 0, SEEK_CUR))
		return;
	lseek(stream->descriptor, 0, SEEK_SET);
	forget(stream);
	stream->line = 1;
}

/* Goes past the object that was given out last. */
static void drop_taken(struct stream *stream)
{
	for (; stream->taken && stream->begin < stream->scanned; stream->begin++)
		stream->line += stream->text[stream->begin] == '\n';
	stream->taken = false;
}

static bool stream_grow(struct stream *stream)
{
	size_t room = stream->room ? stream->room * 2 : 2 * PIECE;
	char *text;

	if (stream->room - stream->length >= PIECE)
		return true;
	if (stream->length > OBJECT_MAX) {
		errno = EFBIG;
		return false;
	}
	text = realloc(stream->text, room);
	if (text == NULL)
		return false;
	stream->text = text;
	stream->room = room;
	return true;
}

bool stream_fill(struct stream *stream)
{
	notice_new_file(stream);
	drop_taken(stream);
	if (stream->begin > 0)
		memmove(stream->text, stream->text + stream->begin, stream->length - stream->begin);
	stream->length -= stream->begin;
	stream->scanned -= stream->begin;
	stream->begin = 0;
	for (;;) {
		ssize_t got;

		if (!stream_grow(stream))
			break;
		got = read(stream->descriptor, stream->text + stream->length, PIECE);
		if (got == 0 || (got < 0 && errno == EAGAIN))
			return true;
		if (got < 0 && errno == EINTR)
			continue;
		if (got < 0)
			break;
		stream->length += (size_t)got;
	}
	forget(stream);
	return false;
}

/* Looks at one byte; true: an object ends with it. */
static bool scan(struct stream *stream, char byte)
{
	if (stream->in_string) {
		stream->in_string = stream->escaped || byte != '"';
		stream->escaped = byte == '\\' && !stream->escaped;
		return false;
	}
	if (byte == '"')
		stream->in_string = true;
	else if (byte == '{')
		stream->depth++;
	else if (byte == '}' && stream->depth > 0)
		return --stream->depth == 0;
	return false;
}

const char *stream_take(struct stream *stream, size_t *length, unsigned long *line)
{
	drop_taken(stream);
	while (stream->scanned < stream->length) {
		if (!scan(stream, stream->text[stream->scanned++]))
			continue;
		stream->taken = true;
		*length = stream->scanned - stream->begin;
		*line = stream->line;
		return stream->text + stream->begin;
	}
	return NULL;
}
