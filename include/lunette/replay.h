/* replay.h - captures, questions and packets of one's own through the engine (library lunette-replay).
 *
 * The engine runs on the capture's own clock, so a replay gives the same result each time.  Captures: pcap and pcapng;
 * Ethernet (with VLAN tags), Linux cooked v1 and v2, raw IP.  Link headers are kept, packets are rewritten. */
#ifndef LUNETTE_REPLAY_H
#define LUNETTE_REPLAY_H

#include <lunette/lunette.h>

#ifdef __cplusplus
extern "C" {
#endif

/* ---- Filters, and packets before and after --------------------------------------------------------------------------- */

/* An expression of libpcap's filter language (pcap-filter(7)) over IP packets. */
struct lun_filter;

/* Fails: LUN_BAD_ARGUMENT (the text says what is wrong), LUN_NO_MEMORY. */
LUN_API int lun_filter_new(struct lun_filter **filter, const char *text, struct lun_error *error);
LUN_API void lun_filter_free(struct lun_filter *filter); /* NULL is fine */

/* Does the packet, of which `length` bytes are there, fit?  `wire_length` as in struct lun_packet.  NULL holds everything. */
LUN_API bool lun_filter_holds(const struct lun_filter *filter, const uint8_t *data, uint32_t length, uint32_t wire_length);

/* A filter of flows: an expression as above, over the packet that opens a flow as its client sends it (of TCP: a SYN), in which these
 * may stand, too, wherever "tcp" might:
 *
 *	state NAME		ESTABLISHED, STREAM, ...
 *	service NAME		"namespace/name", or with ":port", its name or number
 *	endpoint PLACE		who serves it: a prefix, an address, or one with a port, as in "[fd00::1]:80"
 *	age SECONDS		at least so old
 *	source PLACE, destination PLACE, protocol NAME		as the client sends it
 *
 * "tcp dst port 80 and (state ESTABLISHED or age 60) and not service default/dns". */
struct lun_flow_filter;

/* Fails: LUN_BAD_ARGUMENT (the text says what is wrong; more than 12 of these terms), LUN_NO_MEMORY. */
LUN_API int lun_flow_filter_new(struct lun_flow_filter **filter, const char *text, struct lun_error *error);
LUN_API void lun_flow_filter_free(struct lun_flow_filter *filter);                                     /* NULL is fine */
LUN_API bool lun_flow_filter_holds(const struct lun_flow_filter *filter, const struct lun_flow *flow); /* NULL holds all */

/* A pcapng file of packets as they came, on an interface "in", each with what was decided of it as its comment, and as they left, on
 * an interface "out". */
struct lun_recorder;

enum { LUN_RECORDER_PACKETS = 64 /* most of a batch */ };

struct lun_recorder_config {
	size_t size;
	const char *path;   /* of the file; must live as long as the recorder */
	const char *filter; /* which packets: those that fit as they came, or as they left; NULL: all */
	uint64_t limit;     /* bytes of the file; 0: 100 MiB */
};

/* Makes the file.  Fails: as lun_filter_new, and LUN_SYSTEM, LUN_FULL (a limit without room for anything). */
LUN_API int lun_recorder_open(struct lun_recorder **recorder, const struct lun_recorder_config *config,
			      struct lun_error *error);

/* Before the engine gets a batch: its packet number `index`, whose bytes are kept. */
LUN_API void lun_recorder_before(struct lun_recorder *recorder, size_t index, const struct lun_packet *packet);

/* After: what became of it, and `time`, ns since 1970; what is written is in the file.  Fails once, and from then on nothing is
 * written: LUN_FULL, LUN_SYSTEM. */
LUN_API int lun_recorder_after(struct lun_recorder *recorder, size_t index, const struct lun_packet *packet,
			       const struct lun_engine *engine, uint64_t time, struct lun_error *error);

/* The same for a packet of the engine's own. */
LUN_API int lun_recorder_emitted(struct lun_recorder *recorder, const uint8_t *data, uint32_t length, uint64_t time,
				 struct lun_error *error);
LUN_API void lun_recorder_close(struct lun_recorder *recorder); /* NULL is fine */

/* ---- Captures -------------------------------------------------------------------------------------------------------- */

/* One frame of the capture, after the engine saw it; by then the engine may have seen more of the same batch.  Valid during the
 * call. */
struct lun_replay_frame {
	uint64_t number;                 /* from 1, as other tools count */
	uint64_t time;                   /* ns since 1970, as the capture has it */
	const struct lun_packet *packet; /* NULL if the frame held no IP packet */
	/* It went on its way: accepted, or stolen and what was emitted in its stead went the way that it was going.  A stolen
	 * packet whose bytes are emitted later, after another one, did not. */
	bool left;
	/* The IP packet as it was captured; NULL unless options.before, or if the frame held none. */
	const uint8_t *before;
	uint32_t before_length;
};

typedef void lun_replay_frame_fn(void *user, const struct lun_replay_frame *frame);

/* A packet of the engine's own.  Valid during the call. */
struct lun_replay_emission {
	const uint8_t *data; /* the IP packet */
	uint32_t length;
	bool onward; /* it goes the way of the packet that caused it; else back to who sent that */
};

/* Called for each, before the call of on_frame for the frame that caused it. */
typedef void lun_replay_emission_fn(void *user, const struct lun_replay_emission *emission);

/* How far a replay is. */
struct lun_replay_progress {
	uint64_t read, size; /* bytes of the file; 0 and 0 if it is no regular file */
	uint64_t frames;
	uint64_t elapsed; /* ns, real time */
};

typedef void lun_replay_progress_fn(void *user, const struct lun_replay_progress *progress);

struct lun_replay_options {
	size_t size;
	const char *out;                     /* capture to write, as the packets left; "-": standard output; NULL: none */
	lun_replay_frame_fn *on_frame;       /* called in order; NULL: none */
	void *user;                          /* of all functions */
	lun_replay_progress_fn *on_progress; /* called at most ten times a second; NULL: none */
	/* Most packets of one call of the engine, up to 32; 0: 32.  Fewer for an engine with room for fewer events; 1 if on_frame
	 * asks the engine how it stands after just this packet. */
	uint32_t batch;
	struct lun_recorder *recorder;       /* packets before and after, beside `out`; NULL: none */
	struct lun_error *recorder_error;    /* filled where it fails, which does not end the replay; code 0: it did not */
	lun_replay_emission_fn *on_emission; /* NULL: none */
	bool before;                         /* frames come with their packets as they were captured, which costs a copy */
};

struct lun_replay_summary {
	uint64_t frames;     /* in the capture */
	uint64_t not_ip;     /* of these, without an IP packet (ARP, ...): copied, not shown to the engine */
	uint64_t emitted;    /* packets of the engine's own */
	uint64_t written;    /* frames in the output */
	uint64_t capture_ns; /* first to last timestamp */
	uint64_t end_ns;     /* the engine's time at the last */
	uint64_t engine_ns;  /* real time inside the engine, with the caches as reading left them: no benchmark */
	bool cut;            /* the file ends in the middle of a packet, or goes on with nonsense; what came before counts */
	char cut_text[300];  /* "after frame 12: ..." */
};

/* Replays the file `in` ("-": standard input) through `engine`, which must be fresh and not one that commits, and should be
 * told by `captured` of its config if it edits requests.  Where timestamps go back, time stands still.  Packets of one
 * millisecond of the engine's clock run in one call, which gives each what it would get in a call of its own, if the
 * engine's ring has room for an event per packet of a batch.  Frames keep their link header, timestamp and padding; what
 * was dropped, rejected or stolen is not written, what is not IP is copied.  Events are drained: EMIT goes to the output
 * behind the packet that caused it, with its link header, turned round if it goes the other way.  Memory does not grow with
 * the capture.
 *
 * `options` and `summary` may be NULL.  Fails: LUN_BAD_FILE (not a capture, or a link type that is not supported; the text
 * names the file), LUN_BAD_ARGUMENT (the output is the input, the size), LUN_SYSTEM (the output cannot be written),
 * LUN_NO_MEMORY. */
LUN_API int lun_replay_run(struct lun_engine *engine, const char *in, const struct lun_replay_options *options,
			   struct lun_replay_summary *summary, struct lun_error *error);

/* A capture held in memory, to be run many times. */
struct lun_capture;

/* Reads the IP packets of a capture.  Fails: as lun_replay_run, and LUN_BAD_FILE for a capture that is cut. */
LUN_API int lun_capture_load(struct lun_capture **capture, const char *in, struct lun_error *error);
LUN_API void lun_capture_free(struct lun_capture *capture);
LUN_API size_t lun_capture_count(const struct lun_capture *capture); /* packets */

/* What a benchmark of a scenario found.  Times are thread CPU time. */
struct lun_replay_bench {
	uint64_t runs;
	uint64_t packets, flows_opened;      /* of all runs */
	double packet_ns;                    /* median over the runs */
	double packet_min_ns, packet_max_ns; /* of the fastest and the slowest run */
	uint64_t verdicts[LUN_QUERY + 1];
};

/* Runs a loaded capture `runs` times, each in a fresh engine of `config` and `policy` (NULL: track only), in batches of 32 at
 * the time of the batch's first packet.  Making the engine and copying packets back between runs are not counted; draining
 * events is.  Fails: as lun_engine_new, and LUN_BAD_ARGUMENT for no runs. */
LUN_API int lun_replay_bench(const struct lun_capture *capture, const struct lun_config *config, struct lun_policy *policy,
			     uint64_t runs, struct lun_replay_bench *result, struct lun_error *error);

/* What a packet holds besides its tuple. */
struct lun_packet_fields {
	uint8_t tcp_flags; /* as in the header: FIN 1, SYN 2, RST 4, PSH 8, ACK 16 */
	uint16_t window;
	uint32_t sequence, acknowledgement;
	const uint8_t *payload; /* of TCP, UDP or an ICMP query */
	uint32_t payload_length;
};

/* Builds an IP packet with right checksums at packet->data, `capacity` bytes, and sets `length`.  TCP, UDP, or an ICMP query, whose
 * tuple is as struct lun_tuple says.  Fails: LUN_FULL; LUN_BAD_ARGUMENT (addresses of two families, another protocol). */
LUN_API int lun_packet_build(struct lun_packet *packet, const struct lun_tuple *tuple,
			     const struct lun_packet_fields *fields);

/* Reads an IP packet.  The payload points into `data`.  Fails: LUN_BAD_ARGUMENT (bytes that cannot be read; a fragment; an ICMP
 * error, of which only `tuple` is told: its own addresses). */
LUN_API int lun_packet_read(const uint8_t *data, uint32_t length, struct lun_tuple *tuple, struct lun_packet_fields *fields);

/* ---- Packets as lines ------------------------------------------------------------------------------------------------- */

/* Builds the packet of a line, for tests:
 *
 *	[+DURATION] [tenant N] PROTOCOL SOURCE DESTINATION [FLAGS] [seq N] [ack N] [win N] [scale N] [sackok] [sack FROM-TO]
 *		[tag N] [chunk NAME[:TAG]] [bad-checksum] [len N | text "..."]
 *	[+DURATION] [tenant N] error TYPE/CODE FROM: an ICMP error from that address about `left`, the packet that left last
 *
 * such as "+1.5s tcp 10.1.1.1:40000 10.96.0.1:80 S seq 1000".  FLAGS as tcpdump has them: S, S., ., F., R, P.; an ICMP query has its
 * id as port of the source and its type as that of the destination.  The packet goes to packet->data, `capacity` bytes; `length` and
 * `tenant` are set, and `wait` to the duration in ns.  `left` may be NULL.  Fails: LUN_BAD_ARGUMENT, and the text says what was
 * expected; LUN_FULL. */
LUN_API int lun_packet_from_line(struct lun_packet *packet, const char *line, const struct lun_packet *left, uint64_t *wait,
				 struct lun_error *error);

#define LUN_LINE_TEXT 192 /* bytes that always suffice for the text with its NUL */
#define LUN_OUTCOME_TEXT 256

/* Each writes NUL-terminated text into `text` and returns it.  The line of a packet, without window, options and payload; and what
 * became of one: VERDICT CT STATE [-> PROTOCOL SOURCE DESTINATION] [(REASON)], the tuple only where it changed. */
LUN_API char *lun_packet_to_line(const struct lun_packet *packet, char text[LUN_LINE_TEXT]);
LUN_API char *lun_packet_outcome(const struct lun_packet *packet, char text[LUN_OUTCOME_TEXT]);

/* What the trace of a packet says, when the engine is done with it, as a line of JSON (README.md, "Commands"; without the end of the
 * line); `query` is what it was asked about.  => malloc'ed; NULL: no memory. */
LUN_API char *lun_trace_json(const struct lun_packet *packet, const char *query);

/* Builds the packet of a question: "tcp 203.0.113.2:40000 172.30.0.41:80" (tcp: a SYN; udp: four bytes of payload; sctp: an INIT;
 * IPv6 in brackets).  Bytes go to `data`, `packet` is made to point there.  Fails: LUN_BAD_ARGUMENT, the text says what was expected,
 * LUN_FULL (`capacity`; 128 suffices). */
LUN_API int lun_replay_query(const char *query, uint8_t *data, size_t capacity, struct lun_packet *packet,
			     struct lun_error *error);

#ifdef __cplusplus
}
#endif

#endif
