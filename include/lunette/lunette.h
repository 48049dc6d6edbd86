/* lunette.h - an embeddable connection tracker with a scriptable policy.
 *
 * Read from top to bottom; it goes in order of use.  The idea in one paragraph: you own the packets, the clock and the
 * sockets; the engine owns the connections.  You hand it arrays of packets with the time, it leaves a verdict in each and
 * puts what a verdict cannot say into a ring of events, which you drain.  It never opens a descriptor, reads a clock, starts
 * a thread, or allocates for a packet: the same program runs live, on a capture, and in a unit test.
 *
 *	struct lun_policy *policy;
 *	struct lun_engine *engine;
 *	struct lun_error error;
 *
 *	if (lun_policy_new(&policy, &policy_config, &error) < 0 || lun_engine_new(&engine, &config, policy, &error) < 0)
 *		die(error.text);
 *	for (;;) {
 *		count = receive(packets);
 *		lun_engine_packets(engine, packets, count, now());
 *		send_or_drop(packets, count);
 *		while (lun_engine_next_event(engine, &event))
 *			act_on(&event);
 *	}
 *
 * Conventions.  Everything is in host byte order but addresses and packet bytes.  Times are nanoseconds of any clock that
 * never goes back.  Functions that can fail return 0 (or a count) or one of the negative codes of LUN_ERRORS, and leave a
 * sentence in `struct lun_error` where they take one; if a `_new` fails there is nothing to free, and freeing NULL is fine.
 * Directions are "orig" (as the first packet of the flow went) and "reply", never in and out.
 *
 * Threads.  There is none in here, and no lock.  One engine belongs to one thread at a time.  A policy may be shared by engines of one
 * thread only, since references are plain counters and its hooks run in whatever thread calls the engine: for N threads load it N
 * times.  Functions that get no pointer to either may be called by anybody at any time, but for lun_process_set.
 *
 * Growth.  A struct that begins with `size` may grow at its end: set it to sizeof, leave the rest zero, and zero means the default.
 * Of a struct of an older header what is not there is zero; a size of 0, or of a newer header's struct, is LUN_BAD_ARGUMENT.  All
 * other structs, and the values of enums, change only with LUN_VERSION_MAJOR, or while that is 0 with LUN_VERSION_MINOR too, and with
 * it the name of the shared libraries: a program that starts has the library that it was compiled for.
 *
 * Words.  The engine says nothing by itself: what it wants to say are codes, reasons, counters, events, and traces that you ask for.
 * Where a library has lines for a log (lua.h, live.h), its config has a function for them. */
#ifndef LUNETTE_H
#define LUNETTE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

#define LUN_API __attribute__((visibility("default")))

/* ---- Version --------------------------------------------------------------------------------------------------------- */

/* Of this header. */
#define LUN_VERSION_MAJOR 0
#define LUN_VERSION_MINOR 1
#define LUN_VERSION_PATCH 0
#define LUN_VERSION (LUN_VERSION_MAJOR << 16 | LUN_VERSION_MINOR << 8 | LUN_VERSION_PATCH)

/* The LUN_VERSION of the library, which may be newer than the header's. */
LUN_API uint32_t lun_version(void);

/* ---- Errors: an operation that failed -------------------------------------------------------------------------------- */

/* X(name, value, sentence) */
#define LUN_ERRORS(X)                                                                                                       \
	X(NO_MEMORY, -1, "out of memory")                                                                                   \
	X(BAD_ARGUMENT, -2, "an argument is out of range")                                                                  \
	X(BAD_POLICY, -3, "the policy is wrong")                                                                            \
	X(BAD_FILE, -4, "the file is not what it should be")                                                                \
	X(NOT_FOUND, -5, "there is no such thing")                                                                          \
	X(EXISTS, -6, "it exists already")                                                                                  \
	X(FULL, -7, "a limit of the configuration is reached")                                                              \
	X(SYSTEM, -8, "the system refused")                                                                                 \
	X(NO_PRIVILEGE, -9, "a privilege is missing")                                                                       \
	X(UNSUPPORTED, -10, "this kernel or build cannot do it")

enum lun_error_code {
#define LUN_ERROR_VALUE(name, value, sentence) LUN_##name = (value),
	LUN_ERRORS(LUN_ERROR_VALUE)
#undef LUN_ERROR_VALUE
};

/* What went wrong, for a person: "kind.lua:12: unknown key endpont, did you mean endpoints?".  Filled only on failure. */
struct lun_error {
	int code;
	char text[500];
};

/* The sentence of a code, never NULL; static memory. */
LUN_API const char *lun_strerror(int code);

/* ---- The process: memory, and what becomes of it when we are wrong ------------------------------------------------------ */

struct lun_process {
	size_t size;
	/* All memory of engines and policies: `bytes`, at least 1, at a multiple of `alignment`, a power of two; NULL: there is none.
	 * Both or none of the two functions; NULL: malloc, and mmap for what is large.  Called by the thread that calls us. */
	void *(*take)(void *user, size_t bytes, size_t alignment);
	void (*give)(void *user, void *memory);
	/* An invariant does not hold, which is a mistake of this library or of who called it: the place to write it down.  When it
	 * returns, abort() is called.  NULL: a line on standard error, and abort(). */
	void (*broken)(void *user, const char *invariant, const char *file, int line);
	void *user;
};

/* Tells the engine about its process; NULL: nothing special, as at the beginning.  To be called while there is no engine and no policy,
 * and no other thread that makes one.  Fails, and changes nothing: LUN_BAD_ARGUMENT (the size, one of take and give alone). */
LUN_API int lun_process_set(const struct lun_process *process);

/* ---- Reasons: a packet that was not simply let through --------------------------------------------------------------- */

/* X(name, sentence).  A reason is no error: it says why a packet got its verdict, has a counter, and a name in JSON (the
 * lower-case identifier). */
#define LUN_REASONS(X)                                                                                                      \
	X(none, "nothing to say")                                                                                           \
	X(truncated, "the packet is shorter than its headers say")                                                          \
	X(bad_ip_version, "neither IPv4 nor IPv6")                                                                          \
	X(bad_ip_header, "the IP header contradicts itself")                                                                \
	X(bad_transport_header, "the transport header contradicts itself")                                                  \
	X(bad_checksum, "a checksum is wrong")                                                                              \
	X(fragment_overlap, "fragments of this datagram overlap")                                                           \
	X(fragment_duplicate, "this fragment came already")                                                                 \
	X(fragment_memory, "no room for the fragments of this datagram")                                                    \
	X(fragment_timeout, "the rest of the datagram did not come in time")                                                \
	X(icmp_type, "an ICMP message that belongs to no flow")                                                             \
	X(icmp_unrelated, "an ICMP error about a packet of no flow")                                                        \
	X(extension_headers, "too many IPv6 extension headers")                                                             \
	X(invalid_state, "this TCP segment is not possible in the state of its flow")                                       \
	X(bad_flags, "a combination of TCP flags that no stack sends")                                                      \
	X(sequence_past_window, "TCP data that the receiver did not allow yet")                                             \
	X(sequence_before_window, "TCP data that was acknowledged long ago")                                                \
	X(acknowledgement_past_window, "a TCP acknowledgement of data that was never sent")                                 \
	X(acknowledgement_before_window, "a TCP acknowledgement of long ago")                                               \
	X(invalid_reset, "a TCP reset behind the expected sequence number")                                                 \
	X(bad_verification_tag, "an SCTP packet with another association's tag")                                            \
	X(bad_chunks, "SCTP chunks that cannot stand together")                                                             \
	X(not_an_opening, "no flow, and this packet cannot open one")                                                       \
	X(table_full, "the flow table is full")                                                                             \
	X(source_limit, "too many flows of this source")                                                                    \
	X(service_limit, "too many flows to this service")                                                                  \
	X(half_open_limit, "too many half-open TCP flows")                                                                  \
	X(no_free_port, "no source port is free for this translation")                                                      \
	X(no_endpoint, "the service has no usable endpoint")                                                                \
	X(no_local_endpoint, "the traffic policy is Local and no endpoint is on this node")                                 \
	X(source_range, "the source is outside the ranges of the load balancer")                                            \
	X(undefined_port, "the cluster IP is known but this port is not defined")                                           \
	X(unallocated, "an address of the service range that no service holds")                                             \
	X(policy_drop, "the policy script said drop")                                                                       \
	X(policy_reject, "the policy script said reject")                                                                   \
	X(policy_error, "the policy script failed, the fallback decided")                                                   \
	X(no_masquerade_address, "no address to masquerade with in this family")                                            \
	X(http_malformed, "not a request head that every parser reads alike")                                               \
	X(http_incomplete, "a request head that did not come to its end")                                                   \
	X(http_too_large, "the edited packet would not fit")                                                                \
	X(http_lost_place, "a byte range that is not the next one of the edited stream")                                    \
	X(edits_full, "no room for the edit state of another flow")                                                         \
	X(events_full, "the event ring is full, drain it")                                                                  \
	X(retransmission, "the opening packet of a flow that the kernel carries, again")

enum lun_reason {
#define LUN_REASON_VALUE(name, sentence) LUN_REASON_##name,
	LUN_REASONS(LUN_REASON_VALUE)
#undef LUN_REASON_VALUE
		LUN_REASON_COUNT
};

/* The name ("table_full") and the sentence of a reason, never NULL; static memory. */
LUN_API const char *lun_reason_name(enum lun_reason reason);
LUN_API const char *lun_reason_text(enum lun_reason reason);

/* ---- Addresses and tuples -------------------------------------------------------------------------------------------- */

enum { LUN_ICMP = 1, LUN_TCP = 6, LUN_UDP = 17, LUN_ICMPV6 = 58, LUN_SCTP = 132 };

/* Both families in one type: IPv4 as v4-mapped IPv6, ::ffff:a.b.c.d (RFC 4291, 2.5.5.2).  All zero: unspecified. */
struct lun_address {
	uint8_t bytes[16];
};

/* `length` counts in all 128 bits: 10.0.0.0/8 has 104, and an IPv4 prefix has 96 at least. */
struct lun_prefix {
	struct lun_address address;
	uint8_t length;
};

/* What a packet carries.  `tenant` is the conntrack zone: two tenants may use the same addresses. */
struct lun_tuple {
	struct lun_address source, destination;
	uint16_t source_port, destination_port;
	uint16_t tenant;
	uint8_t protocol;
	uint8_t zero; /* keep it 0: tuples are compared and hashed as bytes */
};

#define LUN_ADDRESS_TEXT 48 /* bytes that always suffice for the formatted text with its NUL: an address, "[v6]:port" */
#define LUN_TUPLE_TEXT 112

/* Text to address: dotted quad or RFC 4291 text, the whole of `text`.  Leading zeros of IPv4 parts are decimal and dropped
 * (services.md R34).  Returns 0 or LUN_BAD_ARGUMENT. */
LUN_API int lun_address_parse(struct lun_address *address, const char *text);

/* "10.0.0.0/8", "fd00::/64"; a bare address is a prefix of full length; blanks around it are ignored; bits behind the length
 * are cleared.  Returns 0 or LUN_BAD_ARGUMENT. */
LUN_API int lun_prefix_parse(struct lun_prefix *prefix, const char *text);

/* "10.0.0.1:80", "[fd00::1]:80"; a bare address gives port 0.  Returns 0 or LUN_BAD_ARGUMENT. */
LUN_API int lun_endpoint_parse(struct lun_address *address, uint16_t *port, const char *text);

LUN_API bool lun_address_is_v4(const struct lun_address *address);
LUN_API bool lun_address_is_zero(const struct lun_address *address);
/* False for a length over 128, too. */
LUN_API bool lun_prefix_holds(const struct lun_prefix *prefix, const struct lun_address *address);

/* Each writes NUL-terminated text into `text` and returns it.  A tuple reads "tcp 10.1.1.1:40000 10.96.0.10:80". */
LUN_API char *lun_address_format(const struct lun_address *address, char text[LUN_ADDRESS_TEXT]);
LUN_API char *lun_endpoint_format(const struct lun_address *address, uint16_t port, char text[LUN_ADDRESS_TEXT]);
LUN_API char *lun_tuple_format(const struct lun_tuple *tuple, char text[LUN_TUPLE_TEXT]);

/* "tcp", "udp", "icmp", ... or NULL for a protocol without a name here.  The number of a name, or LUN_NOT_FOUND. */
LUN_API const char *lun_protocol_name(uint8_t protocol);
LUN_API int lun_protocol_number(const char *name);

/* ---- Directions and states ------------------------------------------------------------------------------------------- */

enum lun_direction { LUN_ORIG, LUN_REPLY };

/* States of flows, by the kernel's names where it has them; X(name, text): the text is what JSON has. */
#define LUN_STATES(X)                                                                                                       \
	X(NONE, "NONE")                                                                                                     \
	X(SYN_SENT, "SYN_SENT")                                                                                             \
	X(SYN_RECV, "SYN_RECV")                                                                                             \
	X(ESTABLISHED, "ESTABLISHED")                                                                                       \
	X(FIN_WAIT, "FIN_WAIT")                                                                                             \
	X(CLOSE_WAIT, "CLOSE_WAIT")                                                                                         \
	X(LAST_ACK, "LAST_ACK")                                                                                             \
	X(TIME_WAIT, "TIME_WAIT")                                                                                           \
	X(CLOSE, "CLOSE")                                                                                                   \
	X(SYN_SENT2, "SYN_SENT2")                                                                                           \
	X(UDP_UNREPLIED, "UNREPLIED")                                                                                       \
	X(UDP_REPLIED, "REPLIED")                                                                                           \
	X(UDP_STREAM, "STREAM")                                                                                             \
	X(ICMP_UNREPLIED, "UNREPLIED")                                                                                      \
	X(ICMP_REPLIED, "REPLIED")                                                                                          \
	X(SCTP_CLOSED, "CLOSED")                                                                                            \
	X(SCTP_COOKIE_WAIT, "COOKIE_WAIT")                                                                                  \
	X(SCTP_COOKIE_ECHOED, "COOKIE_ECHOED")                                                                              \
	X(SCTP_ESTABLISHED, "ESTABLISHED")                                                                                  \
	X(SCTP_SHUTDOWN_SENT, "SHUTDOWN_SENT")                                                                              \
	X(SCTP_SHUTDOWN_RECD, "SHUTDOWN_RECD")                                                                              \
	X(SCTP_SHUTDOWN_ACK_SENT, "SHUTDOWN_ACK_SENT")                                                                      \
	X(SCTP_HEARTBEAT_SENT, "HEARTBEAT_SENT")                                                                            \
	X(OTHER_UNREPLIED, "UNREPLIED")                                                                                     \
	X(OTHER_REPLIED, "REPLIED")
enum lun_state {
#define LUN_STATE_VALUE(name, text) LUN_STATE_##name,
	LUN_STATES(LUN_STATE_VALUE) LUN_STATE_COUNT
#undef LUN_STATE_VALUE
};
LUN_API const char *lun_state_name(enum lun_state state);

/* ---- Policy: what is to become of a new flow ------------------------------------------------------------------------- */

enum lun_masquerade { LUN_MASQUERADE_AUTO, LUN_MASQUERADE_ALWAYS, LUN_MASQUERADE_NEVER };
enum lun_switch { LUN_DEFAULT, LUN_ON, LUN_OFF };

/* Which of the endpoints that a new flow may have it gets; shares follow the endpoints' weights.  Maglev and source hash choose
 * by the client's address alone, and the same on every node whose policy has the same `hash_seed`: they differ in what moves
 * when an endpoint comes or goes (Maglev: hardly more than what must; source hash: everything). */
enum lun_balance {
	LUN_BALANCE_RANDOM,
	LUN_BALANCE_ROUND_ROBIN,
	LUN_BALANCE_LEAST_CONNECTIONS,
	LUN_BALANCE_MAGLEV,
	LUN_BALANCE_SOURCE_HASH
};

/* Which ready endpoints are taken before all others; without one of that kind, all are. */
enum lun_prefer { LUN_PREFER_NONE, LUN_PREFER_LOCAL, LUN_PREFER_ZONE };

/* How a client reached a service; X(name).  JSON has the names. */
#define LUN_VIAS(X) X(none) X(cluster_ip) X(node_port) X(external_ip) X(load_balancer_ip) X(script)
enum lun_via {
#define LUN_VIA_VALUE(name) LUN_VIA_##name,
	LUN_VIAS(LUN_VIA_VALUE)
#undef LUN_VIA_VALUE
};
LUN_API const char *lun_via_name(enum lun_via via);

/* The node that the engine stands for.  Pointers are read during lun_policy_new only. */
struct lun_node {
	const char *name;
	const char *zone;                    /* of the topology, or NULL */
	const struct lun_address *addresses; /* the first of each family is primary */
	size_t address_count;
	const struct lun_prefix *pods; /* sources that are local; none: unknown (services.md R7, R13) */
	size_t pod_count;
	const struct lun_prefix *service_ranges; /* refuse what no service holds (R30, R31) */
	size_t service_range_count;
	const struct lun_prefix *node_port_addresses; /* none: the primary ones if service_ranges is set, else all */
	size_t node_port_address_count;
	const struct lun_address *masquerade_addresses; /* none of a family: what the embedder says (lun_config.source, or
							 * when committing), else the primary address of that family */
	size_t masquerade_address_count;
	bool masquerade_all; /* R8 */
	bool no_echo; /* echo requests to cluster IPs are as any packet there; else those to services with endpoints are answered */
	enum lun_switch localhost_node_ports; /* R27, R28; IPv4 only; default: on unless service_ranges is set */
};

struct lun_port {
	const char *name; /* NULL where there is only one */
	uint8_t protocol; /* LUN_TCP, LUN_UDP, LUN_SCTP; 0: TCP */
	uint16_t port;
	uint16_t node_port;   /* 0: none; in each family of which the service has a cluster IP or an endpoint, or in both */
	uint16_t target_port; /* 0: as `port` */
};

/* An endpoint that is not ready gets no new flows; one that still serves while it ends gets them where no endpoint is ready (R20,
 * R21).  The same address and port again is the same endpoint: the first of them counts, but one on this node before all others. */
struct lun_endpoint {
	struct lun_address address;
	uint16_t port;         /* 0: the target port of each service port */
	uint16_t weight;       /* its share of new flows; 0: 1 */
	bool not_ready;        /* so that zero means ready */
	bool ending;           /* serves while it ends; read if it is not ready */
	uint8_t protocol;      /* of the service ports that it serves; 0: of all */
	const char *port_name; /* name of the service port that it serves; NULL: all, "": the one without a name */
	const char *node;      /* NULL: unknown; compared with the node's name by Local traffic policies */
	const char *zone;      /* of the topology, or NULL */
	/* For which nodes and zones it is meant: followed where each ready endpoint of a service port says so. */
	const char *const *node_hints;
	size_t node_hint_count;
	const char *const *zone_hints;
	size_t zone_hint_count;
};

enum { LUN_HEADERS = 64, LUN_HEADER_NAME = 128 }; /* rules of a service; bytes of a name, with its NUL */

/* What is done to the header of a name.  Each takes out every line of that name that the client sent, and of names that some
 * servers take for it (X_Real_IP), also in trailers, and then puts one line right behind the request line. */
enum lun_header_kind {
	LUN_HEADER_SET,     /* the value */
	LUN_HEADER_APPEND,  /* the client's values, then the value, in one list */
	LUN_HEADER_DEFAULT, /* the client's values, or if there are none the value */
	LUN_HEADER_REMOVE,  /* nothing */
};

/* Which requests a rule speaks of; NULL: any. */
struct lun_condition {
	const char *host;   /* in lower case, without a port; "*.example.com" stands for one more label */
	const char *path;   /* whole elements of the path: /a for /a and /a/b; compared decoded, without "." and ".." */
	const char *method; /* exactly */
};

/* A value that comes out empty makes no line.  It may hold $remote_addr $remote_port $server_addr $server_port $host $http_NAME
 * $request_id $scheme $request_uri $service $endpoint $forwarded_host $forwarded_port $forwarded_proto; $$ is a dollar.  Of
 * two rules for a name that speak of the same request the later one counts. */
struct lun_header {
	const char *name;
	const char *value; /* may be NULL for REMOVE */
	enum lun_header_kind kind;
	const struct lun_condition *when; /* NULL: all */
	bool response; /* of responses: SET or REMOVE, without a condition; the value may hold $remote_addr $remote_port
			* $server_addr $server_port $scheme $service $endpoint, and $http_NAME of the upstream's own headers.  An
			* engine that commits leaves responses alone */
};

/* The beginning of a request's path is replaced: `strip`, where a condition's path would hold for it, by `add`; what is behind it, the
 * query too, stays as it was sent.  A path that would be empty becomes a slash; OPTIONS * stays.  Both begin with a slash or are
 * empty or NULL, but not both of them.  Of rules that speak of the same request the last one counts. */
struct lun_path_rule {
	const char *strip, *add;
	const struct lun_condition *when; /* of the request as it was sent; NULL: all */
};

/* How long a flow may be silent in a state. */
struct lun_timeout {
	enum lun_state state;
	uint64_t time; /* ns; 1 s to 24 days */
};

struct lun_service {
	const char *name; /* "namespace/name", unique */
	const char *at;   /* where it was declared, "kind.lua:12", or NULL; traces quote it */
	const struct lun_address *cluster_ips;
	size_t cluster_ip_count;
	const struct lun_address *external_ips;
	size_t external_ip_count;
	const struct lun_address *load_balancer_ips;
	size_t load_balancer_ip_count;
	const struct lun_prefix *load_balancer_source_ranges; /* none: everybody; R22 */
	size_t load_balancer_source_range_count;
	const struct lun_port *ports;
	size_t port_count;
	const struct lun_endpoint *endpoints;
	size_t endpoint_count;
	const struct lun_header *headers;
	size_t header_count;
	const struct lun_path_rule *paths;
	size_t path_count;                        /* at most LUN_HEADERS */
	const struct lun_prefix *trusted_proxies; /* whose X-Forwarded-For, -Host, -Port and -Proto are believed */
	size_t trusted_proxy_count;
	bool http;        /* its requests are read strictly, also if nothing is to be edited */
	bool http_resets; /* whose request is refused gets a RST; else, where it is owed no response, a 400, 408 or 431 */
	uint8_t proxy_protocol; /* its endpoints are told who the client is, by a PROXY header of version 1 or 2; 0: not; TCP */
	const struct lun_timeout *timeouts; /* of its flows; states not named have the defaults */
	size_t timeout_count;
	uint32_t flow_limit; /* most flows to each of its ports at once; 0: none */
	enum lun_balance balance;
	enum lun_masquerade masquerade;
	bool external_local; /* external_traffic_policy = "Local"; R10 to R14 */
	bool internal_local; /* internal_traffic_policy = "Local"; R16, R17 */
	bool no_retry; /* a SYN that nobody answers stays with its endpoint; else its second repetition goes to another */
	uint8_t rest_after; /* TCP connections in a row that do not open until their endpoint rests; 0: never */
	uint64_t
		rest; /* ns: no new flows for so long, twice as long each time, at most 32 times, until one opens; 0: 10 s */
	uint64_t drain; /* ns: so long after their endpoint is not ready any more, TCP flows end with resets; 0: never */
	uint64_t slow_start; /* ns: for so long the share of an endpoint that is new grows, from a tenth */
	bool yields;         /* an address and port that another service has is left to it; else that is an error */
	enum lun_prefer prefer;
	uint16_t health_check_node_port; /* TCP, on the node's addresses; 0: none; R29 */
	uint64_t affinity; /* a client gets the endpoint that it had, if less than this many ns ago; 0: never */
};

/* A new flow, as a hook sees it.  Valid during the call. */
struct lun_new_flow {
	struct lun_tuple tuple;
	const char *service; /* what the map found, or NULL */
	const char *port;    /* name of that service's port, or NULL */
	enum lun_via via;
	uint64_t now;  /* the engine's clock, which goes by the millisecond */
	uint64_t seed; /* of random choices: the engine's random numbers at this moment */
};

enum lun_action {
	LUN_ACTION_MAP,     /* no opinion: the service map decides */
	LUN_ACTION_ACCEPT,  /* track, leave alone */
	LUN_ACTION_DROP,    /* silently */
	LUN_ACTION_REJECT,  /* with an answer: RST or ICMP port unreachable */
	LUN_ACTION_FORWARD, /* to an endpoint of `service` */
	LUN_ACTION_DNAT,    /* to `address`:`port` */
};

/* What a hook answers.  Strings need live until the hook is called again. */
struct lun_decision {
	enum lun_action action;
	const char *
		service; /* FORWARD: its name; the port of the same name or number is taken, else the first of the protocol */
	struct lun_address address;     /* DNAT */
	uint16_t port;                  /* DNAT; 0: keep */
	enum lun_masquerade masquerade; /* FORWARD and DNAT; AUTO: the rules of the service, for DNAT hairpin only */
	const char *why;                /* DROP, REJECT: for traces and logs, or NULL */
	const char *at;                 /* where the script said so, "kind.lua:30", or NULL */
};

/* The head of a request, as a hook sees it.  Valid during the call.  Texts are not NUL-terminated. */
struct lun_request {
	struct lun_tuple tuple;             /* as the client sends it */
	const char *service;                /* NUL-terminated */
	const char *method, *target, *host; /* host: as it was sent, with a port */
	size_t method_length, target_length, host_length;
};

/* What the client sent under a name, in any case: `size` bytes of it at most, several lines in one list.  => its whole length, 0 if
 * there is none. */
LUN_API size_t lun_request_header(const struct lun_request *request, const char *name, char *text, size_t size);

/* Puts one line of this name instead of what the client sent, and of what the service's own rules would put; NULL: none.  Both are
 * copied.  Fails: LUN_BAD_ARGUMENT (no header that may be set), LUN_FULL (more than 16, or 4 kB of text). */
LUN_API int lun_request_set(struct lun_request *request, const char *name, const char *value);

/* Puts this path, with a query if it has one, in the place of the client's and of what the service's own rules would make of it;
 * http://HOST in front of it stays.  It is copied.  Fails: LUN_BAD_ARGUMENT (no slash at its beginning, or a byte that no target has),
 * LUN_FULL (4 kB of text, headers included). */
LUN_API int lun_request_set_target(struct lun_request *request, const char *target);

/* A packet of a flow, as a hook sees it: as it came, before it is translated or edited.  Valid during the call. */
struct lun_seen_packet {
	struct lun_tuple tuple;     /* what it carries */
	struct lun_tuple orig;      /* of its flow */
	const char *service, *port; /* by which the flow was decided, while the policy has them; or NULL */
	enum lun_direction direction;
	enum lun_state state;   /* of the flow, with this packet */
	const uint8_t *data;    /* the IP header */
	uint32_t length;        /* of the packet, or of what a capture left of it */
	const uint8_t *payload; /* of TCP, UDP or an ICMP query; NULL: none is there */
	uint32_t payload_length;
	uint8_t tcp_flags; /* as in the header: FIN 1, SYN 2, RST 4, PSH 8, ACK 16 */
	uint64_t now;      /* the engine's clock, which goes by the millisecond */
};

struct lun_flow;

/* The only calls out of the engine.  A hook that returns negative failed: `on_error` decides, `policy_error` is counted. */
struct lun_hooks {
	/* A new flow, before the service map.  `decision` comes zeroed (LUN_ACTION_MAP). */
	int (*flow)(void *user, const struct lun_new_flow *flow, struct lun_decision *decision);
	/* The head of each request to a service whose requests are edited.  It is asked again when the client sends the head again,
	 * and must then set the same.  If it fails, nothing of what it set counts: of `on_error`, MAP leaves it to the service's own
	 * rules, ACCEPT lets the head go as it came, and DROP refuses it, which ends the connection. */
	int (*request)(void *user, struct lun_request *request);
	/* Each packet of a flow, also the first; an engine that commits does not ask.  MAP or ACCEPT lets it go its way, DROP drops
	 * it, and any other answer is a failure, of which only the `on_error` DROP is felt. */
	int (*packet)(void *user, const struct lun_seen_packet *packet, struct lun_decision *decision);
	/* A flow ended, and is forgotten; if its id is 0: `flow` was asked about one with this `orig`, which was not opened.  The
	 * policy that the engine has then is told, not the one that decided.  A flow that ends with the engine is not told. */
	void (*close)(void *user, const struct lun_flow *flow, uint64_t now);
	/* What `flow` answered cannot be followed: a service that there is not, or the other address family. */
	void (*unfollowed)(void *user, const struct lun_decision *decision, const char *why);
	/* Time between batches, for what no packet is to wait for: `ns` of it at most, 0: none.  => whether there is something to do.
	 * Called by lun_engine_tick, lun_engine_deadline, and in front of each batch. */
	bool (*between)(void *user, uint64_t ns);
	/* The last reference of the policy went; free `user`. */
	void (*free)(void *user);
	void *user;
};

struct lun_policy_config {
	size_t size;
	struct lun_node node;
	const struct lun_service *services;
	size_t service_count;
	struct lun_hooks hooks;             /* all NULL: the map alone */
	const struct lun_timeout *timeouts; /* of all flows, also of those to no service */
	size_t timeout_count;
	uint32_t source_limit;              /* most flows of one source address; 0: none */
	uint32_t half_open_limit;           /* most half-open TCP flows; 0: none */
	bool limits_drop;                   /* a flow over a limit is dropped, not rejected */
	const struct lun_prefix *intercept; /* which destinations `hooks.flow` sees besides services; ::/0 is all */
	size_t intercept_count;
	uint64_t hash_seed; /* of Maglev and source hash */
	/* What becomes of a flow or request whose hook failed, or gave an answer that cannot be followed: MAP, ACCEPT or DROP. */
	enum lun_action on_error;
};

struct lun_policy;

/* Compiles services into an immutable map.  Everything is copied; the config may go afterwards.  `hooks.free` is called only
 * for a policy that was made.  Endpoints get flows of their own family only.  => holds one reference for the caller.  Fails:
 * LUN_NO_MEMORY; LUN_BAD_ARGUMENT: the size; LUN_BAD_POLICY: a service without a name or port, a name or an (address, port,
 * protocol) twice, weights that add up to too much, a header or PROXY version that cannot be, a timeout, a prefix or `on_error` out
 * of range; the text begins with
 * the `at` of the service. */
LUN_API int lun_policy_new(struct lun_policy **policy, const struct lun_policy_config *config, struct lun_error *error);
/* Makes a policy that is as `from`, but for the endpoints of the `changed` services: of these only name and endpoints are read.
 * What is the same is shared, the hooks too, so that it takes time by what changed: 1 ms or so among 10,000 services.  => holds one
 * reference for the caller.  Fails: LUN_NO_MEMORY; LUN_NOT_FOUND, no service of this name; LUN_BAD_POLICY, the weights. */
LUN_API int lun_policy_change(struct lun_policy **policy, struct lun_policy *from, const struct lun_service *changed,
			      size_t count, struct lun_error *error);
LUN_API void lun_policy_ref(struct lun_policy *policy);
LUN_API void lun_policy_unref(struct lun_policy *policy);

/* One address at which the policy serves; what a live embedder intercepts, and `lunette check` lists.  The strings live as
 * long as the policy. */
struct lun_frontend {
	struct lun_address address;
	uint16_t port;
	uint8_t protocol;
	enum lun_via via;
	const char *service; /* "default/nginx:http" */
	const char *at;      /* or NULL */
	uint32_t endpoint_count;
	bool http;           /* heads of its requests are edited, or read */
	bool http_responses; /* heads of its responses are edited */
	bool proxy_protocol; /* connections there begin with a PROXY header */
	bool timeouts;       /* it has timeouts of its own */
	bool echo;           /* pings to its address are answered */
};

/* The frontend number `index`, in order of the names of services; false past the last one. */
LUN_API bool lun_policy_frontend(const struct lun_policy *policy, size_t index, struct lun_frontend *frontend);

/* The same for endpoints, one that serves two ports twice: where replies come from. */
LUN_API bool lun_policy_endpoint(const struct lun_policy *policy, size_t index, struct lun_address *address, uint16_t *port);

/* A service with a health check port; `endpoints`: the ready ones on this node. */
struct lun_health_check {
	uint16_t port;
	const char *service; /* "default/nginx"; lives as long as the policy */
	uint32_t endpoints;
};

/* The same for health checks, in order of their ports.  To answer them is up to the embedder. */
LUN_API bool lun_policy_health_check(const struct lun_policy *policy, size_t index, struct lun_health_check *check);

/* The same for destinations besides frontends of which the policy wants to see new flows: the node's service ranges, and what
 * `intercept` holds. */
LUN_API bool lun_policy_range(const struct lun_policy *policy, size_t index, struct lun_prefix *prefix);

/* The same for the node's own addresses, in their order. */
LUN_API bool lun_policy_address(const struct lun_policy *policy, size_t index, struct lun_address *address);

/* Whether it has a hook for each packet; false for NULL. */
LUN_API bool lun_policy_sees_packets(const struct lun_policy *policy);

/* ---- Engine ---------------------------------------------------------------------------------------------------------- */

struct lun_engine;

struct lun_config {
	size_t size;
	uint64_t seed[2];   /* of the hash and of random choices; the same seed and packets give the same result */
	uint32_t flows;     /* most flows at once; 65,536 */
	uint32_t edits;     /* most flows whose stream is edited at once; flows / 16 */
	uint32_t events;    /* most undrained events; 1,024 */
	uint32_t emit_size; /* bytes in which emitted packets wait to be drained; 1 MiB */
	bool commit;        /* the kernel translates: openings become COMMIT events, packets are not rewritten */
	bool no_pick_up;    /* a TCP flow may begin only with a SYN */
	bool verify;        /* check checksums; a wrong one is `bad_checksum`.  Those of the packets whose heads are read and
			     * edited are checked at any time, and packets with a wrong one dropped */
	uint32_t
		fragment_size; /* bytes in which fragments wait for the rest of their datagram; 1 MiB.  One source has at most
				 * a quarter, and 16 of the 64 datagrams that may wait: its next one takes its oldest's place */
	bool liberal;          /* TCP windows are followed, but nothing is refused for them */
	bool drop_invalid;     /* drop what is invalid instead of leaving it alone */
	/* Which source a flow that is masqueraded on its way to `endpoint` gets, where the policy names no address: the one of
	 * this host's route to it.  False: there is none, the flow is refused.  NULL: the node's primary address. */
	bool (*source)(void *user, const struct lun_address *endpoint, struct lun_address *source);
	void *user;
	uint32_t affinities;      /* clients whose endpoint is remembered, where a service wants that; `flows` */
	uint32_t endpoint_counts; /* endpoints that lun_engine_endpoint tells of, at 56 bytes each; 0: none */
	bool captured; /* packets are those of a capture, which on the sending host shows checksums that are not computed yet: in
			* packets that are edited, zero or the pseudo header's sum alone will do */
};

/* Takes all memory that the engine will ever use for packets: about 200 bytes a flow.  `policy` may be NULL (track only); the
 * engine takes a reference of its own.  Fails: LUN_NO_MEMORY, LUN_BAD_ARGUMENT (the size, more than 2^27 flows or affinities, 2^20 endpoint_counts, less room for
 * packets than 64 KiB or more than 1 GiB), and as lun_engine_set_policy. */
LUN_API int lun_engine_new(struct lun_engine **engine, const struct lun_config *config, struct lun_policy *policy,
			   struct lun_error *error);
LUN_API void lun_engine_free(struct lun_engine *engine);

/* New flows see the new policy from the next packet on; old flows keep what was decided for them, but UDP flows to endpoints that
 * their service has no more: those end, some at once and the others as lun_engine_tick is called.  What changes over time
 * (round robin positions, connection counts) is kept under the names of service and port.  Fails, and keeps the old policy:
 * LUN_NO_MEMORY; LUN_FULL, if its services have more than 255 different sets of timeouts, together with those of the policy
 * before it and of flows that live. */
LUN_API int lun_engine_set_policy(struct lun_engine *engine, struct lun_policy *policy);

/* ---- Packets --------------------------------------------------------------------------------------------------------- */

/* X(name), in the order of the enum:
 *   accept  send `length` bytes at `data`: they may have been rewritten in place
 *   drop    silently
 *   reject  drop; the answer to the client is an EMIT event or, when committing, yours (the kernel's `reject`)
 *   stolen  drop the original: the engine keeps a copy and emits what is to be sent
 *   query   committing only: the opening of a known flow with a new sequence number, or any UDP packet of a known flow.  If
 *           the COMMIT of that flow came out of the same array, the packet goes the way of that one.  Else ask the kernel for
 *           its entry: if that is closed or gone, report LUN_EVENT_ENDED and hand the packet in again; if it lives, accept */
#define LUN_VERDICTS(X) X(accept) X(drop) X(reject) X(stolen) X(query)
enum lun_verdict { LUN_ACCEPT, LUN_DROP, LUN_REJECT, LUN_STOLEN, LUN_QUERY };
LUN_API const char *lun_verdict_name(enum lun_verdict verdict);

/* What the kernel's `ct state` would say of this packet; JSON has the names in lower case. */
#define LUN_CTS(X) X(new) X(established) X(related) X(invalid) X(untracked)
enum lun_ct { LUN_CT_NEW, LUN_CT_ESTABLISHED, LUN_CT_RELATED, LUN_CT_INVALID, LUN_CT_UNTRACKED };
LUN_API const char *lun_ct_name(enum lun_ct ct);

/* One endpoint that the flow could have got. */
struct lun_candidate {
	struct lun_address address;
	uint16_t port;
	double probability;
};

enum { LUN_TRACE_STEPS = 24, LUN_TRACE_TEXT = 200, LUN_NAME_SIZE = 256 };

struct lun_trace_step {
	const char *stage;         /* "parse", "flow", "service", "balance", ...: static */
	char text[LUN_TRACE_TEXT]; /* outcome and values */
	char at[LUN_NAME_SIZE];    /* "kind.lua:12", or "" */
};

/* A sink: a packet that points to one gets its way explained in it.  The caller's memory; zero it but for the candidates. */
struct lun_trace {
	struct lun_candidate *candidates; /* room for the endpoints that were possible */
	uint32_t candidate_capacity;
	uint32_t candidate_count; /* of all that were possible: may be more than the capacity */
	uint32_t step_count;
	struct lun_trace_step steps[LUN_TRACE_STEPS];
	char service[LUN_NAME_SIZE]; /* "default/nginx:http", or "" */
	enum lun_via via;
	bool translated; /* the destination is, by DNAT */
	bool masquerade;
	char masquerade_why[LUN_TRACE_TEXT];
	char reason[LUN_TRACE_TEXT]; /* more than the reason's sentence: the script's own words, numbers */
};

struct lun_packet {
	/* in */
	uint8_t *data;        /* the IP header; owned by the caller, rewritten in place */
	uint32_t length;      /* bytes at `data`; out: bytes to send */
	uint32_t capacity;    /* bytes that may be written at `data`, at least `length` */
	uint32_t wire_length; /* bytes that the packet had, if a capture cut it; 0: `length` */
	uint16_t tenant;      /* conntrack zone */
	bool unfinished; /* its transport checksum is to be computed by whoever sends it, as on a host with offloading; where
			  * the packet is changed, it is computed here */
	bool carried; /* committing: of an edited flow that the kernel has, before it is translated or its numbers are; see
		       * `edited` and `watched` of struct lun_event for those that must come, whole */
	bool answers; /* `carried`, and from the upstream */
	struct lun_trace *trace; /* normally NULL */
	/* out */
	enum lun_verdict verdict;
	enum lun_reason reason;
	enum lun_ct ct;
	enum lun_direction direction;
	enum lun_state state; /* of the flow, after this packet */
	bool changed;         /* the bytes at `data` are not what they were */
	uint64_t flow;        /* id of the flow, 0 without one */
	struct lun_tuple was; /* what the packet carried; protocol 0 if it could not be read */
	struct lun_tuple is;  /* what it carries now */
};

/* Runs each packet of the array down the path, in order; a second packet of a flow sees what the first did.  Any count; 32 or
 * so hide the cost of memory best.  Every byte is treated as hostile.  `now` must not be less than at the call before. */
LUN_API void lun_engine_packets(struct lun_engine *engine, struct lun_packet *packets, size_t count, uint64_t now);

/* Ends flows whose time is over, at most a bounded number a call (each lun_engine_packets does the same first).  Returns when
 * it wants to be called next, or UINT64_MAX; the same as lun_engine_deadline. */
LUN_API uint64_t lun_engine_tick(struct lun_engine *engine, uint64_t now);
LUN_API uint64_t lun_engine_deadline(const struct lun_engine *engine);

/* ---- Events ---------------------------------------------------------------------------------------------------------- */

enum lun_event_kind {
	/* From the engine to you. */
	LUN_EVENT_EMIT,   /* send `data`, `length` bytes, toward `side` */
	LUN_EVENT_COMMIT, /* give `flow` to the kernel, then accept packet `packet` of the array; answer CONFIRMED or FAILED */
	LUN_EVENT_SHIFT, /* have the kernel add to the client's sequence numbers as `shift` says, and send here what `edited` and
			  * `watched` say, before anything else is done about packet `packet` */
	LUN_EVENT_REFUSED, /* a request or a response of `flow` is refused, for `reason`; once a connection */
	LUN_EVENT_ENDED, /* the engine forgot `flow`; `withdrawn`: delete it in the kernel.  Also from you: the kernel did */
	/* Some ENDED events found no room in the ring and are lost; flows that are to be withdrawn wait for room instead.  Comes
	 * once all others are drained: whoever keeps something for each flow finds out by lun_flow_next which are left. */
	LUN_EVENT_RESYNC,
	/* From you to the engine.  `flow`, or if that is 0 the flow with the tuple `orig`. */
	LUN_EVENT_CONFIRMED, /* the kernel has it; `reply` is the real tuple, by which the flow is re-keyed */
	LUN_EVENT_STATE,     /* the kernel says that it is in `state` now, for `timeout` more ns */
	LUN_EVENT_FAILED,    /* the kernel would not take it, for `error` (an errno): the flow is forgotten */
};

enum lun_side { LUN_SIDE_CLIENT, LUN_SIDE_UPSTREAM };

/* The kernel's CTA_SEQ_ADJ_ORIG: what it adds to a sequence number behind `position`, and to all others. */
struct lun_shift {
	uint32_t position, before, after; /* the latter two modulo 2^32 */
};

/* In COMMIT, `reply` is what the kernel's entry is to have: its source is the endpoint; its destination is the masquerade
 * address if `masquerade`, unspecified if the policy named none.  With `masquerade` the port is the kernel's to choose. */
struct lun_event {
	enum lun_event_kind kind;
	uint64_t flow; /* EMIT: 0 if the packet belongs to none */
	struct lun_tuple orig, reply;
	enum lun_state state;
	uint64_t timeout;              /* STATE */
	uint64_t packets[2], bytes[2]; /* STATE, by direction: what the kernel counted; zero: it does not count */
	int error;                     /* FAILED */
	size_t packet;                 /* COMMIT, SHIFT, EMIT: index into the array of the call that caused it */
	bool translate;                /* COMMIT: false: accepted as it is, no DNAT */
	bool masquerade;               /* COMMIT */
	bool edited;                   /* COMMIT, SHIFT: the client's packets with payload are to come here, `carried` */
	bool watched;                  /* COMMIT, SHIFT: all packets of both directions are, but for those with a SYN */
	struct lun_shift shift;        /* SHIFT */
	bool withdrawn;                /* ENDED: its endpoint is gone from the policy */
	enum lun_reason reason;        /* REFUSED */
	const char *text;              /* REFUSED: the same in words that say more; static */
	uint64_t offset; /* REFUSED: of the byte or line that is wrong, from the beginning of what its sender sent */
	unsigned status; /* REFUSED: of the response that the client gets; 0: a RST */
	enum lun_side side;
	const uint8_t *data; /* EMIT: valid until the next call of lun_engine_next_event or lun_engine_packets */
	uint32_t length;
};

/* Takes the oldest event out of the ring; false if there is none.  ENDED events are for an engine that commits. */
LUN_API bool lun_engine_next_event(struct lun_engine *engine, struct lun_event *event);

/* Reports what became of a flow.  Fails: LUN_NOT_FOUND, LUN_EXISTS (CONFIRMED with a reply tuple that another flow has: the
 * older one is ended), LUN_BAD_ARGUMENT (a kind that only the engine sends; a reply tuple that cannot be this
 * flow's). */
LUN_API int lun_engine_event(struct lun_engine *engine, const struct lun_event *event, uint64_t now);

/* ---- Flows ----------------------------------------------------------------------------------------------------------- */

enum lun_owner { LUN_OWNER_ENGINE, LUN_OWNER_PENDING, LUN_OWNER_KERNEL, LUN_OWNER_KERNEL_EDITED };

struct lun_flow {
	uint64_t id;
	struct lun_tuple orig, reply;
	enum lun_state state;
	enum lun_owner owner;
	uint64_t expires;              /* ns from the last packet or tick */
	uint64_t age;                  /* ns since its first packet */
	uint64_t packets[2], bytes[2]; /* by direction; bytes with the IP header */
	bool translated, masquerade;
	bool assured;        /* the kernel's IPS_ASSURED: has seen traffic both ways */
	const char *service; /* "default/nginx:http", by which it was decided, while the policy has it; or NULL */
};

/* Walks all flows: start with *cursor = 0; false at the end.  Flows may begin and end between two calls. */
LUN_API bool lun_flow_next(const struct lun_engine *engine, uint64_t *cursor, struct lun_flow *flow);

/* The flow that is seen with this tuple in either direction, or LUN_NOT_FOUND. */
LUN_API int lun_flow_find(const struct lun_engine *engine, const struct lun_tuple *tuple, struct lun_flow *flow);

/* Takes over a flow that the kernel carries already (a restart): `orig`, `reply`, `state`, `expires`, `translated` and
 * `masquerade` are read.  A UDP flow to an endpoint that its service has no more ends at once, with an event.  Fails:
 * LUN_EXISTS, LUN_FULL, LUN_BAD_ARGUMENT (tuples or a state that cannot be one flow's). */
LUN_API int lun_flow_import(struct lun_engine *engine, const struct lun_flow *flow, uint64_t now);

/* Forgets a flow at once.  Fails: LUN_NOT_FOUND. */
LUN_API int lun_flow_end(struct lun_engine *engine, uint64_t id);

/* ---- HTTP without packets -------------------------------------------------------------------------------------------- */

/* What an upstream would get of the bytes that one client sends: the same scanner and the same edits as on the path. */
struct lun_http;

/* Bytes that go on.  Valid during the call. */
struct lun_http_piece {
	const uint8_t *data;
	size_t length;
	uint64_t offset;      /* of the client's bytes that these stand for, from the beginning of its stream */
	size_t taken;         /* how many those are */
	bool edited;          /* a head or trailer section that is not as the client sent it */
	uint64_t injected_at; /* of a head that got lines: where, in the client's stream; else 0 */
};

struct lun_http_config {
	size_t size;
	struct lun_policy *policy;
	const char *service; /* "namespace/name", or with ":port", its name or number; else the first TCP port is meant */
	struct lun_address source; /* the client's */
	uint16_t source_port;
	uint64_t seed[2]; /* of request ids */
	void (*write)(void *user, const struct lun_http_piece *piece);
	void *user;
	bool responses; /* the bytes are the upstream's, and what is written is what the client would get */
	bool to_head;   /* of responses: all are to HEAD, and have no body */
};

struct lun_http_status {
	bool refused; /* everything from here on is ignored */
	/* Why; also LUN_REASON_http_incomplete for bytes that wait: for the rest of a head, or behind a request for another protocol
	 * for the upstream's answer.  LUN_REASON_none: neither. */
	enum lun_reason reason;
	const char *text;  /* the same in words that say more; NULL for none */
	uint64_t offset;   /* of the byte or line that is wrong, or the first that waits */
	uint64_t requests; /* whose head went on; 0 of responses */
};

/* A client connects to a service.  Takes a reference of the policy.  Fails: LUN_NO_MEMORY; LUN_BAD_ARGUMENT: the size;
 * LUN_NOT_FOUND: no such service, or no TCP port of it. */
LUN_API int lun_http_new(struct lun_http **http, const struct lun_http_config *config, struct lun_error *error);
LUN_API void lun_http_free(struct lun_http *http);

/* The client sends bytes; what may go on is written.  What is written does not depend on how the bytes are cut into calls. */
LUN_API void lun_http_feed(struct lun_http *http, const void *bytes, size_t length);

/* From now on the upstream answers a request for another protocol with this status: 101, and what follows it is that protocol's;
 * any other, and it is requests.  Without this call it waits for the answer. */
LUN_API void lun_http_answer(struct lun_http *http, unsigned status);
LUN_API void lun_http_status(const struct lun_http *http, struct lun_http_status *status);

/* ---- Counters -------------------------------------------------------------------------------------------------------- */

/* What became of packets that would open a flow, in the end: one that the policy accepts may still be over a limit. */
#define LUN_DECIDED(X) X(TRANSLATE, "translate") X(ACCEPT, "accept") X(DROP, "drop") X(REJECT, "reject")
enum lun_decided {
#define LUN_DECIDED_VALUE(name, text) LUN_DECIDED_##name,
	LUN_DECIDED(LUN_DECIDED_VALUE) LUN_DECIDED_COUNT
#undef LUN_DECIDED_VALUE
};

struct lun_stats {
	uint64_t packets, bytes;
	uint64_t verdicts[LUN_QUERY + 1];   /* by enum lun_verdict */
	uint64_t reasons[LUN_REASON_COUNT]; /* by enum lun_reason */
	uint64_t flows_opened, flows_ended;
	uint64_t flows;      /* now */
	uint64_t flows_max;  /* the limit */
	uint64_t memory;     /* bytes that the engine holds */
	uint64_t flow_bytes; /* of these, for each flow of the limit: its record and its share of the index */
	uint64_t edits;      /* stream edits made */
	uint64_t half_open;  /* TCP flows that are, now */
	uint64_t fragments_given_up[LUN_REASON_COUNT]; /* that were held and never sent, by enum lun_reason */
	uint64_t echoes;                               /* pings that the engine answered */
	uint64_t retries;     /* SYNs that went to another endpoint, because theirs did not answer */
	uint64_t drained;     /* TCP flows that were ended, because their endpoint went or ends */
	uint64_t rests;       /* endpoints that began to rest */
	uint64_t events_lost; /* ENDED events, and answers to rejected packets, for which the ring had no room */
	uint64_t decisions[LUN_DECIDED_COUNT]; /* by enum lun_decided */
};

LUN_API void lun_engine_stats(const struct lun_engine *engine, struct lun_stats *stats);

/* One port of a service of the policy that is set. */
struct lun_port_stats {
	const char *service;                       /* "default/nginx:http"; lives as long as the policy */
	uint32_t flows;                            /* now */
	uint64_t ended_packets[2], ended_bytes[2]; /* of its flows that ended, by direction; bytes with the IP header */
};

/* The port number `index`, in order of the names of services; false past the last one. */
LUN_API bool lun_engine_port(const struct lun_engine *engine, size_t index, struct lun_port_stats *stats);

/* What translated flows to an endpoint had counted that ended. */
struct lun_endpoint_stats {
	struct lun_address address;
	uint16_t port;
	uint8_t protocol;
	uint64_t ended_packets[2], ended_bytes[2]; /* by direction; bytes with the IP header */
};

/* Walks those that are counted (config.endpoint_counts): start with *cursor = 0; false at the end, with what those had that gave up their
 * place for others, protocol 0.  An endpoint that did may come back and is counted from 0. */
LUN_API bool lun_engine_endpoint(const struct lun_engine *engine, uint64_t *cursor, struct lun_endpoint_stats *stats);

#ifdef __cplusplus
}
#endif

#endif
