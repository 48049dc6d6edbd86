/* health.c - answers at the health check ports of a policy's services, as kube-proxy does: 200 where this node has a ready endpoint,
 * else 503, and how many there are.
 *
 * Load balancers ask with one short GET.  What they ask for is not looked at: the answer goes out as soon as a line has come, and
 * the connection ends; one that says nothing for five seconds ends, too. */
#include "cli/health.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { BACKLOG = 16, LINE_MOST = 1024, PATIENCE_MS = 5000, ANSWER = 700 };

struct health_port {
	struct health_port *next;
	struct health *health;
	uint16_t port;
	bool wanted;
	uv_tcp_t listener;
};

/* One who asks. */
struct visit {
	struct health *health;
	uint16_t port;
	uv_tcp_t stream;
	uv_timer_t patience;
	uv_write_t write;
	char heard[LINE_MOST], answer[ANSWER];
	int open; /* handles that are */
};

/* ---- a visit --------------------------------------------------------------------------------------------------------- */

static void visit_closed(uv_handle_t *handle)
{
	struct visit *visit = handle->data;

	if (--visit->open == 0)
		free(visit);
}

static void visit_end(struct visit *visit)
{
	if (uv_is_closing((uv_handle_t *)&visit->stream))
		return;
	uv_close((uv_handle_t *)&visit->stream, visit_closed);
	uv_close((uv_handle_t *)&visit->patience, visit_closed);
}

static void on_patience(uv_timer_t *timer)
{
	visit_end(timer->data);
}

static void on_written(uv_write_t *write, int status)
{
	(void)status;
	visit_end(write->data);
}

/* What is said of a service, in kube-proxy's words. */
static void write_answer(struct visit *visit, const struct lun_health_check *check)
{
	const char *slash = strchr(check->service, '/');
	int space = slash ? (int)(slash - check->service) : 0;
	char body[400];
	int length = snprintf(body, sizeof(body),
			      "{\n\t\"service\": {\n\t\t\"namespace\": \"%.*s\",\n\t\t\"name\": \"%.127s\"\n\t},\n"
			      "\t\"localEndpoints\": %u,\n\t\"serviceProxyHealthy\": true\n}",
			      space, check->service, slash ? slash + 1 : check->service, check->endpoints);

	snprintf(visit->answer, sizeof(visit->answer),
		 "HTTP/1.1 %s\r\nContent-Type: application/json\r\nX-Content-Type-Options: nosniff\r\n"
		 "X-Load-Balancing-Endpoint-Weight: %u\r\nContent-Length: %d\r\nConnection: close\r\n\r\n%s",
		 check->endpoints ? "200 OK" : "503 Service Unavailable", check->endpoints, length, body);
}

static bool find_check(const struct health *health, uint16_t port, struct lun_health_check *check)
{
	for (size_t i = 0; health->policy && lun_policy_health_check(health->policy, i, check); i++)
		if (check->port == port)
			return true;
	return false;
}

static void on_heard(uv_stream_t *stream, ssize_t size, const uv_buf_t *buffer)
{
	struct visit *visit = stream->data;
	struct lun_health_check check;
	uv_buf_t answer;

	if (size == 0)
		return;
	if (size < 0 || !find_check(visit->health, visit->port, &check)) {
		visit_end(visit);
		return;
	}
	if (!memchr(buffer->base, '\n', (size_t)size))
		return;
	uv_read_stop(stream);
	write_answer(visit, &check);
	answer = uv_buf_init(visit->answer, (unsigned)strlen(visit->answer));
	visit->write.data = visit;
	if (uv_write(&visit->write, stream, &answer, 1, on_written) < 0)
		visit_end(visit);
}

static void on_room(uv_handle_t *handle, size_t wanted, uv_buf_t *buffer)
{
	struct visit *visit = handle->data;

	(void)wanted;
	*buffer = uv_buf_init(visit->heard, sizeof(visit->heard));
}

static void on_visitor(uv_stream_t *listener, int status)
{
	struct health_port *port = listener->data;
	struct visit *visit = status == 0 ? calloc(1, sizeof(*visit)) : NULL;

	if (!visit)
		return;
	visit->health = port->health;
	visit->port = port->port;
	visit->open = 2;
	uv_tcp_init(port->health->loop, &visit->stream);
	uv_timer_init(port->health->loop, &visit->patience);
	visit->stream.data = visit->patience.data = visit;
	if (uv_accept(listener, (uv_stream_t *)&visit->stream) < 0 ||
	    uv_read_start((uv_stream_t *)&visit->stream, on_room, on_heard) < 0) {
		visit_end(visit);
		return;
	}
	uv_timer_start(&visit->patience, on_patience, PATIENCE_MS, 0);
}

/* ---- ports ----------------------------------------------------------------------------------------------------------- */

static void port_closed(uv_handle_t *handle)
{
	free(handle->data);
}

/* On all addresses of both families, or of IPv4 where there is no other. */
static int port_listen(struct health_port *port)
{
	struct sockaddr_in6 v6;
	struct sockaddr_in v4;
	int code;

	uv_ip6_addr("::", port->port, &v6);
	uv_ip4_addr("0.0.0.0", port->port, &v4);
	code = uv_tcp_bind(&port->listener, (const struct sockaddr *)&v6, 0);
	if (code == UV_EAFNOSUPPORT || code == UV_EADDRNOTAVAIL)
		code = uv_tcp_bind(&port->listener, (const struct sockaddr *)&v4, 0);
	return code < 0 ? code : uv_listen((uv_stream_t *)&port->listener, BACKLOG, on_visitor);
}

static void port_open(struct health *health, const struct lun_health_check *check)
{
	struct health_port *port = calloc(1, sizeof(*port));
	char line[300];
	int code;

	if (!port)
		return;
	*port = (struct health_port) { .health = health, .port = check->port, .wanted = true };
	uv_tcp_init(health->loop, &port->listener);
	port->listener.data = port;
	code = port_listen(port);
	if (code == 0) {
		port->next = health->ports;
		health->ports = port;
		return;
	}
	snprintf(line, sizeof(line), "health check port %u of %.127s: %s", check->port, check->service, uv_strerror(code));
	health->say(health->user, line);
	uv_close((uv_handle_t *)&port->listener, port_closed);
}

static struct health_port *port_find(const struct health *health, uint16_t number)
{
	struct health_port *port = health->ports;

	while (port && port->port != number)
		port = port->next;
	return port;
}

void health_set_policy(struct health *health, struct lun_policy *policy)
{
	struct health_port **link = &health->ports, *port;
	struct lun_health_check check;

	if (policy)
		lun_policy_ref(policy);
	lun_policy_unref(health->policy);
	health->policy = policy;
	for (port = health->ports; port; port = port->next)
		port->wanted = find_check(health, port->port, &check);
	while ((port = *link) != NULL) {
		if (port->wanted) {
			link = &port->next;
			continue;
		}
		*link = port->next;
		uv_close((uv_handle_t *)&port->listener, port_closed);
	}
	for (size_t i = 0; policy && lun_policy_health_check(policy, i, &check); i++)
		if (!port_find(health, check.port))
			port_open(health, &check);
}
