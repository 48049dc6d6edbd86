/* session.c - somebody who is connected: see the struct for its life.
 *
 * One answer is made at a time and nothing of the next piece before the last one is written, so a client that does not
 * read costs one piece of memory. */
#include "control/control.h"
#include "control/fail.h"

#include <stdlib.h>
#include <string.h>

static void on_closed(uv_handle_t *handle)
{
	struct session *session = handle->data;
	struct lun_control *control = session->control;

	if (--session->open_handles > 0)
		return;
	tally_fini(&session->tally);
	top_free(session->top);
	request_fini(&session->request);
	free(session->piece);
	session->control = NULL;
	control_closed(control);
}

void session_close(struct session *session)
{
	if (!session->control || uv_is_closing((uv_handle_t *)&session->pipe))
		return;
	tracing_end(session->tracing);
	session->tracing = NULL;
	uv_close((uv_handle_t *)&session->pipe, on_closed);
	uv_close((uv_handle_t *)&session->idle, on_closed);
}

static void on_idle(uv_idle_t *idle);
static void on_buffer(uv_handle_t *handle, size_t size, uv_buf_t *bytes);
static void on_read(uv_stream_t *stream, ssize_t length, const uv_buf_t *bytes);

/* Is there something for the next piece? */
static bool goes_on(const struct session *session)
{
	return !session->tracing || tracing_waits(session->tracing);
}

/* The answer is complete: that was all, unless more is going to be asked. */
static void finish(struct session *session)
{
	if (!session->top || uv_is_closing((uv_handle_t *)&session->pipe)) {
		session_close(session);
		return;
	}
	session->last = false;
	session->length = 0;
	request_fini(&session->request);
	if (uv_read_start((uv_stream_t *)&session->pipe, on_buffer, on_read) < 0)
		session_close(session);
}

static void on_written(uv_write_t *write, int status)
{
	struct session *session = write->data;

	free(session->piece);
	session->piece = NULL;
	if (status < 0)
		session_close(session);
	else if (session->last)
		finish(session);
	else if (!uv_is_closing((uv_handle_t *)&session->idle) && goes_on(session))
		uv_idle_start(&session->idle, on_idle);
}

/* Writes a piece, which is freed then. */
static void write_piece(struct session *session, char *piece)
{
	uv_buf_t bytes = uv_buf_init(piece, piece ? (unsigned)strlen(piece) : 0);

	uv_idle_stop(&session->idle);
	session->piece = piece;
	session->write.data = session;
	if (!piece || uv_write(&session->write, (uv_stream_t *)&session->pipe, &bytes, 1, on_written) < 0)
		session_close(session);
}

/* The loop has nothing else to do: one piece. */
static void on_idle(uv_idle_t *idle)
{
	struct session *session = idle->data;
	char *piece = answer_piece(session);

	if (piece && !*piece && !session->last)
		free(piece); /* it looked at flows that nobody wants */
	else
		write_piece(session, piece);
}

/* A packet is explained. */
static void on_traced(void *user)
{
	struct session *session = user;

	if (!session->piece)
		uv_idle_start(&session->idle, on_idle);
}

/* What a request needs besides its answer. */
static int begin(struct session *session, struct lun_error *error)
{
	const struct request *request = &session->request;

	if (request->command == REQUEST_TRACE)
		return tracing_begin(&session->tracing, session->control->live, request, on_traced, session, error);
	if (session->top && request->command != REQUEST_TOP)
		return control_fail(error, LUN_BAD_ARGUMENT, "expected top again");
	if (request->command == REQUEST_TOP && !session->top) {
		session->top = top_new(session->control->live);
		if (!session->top)
			return control_fail(error, LUN_NO_MEMORY, "no memory to tell flows apart");
	}
	if (session->top)
		top_begin(session->top, request);
	return 0;
}

static void on_line(struct session *session)
{
	struct lun_error error;
	int code = request_parse(&session->request, session->line, &error);

	if (code == 0)
		code = begin(session, &error);
	if (!session->tracing)
		uv_read_stop((uv_stream_t *)&session->pipe); /* else it shows when the client has gone */
	session->last = code < 0;
	if (session->last)
		write_piece(session, answer_error(error.text));
	else if (!session->tracing)
		uv_idle_start(&session->idle, on_idle);
}

static void on_buffer(uv_handle_t *handle, size_t size, uv_buf_t *bytes)
{
	struct session *session = handle->data;

	(void)size;
	*bytes = uv_buf_init(session->line + session->length, (unsigned)(CONTROL_LINE - 1 - session->length));
}

static void on_read(uv_stream_t *stream, ssize_t length, const uv_buf_t *bytes)
{
	struct session *session = stream->data;
	char *end;

	(void)bytes;
	if (length < 0) { /* also a line that is too long: there was no room to read into */
		session_close(session);
		return;
	}
	if (session->tracing)
		return; /* it has nothing more to say */
	session->length += (size_t)length;
	session->line[session->length] = 0;
	end = strchr(session->line, '\n');
	if (!end)
		return;
	*end = 0;
	on_line(session);
}

/* A place for somebody more, or NULL. */
static struct session *find_place(struct lun_control *control)
{
	for (int i = 0; i < CONTROL_SESSIONS && !control->closing; i++)
		if (!control->sessions[i].control)
			return &control->sessions[i];
	return NULL;
}

static void on_refused(uv_handle_t *handle)
{
	free(handle);
}

/* Whoever is one too many is let in and sent away. */
static void refuse(struct lun_control *control)
{
	uv_pipe_t *pipe = malloc(sizeof(*pipe));

	if (!pipe)
		return;
	uv_pipe_init(control->pipe.loop, pipe, 0);
	uv_accept((uv_stream_t *)&control->pipe, (uv_stream_t *)pipe);
	uv_close((uv_handle_t *)pipe, on_refused);
}

void session_open(struct lun_control *control)
{
	struct session *session = find_place(control);

	if (!session) {
		refuse(control);
		return;
	}
	*session = (struct session) { .control = control, .open_handles = 2 };
	control->open++;
	uv_pipe_init(control->pipe.loop, &session->pipe, 0);
	uv_idle_init(control->pipe.loop, &session->idle);
	session->pipe.data = session->idle.data = session;
	if (uv_accept((uv_stream_t *)&control->pipe, (uv_stream_t *)&session->pipe) < 0 ||
	    uv_read_start((uv_stream_t *)&session->pipe, on_buffer, on_read) < 0)
		session_close(session);
}
