/* control.h - asking a running agent (library lunette-control): a socket in the file system, JSON lines; and metrics over HTTP.
 *
 * A client connects, writes one request, one JSON object on a line, and reads one object a line until the agent closes:
 *
 *	{"command":"flows","filter":{...},"end":true}
 *		{"orig":"udp 10.1.1.1:40000 10.96.0.10:53","reply":"udp 10.244.0.5:53 10.1.1.1:40000","state":"STREAM",
 *		 "owner":"kernel","service":"default/dns:dns","masquerade":false,"expires_s":119,"age_s":7,
 *		 "packets":[3,3],"bytes":[120,360]}
 *		...
 *		{"summary":{"flows":1}}
 *	{"command":"stats"}
 *		{"endpoint":"10.244.0.5:53","protocol":"udp","service":"default/dns:dns","flows":1}
 *		...
 *		{"summary":{"packets":...,...}}
 *	{"command":"trace","expression":"tcp dst port 80","count":5}
 *		{"query":"tcp 10.1.1.1:40000 10.96.0.10:80","result":"dnat",...}		as soon as such a packet comes
 *		...
 *		{"summary":{"packets":5}}
 *	{"command":"top","by":"source","sort":"bytes"}
 *		{"source":"10.1.1.1","flows":7,"opened":2,"packets":[12,10],"bytes":[900,7000]}
 *		...
 *		{"summary":{"interval_ms":2000,"counts":true,"groups":1,"flows":7,...}}
 *	anything else
 *		{"error":"..."}
 *
 * top tells at most 100 groups of connections, by "service", "endpoint", "source" (an address) or "flow", the greatest first: of
 * "flows", which are there now, or of what came since the question before on the same connection: "opened", "packets", "bytes".
 * After its answer the next question may be asked on the same connection; with "again":true it gets what came in the same time as
 * for the last one, to be told otherwise.  What came is not known at the first question (interval_ms 0), and packets and bytes are
 * not if counts is false.  Of more than 8,192 groups the rest comes in one, {"other":true,...}.
 *
 * A flow whose client gets an error, as far as that is known, says so: "client_sees":"Connection timed out","client_sees_why":"...".
 *
 * Packets and bytes, of both directions, are the kernel's where it counts (sysctl net.netfilter.nf_conntrack_acct), else
 * what came by the agent.  flows and top take a "filter", which may hold "protocol" (a name), "state", "age" (seconds, at
 * least), "service" (with or without the port), and "source", "destination", "endpoint": prefixes, or addresses with a port as
 * in "[fd00::1]:80".  All that it holds must fit.  An "expression" says the same and more (struct lun_flow_filter); both must
 * fit then.  With "end":true each flow that is
 * listed is ended, in the kernel too; there must be a filter or expression then.
 * The expression of a trace is of libpcap's language (struct lun_filter); 1,000 packets may be asked for, one is if nothing is said.
 *
 * The process must ignore SIGPIPE: clients come and go.  Answers are made bit by bit, so nobody's packet waits for a long
 * list, and a client that does not read holds up nobody else. */
#ifndef LUNETTE_CONTROL_H
#define LUNETTE_CONTROL_H

#include <lunette/live.h>
#include <lunette/lua.h>

#ifdef __cplusplus
extern "C" {
#endif

enum { LUN_CONTROL_PATH = 108 /* bytes that a path may have, with its NUL: what a socket's address has room for */ };

struct lun_control_config {
	size_t size;
	uv_loop_t *loop;                   /* required */
	struct lun_live *live;             /* required; must live until lun_control_close */
	const char *path;                  /* of the socket; NULL: lun_control_path */
	const struct lun_lua_stats *hooks; /* as in lun_metrics_config */
};

struct lun_control;

/* The path at which the agent of this process' network namespace is looked for: /run/lunette-NUMBER.sock.  Returns
 * `path`. */
LUN_API char *lun_control_path(char path[LUN_CONTROL_PATH]);

/* Listens at the path, for this user and root (mode 0600); a socket that nobody listens at any more is replaced.  Fails:
 * LUN_EXISTS (somebody listens there, or it is no socket), LUN_BAD_ARGUMENT (a path too long), LUN_SYSTEM, LUN_NO_MEMORY. */
LUN_API int lun_control_open(struct lun_control **control, const struct lun_control_config *config, struct lun_error *error);

/* Closes the socket, removes its name, and drops whoever is connected.  The memory is freed by the loop, which must run once
 * more.  NULL is fine. */
LUN_API void lun_control_close(struct lun_control *control);

/* ---- Metrics over HTTP: /metrics in Prometheus' text format, /healthz, and /readyz (503 while new connections have no room) ---- */

struct lun_metrics_config {
	size_t size;
	uv_loop_t *loop;       /* required */
	struct lun_live *live; /* required; must live until lun_metrics_close */
	const char *address;   /* required: "127.0.0.1:9464", "[::]:9464" */
	const struct lun_lua_stats
		*hooks; /* of the policy's hooks, which must live as long; NULL: nothing is told of them */
};

struct lun_metrics;

/* Listens at the address, and counts a policy as loaded.  A text is made bit by bit, so no packet waits for it.  Fails:
 * LUN_BAD_ARGUMENT (the address), LUN_SYSTEM (it cannot be had), LUN_NO_MEMORY. */
LUN_API int lun_metrics_open(struct lun_metrics **metrics, const struct lun_metrics_config *config, struct lun_error *error);

/* Another policy was loaded, or refused.  NULL is fine. */
LUN_API void lun_metrics_loaded(struct lun_metrics *metrics, bool good);

/* Stops.  The memory is freed by the loop, which must run once more.  NULL is fine. */
LUN_API void lun_metrics_close(struct lun_metrics *metrics);

#ifdef __cplusplus
}
#endif

#endif
