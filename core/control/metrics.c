/* metrics.c - the metrics' HTTP server: libmicrohttpd, which runs when our loop says that its epoll has something, in this thread.
 *
 * Who asks for /metrics waits, suspended, while the text is made in idle moments of the loop; all who ask meanwhile get the same. */
#include "control/fail.h"
#include "control/scrape.h"

#include <errno.h>
#include <microhttpd.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

enum { CONNECTIONS = 16, PATIENCE_S = 10, MEMORY = 16 << 10, BACKLOG = 16 };

struct lun_metrics {
	struct MHD_Daemon *daemon;
	uv_poll_t readable;
	uv_timer_t due;
	uv_idle_t idle; /* runs while a text is made */
	unsigned open_handles;
	struct scrape scrape;
	struct loads loads;
	struct MHD_Connection *waiting[CONNECTIONS];
	unsigned waiting_count;
	struct MHD_Response *response; /* the last text; NULL: none could be made */
};

/* ---- the loop ---- */

static void on_due(uv_timer_t *timer);

static bool is_full(const struct lun_metrics *metrics)
{
	return MHD_get_daemon_info(metrics->daemon, MHD_DAEMON_INFO_CURRENT_CONNECTIONS)->num_connections == CONNECTIONS;
}

/* Lets the server work, and sees to it that it is called again when it wants to be.  With as many connections as it may have it does
 * not listen, and begins to again only when it is called the next time: nobody else would call it if all have gone. */
static void serve(struct lun_metrics *metrics)
{
	bool full = is_full(metrics);
	MHD_UNSIGNED_LONG_LONG wait_ms;

	MHD_run(metrics->daemon);
	if (full && !is_full(metrics))
		MHD_run(metrics->daemon);
	if (MHD_get_timeout(metrics->daemon, &wait_ms) == MHD_YES)
		uv_timer_start(&metrics->due, on_due, wait_ms, 0);
	else
		uv_timer_stop(&metrics->due);
}

static void on_due(uv_timer_t *timer)
{
	serve(timer->data);
}

static void on_readable(uv_poll_t *poll, int status, int events)
{
	(void)status;
	(void)events;
	serve(poll->data);
}

/* Those who wait are called again, and get the text. */
static void wake_all(struct lun_metrics *metrics)
{
	while (metrics->waiting_count > 0)
		MHD_resume_connection(metrics->waiting[--metrics->waiting_count]);
	serve(metrics);
}

static void on_idle(uv_idle_t *idle)
{
	struct lun_metrics *metrics = idle->data;
	struct scrape *scrape = &metrics->scrape;

	if (!scrape_step(scrape, &metrics->loads))
		return;
	uv_idle_stop(idle);
	if (metrics->response)
		MHD_destroy_response(metrics->response);
	metrics->response =
		scrape->size ? MHD_create_response_from_buffer(scrape->size, scrape->text, MHD_RESPMEM_MUST_FREE) : NULL;
	if (metrics->response)
		MHD_add_response_header(metrics->response, MHD_HTTP_HEADER_CONTENT_TYPE,
					"text/plain; version=0.0.4; charset=utf-8");
	else
		free(scrape->text);
	wake_all(metrics);
}

/* ---- answers ---- */

static enum MHD_Result answer_text(struct MHD_Connection *connection, unsigned status, const char *text)
{
	struct MHD_Response *response =
		MHD_create_response_from_buffer(strlen(text), (void *)(uintptr_t)text, MHD_RESPMEM_PERSISTENT);
	enum MHD_Result result = MHD_NO;

	if (!response)
		return MHD_NO;
	if (MHD_add_response_header(response, MHD_HTTP_HEADER_CONTENT_TYPE, "text/plain; charset=utf-8") == MHD_YES)
		result = MHD_queue_response(connection, status, response);
	MHD_destroy_response(response);
	return result;
}

/* Ready is who has room for new connections. */
static enum MHD_Result answer_ready(const struct lun_metrics *metrics, struct MHD_Connection *connection)
{
	struct lun_live_stats live;
	struct lun_stats stats;

	lun_live_stats(metrics->scrape.live, &live);
	lun_engine_stats(lun_live_engine(metrics->scrape.live), &stats);
	if (stats.flows >= stats.flows_max)
		return answer_text(connection, MHD_HTTP_SERVICE_UNAVAILABLE, "the table of connections is full\n");
	if (live.waiting >= live.waiting_most / 2)
		return answer_text(connection, MHD_HTTP_SERVICE_UNAVAILABLE, "the packet queue fills\n");
	return answer_text(connection, MHD_HTTP_OK, "ready\n");
}

/* The first call for a request has it wait, the second one comes when the text is there. */
static enum MHD_Result answer_metrics(struct lun_metrics *metrics, struct MHD_Connection *connection, void **seen)
{
	if (*seen)
		return metrics->response ? MHD_queue_response(connection, MHD_HTTP_OK, metrics->response) : MHD_NO;
	if (!metrics->scrape.out && !scrape_begin(&metrics->scrape))
		return MHD_NO;
	*seen = metrics;
	MHD_suspend_connection(connection);
	metrics->waiting[metrics->waiting_count++] = connection;
	uv_idle_start(&metrics->idle, on_idle);
	return MHD_YES;
}

/* NOLINTNEXTLINE(readability-function-size): the form is the library's */
static enum MHD_Result on_request(void *user, struct MHD_Connection *connection, const char *url, const char *method,
				  const char *version, const char *upload, size_t *upload_size, void **seen)
{
	struct lun_metrics *metrics = user;

	(void)version;
	(void)upload;
	*upload_size = 0;
	if (strcmp(method, MHD_HTTP_METHOD_GET) != 0 && strcmp(method, MHD_HTTP_METHOD_HEAD) != 0)
		return answer_text(connection, MHD_HTTP_METHOD_NOT_ALLOWED, "expected GET or HEAD\n");
	if (strcmp(url, "/metrics") == 0)
		return answer_metrics(metrics, connection, seen);
	if (strcmp(url, "/healthz") == 0)
		return answer_text(connection, MHD_HTTP_OK, "ok\n");
	if (strcmp(url, "/readyz") == 0)
		return answer_ready(metrics, connection);
	return answer_text(connection, MHD_HTTP_NOT_FOUND, "there are /metrics, /healthz and /readyz\n");
}

/* What the server has to say of its clients, nobody needs to hear. */
static void on_log(void *user, const char *format, va_list arguments)
{
	(void)user;
	(void)format;
	(void)arguments;
}

/* ---- open and close ---- */

static void on_closed(uv_handle_t *handle)
{
	struct lun_metrics *metrics = handle->data;

	if (--metrics->open_handles == 0)
		free(metrics);
}

/* A listening socket, or LUN_BAD_ARGUMENT, LUN_SYSTEM. */
static int listen_at(const char *text, struct lun_error *error)
{
	struct sockaddr_storage storage = { .ss_family = AF_INET };
	char host[LUN_ADDRESS_TEXT];
	struct lun_address address;
	int fd, on = 1, problem;
	uint16_t port;
	bool v4;

	if (lun_endpoint_parse(&address, &port, text) < 0 || port == 0)
		return control_fail(error, LUN_BAD_ARGUMENT, "%.100s: expected an address and port, such as 127.0.0.1:9464",
				    text);
	v4 = lun_address_is_v4(&address);
	lun_address_format(&address, host);
	problem = v4 ? uv_ip4_addr(host, port, (struct sockaddr_in *)&storage)
		     : uv_ip6_addr(host, port, (struct sockaddr_in6 *)&storage);
	if (problem)
		return control_fail(error, LUN_BAD_ARGUMENT, "%.100s: %s", text, uv_strerror(problem));
	fd = socket(v4 ? AF_INET : AF_INET6, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	if (fd >= 0 && setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on)) == 0 &&
	    bind(fd, (struct sockaddr *)&storage, v4 ? sizeof(struct sockaddr_in) : sizeof(struct sockaddr_in6)) == 0 &&
	    listen(fd, BACKLOG) == 0)
		return fd;
	problem = errno;
	if (fd >= 0)
		close(fd);
	return control_fail(error, LUN_SYSTEM, "metrics at %.100s: %s", text, strerror(problem));
}

static struct MHD_Daemon *start_daemon(struct lun_metrics *metrics, int fd)
{
	return MHD_start_daemon(MHD_USE_EPOLL | MHD_ALLOW_SUSPEND_RESUME, 0, NULL, NULL, on_request, metrics,
				MHD_OPTION_EXTERNAL_LOGGER, on_log, NULL, MHD_OPTION_LISTEN_SOCKET, fd,
				MHD_OPTION_CONNECTION_LIMIT, (unsigned)CONNECTIONS, MHD_OPTION_CONNECTION_TIMEOUT,
				(unsigned)PATIENCE_S, MHD_OPTION_CONNECTION_MEMORY_LIMIT, (size_t)MEMORY, MHD_OPTION_END);
}

int lun_metrics_open(struct lun_metrics **result, const struct lun_metrics_config *config, struct lun_error *error)
{
	struct lun_metrics *metrics = calloc(1, sizeof(*metrics));
	const union MHD_DaemonInfo *info;
	int fd;

	if (!metrics)
		return control_fail(error, LUN_NO_MEMORY, "no memory for the metrics");
	fd = listen_at(config->address, error);
	metrics->daemon = fd >= 0 ? start_daemon(metrics, fd) : NULL;
	info = metrics->daemon ? MHD_get_daemon_info(metrics->daemon, MHD_DAEMON_INFO_EPOLL_FD) : NULL;
	if (!info || uv_poll_init(config->loop, &metrics->readable, info->epoll_fd) < 0) {
		if (metrics->daemon)
			MHD_stop_daemon(metrics->daemon);
		free(metrics);
		return fd < 0 ? fd : control_fail(error, LUN_SYSTEM, "metrics: the HTTP server cannot be started");
	}
	metrics->scrape.live = config->live;
	metrics->scrape.hooks = config->hooks;
	lun_metrics_loaded(metrics, true);
	uv_timer_init(config->loop, &metrics->due);
	uv_idle_init(config->loop, &metrics->idle);
	metrics->readable.data = metrics->due.data = metrics->idle.data = metrics;
	metrics->open_handles = 3;
	uv_poll_start(&metrics->readable, UV_READABLE, on_readable);
	serve(metrics);
	*result = metrics;
	return 0;
}

void lun_metrics_loaded(struct lun_metrics *metrics, bool good)
{
	if (!metrics)
		return;
	metrics->loads.good += good;
	metrics->loads.bad += !good;
	metrics->loads.last_bad = !good;
	if (good)
		metrics->loads.at = uv_hrtime();
}

void lun_metrics_close(struct lun_metrics *metrics)
{
	if (!metrics)
		return;
	scrape_fini(&metrics->scrape);
	uv_close((uv_handle_t *)&metrics->readable, on_closed);
	uv_close((uv_handle_t *)&metrics->due, on_closed);
	uv_close((uv_handle_t *)&metrics->idle, on_closed);
	while (metrics->waiting_count > 0) /* they get nothing, but none may be suspended when the server stops */
		MHD_resume_connection(metrics->waiting[--metrics->waiting_count]);
	MHD_stop_daemon(metrics->daemon);
	if (metrics->response)
		MHD_destroy_response(metrics->response);
}
