/* edits.c - what clients send on flows that the kernel carries and whose requests are edited.
 *
 *	receive -> the engine edits -> in one write, for each packet: what the kernel adds to numbers from now on, the verdict
 *
 * Packets come behind the kernel's conntrack and in front of its translation: with the client's addresses and numbers.  The kernel
 * translates all else of the flow, answers among it, which do not come here unless the flow is watched: while it gets a PROXY header,
 * which the upstream has to acknowledge, and while an answer decides what follows it.  What is sent by ourselves (sent.c) goes toward the upstream as
 * if the client had sent it, so that the kernel translates it; toward the client past conntrack, which would take it for one of another
 * connection. */
#include "live/edits.h"
#include "live/live.h"
#include "live/sent.h"

size_t edits_serve(struct lun_live *live, uint64_t now)
{
	struct batch batch;

	live->now = now;
	batch.count = queue_receive(&live->edits, batch.queued, batch.packets);
	for (size_t i = 0; i < batch.count; i++) {
		batch.packets[i].carried = true;
		batch.packets[i].answers = batch.queued[i].mark & live->rules.marks.reject;
		batch.bits[i] = 0; /* no rule of ours looks at the packet any more */
	}
	live->stats.edited += batch.count;
	if (batch.count) {
		live_show_before(live, batch.packets, batch.count);
		lun_engine_packets(live->engine, batch.packets, batch.count, now);
		live_show_after(live, batch.packets, batch.count);
		sent_answer(live, &live->edits, &batch);
		endings_proceed(live);
	}
	return batch.count;
}

static bool has_edits(const struct lun_policy *policy)
{
	struct lun_frontend frontend;

	for (size_t i = 0; lun_policy_frontend(policy, i, &frontend); i++)
		if (frontend.http || frontend.proxy_protocol)
			return true;
	return false;
}

int edits_prepare(struct lun_live *live, const struct lun_policy *policy, struct lun_error *error)
{
	static const char need[] = "requests that are refused, or whose edits outgrow the path, need";
	struct lun_error missing;
	int code = 0;

	if (!has_edits(policy))
		return 0;
	if (!live->inject.open)
		code = inject_open(&live->inject, error);
	if (code == 0 && sysctls_require(&live->sysctls, policy, need, live->set_sysctls, &missing) < 0)
		live_log(live, LUN_LOG_WARNING, "%s", missing.text);
	return code;
}
