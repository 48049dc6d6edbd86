/* control.c - the socket that a running agent listens at.
 *
 * Whoever may open it may see every connection and end it, so it is made for its owner only, from the start: the mask of
 * this process is set before the name exists, not its mode after. */
#include "control/control.h"
#include "control/fail.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

enum { BACKLOG = 16 };

_Static_assert(sizeof(((struct sockaddr_un *)0)->sun_path) == LUN_CONTROL_PATH, "a path is what fits the address");

char *lun_control_path(char path[LUN_CONTROL_PATH])
{
	struct stat namespace = { 0 };

	stat("/proc/self/ns/net", &namespace);
	snprintf(path, LUN_CONTROL_PATH, "/run/lunette-%llu.sock", (unsigned long long)namespace.st_ino);
	return path;
}

/* Is somebody there?  0, or the errno. */
static int try_connect(const char *path)
{
	struct sockaddr_un address = { .sun_family = AF_UNIX };
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0), problem = 0;

	memcpy(address.sun_path, path, strlen(path));
	if (fd < 0 || connect(fd, (struct sockaddr *)&address, sizeof(address)) < 0)
		problem = errno == EAGAIN ? 0 : errno; /* it does not keep up, but it is there */
	if (fd >= 0)
		close(fd);
	return problem;
}

/* Removes what a dead agent left. */
static int make_room(const char *path, struct lun_error *error)
{
	struct stat there;

	if (lstat(path, &there) < 0)
		return errno == ENOENT ? 0 : control_fail(error, LUN_SYSTEM, "%s: %s", path, strerror(errno));
	if (!S_ISSOCK(there.st_mode))
		return control_fail(error, LUN_EXISTS, "%s: is there, and no socket", path);
	if (try_connect(path) != ECONNREFUSED)
		return control_fail(error, LUN_EXISTS, "%s: somebody else listens there", path);
	return unlink(path) == 0 ? 0 : control_fail(error, LUN_SYSTEM, "%s: %s", path, strerror(errno));
}

static void on_connection(uv_stream_t *stream, int status)
{
	if (status == 0)
		session_open(stream->data);
}

static int listen_at(struct lun_control *control, const char *path, struct lun_error *error)
{
	mode_t mask = umask(S_IRWXG | S_IRWXO | S_IXUSR);
	int problem = uv_pipe_bind(&control->pipe, path);

	umask(mask);
	if (problem == 0)
		problem = uv_listen((uv_stream_t *)&control->pipe, BACKLOG, on_connection);
	return problem ? control_fail(error, LUN_SYSTEM, "%s: %s", path, uv_strerror(problem)) : 0;
}

void control_closed(struct lun_control *control)
{
	if (--control->open == 0)
		free(control);
}

static void on_pipe_closed(uv_handle_t *handle)
{
	control_closed(handle->data);
}

int lun_control_open(struct lun_control **result, const struct lun_control_config *config, struct lun_error *error)
{
	char path[LUN_CONTROL_PATH];
	struct lun_control *control;
	int code;

	if (!config->path)
		lun_control_path(path);
	else if (strlen(config->path) < sizeof(path) && *config->path)
		strcpy(path, config->path);
	else
		return control_fail(error, LUN_BAD_ARGUMENT, "%s: expected a path of 1 to %d bytes", config->path,
				    LUN_CONTROL_PATH - 1);
	code = make_room(path, error);
	if (code < 0)
		return code;
	control = calloc(1, sizeof(*control));
	if (!control)
		return control_fail(error, LUN_NO_MEMORY, "no memory for the control socket");
	control->live = config->live;
	control->hooks = config->hooks;
	control->open = 1;
	uv_pipe_init(config->loop, &control->pipe, 0);
	control->pipe.data = control;
	code = listen_at(control, path, error);
	if (code < 0) {
		uv_close((uv_handle_t *)&control->pipe, on_pipe_closed);
		return code;
	}
	*result = control;
	return 0;
}

void lun_control_close(struct lun_control *control)
{
	if (!control)
		return;
	control->closing = true;
	uv_close((uv_handle_t *)&control->pipe, on_pipe_closed); /* and unlink */
	for (int i = 0; i < CONTROL_SESSIONS; i++)
		session_close(&control->sessions[i]);
}
