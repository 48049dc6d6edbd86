/* endings.c - flows that end before the kernel ends them: their endpoint is gone, or somebody wants them ended.
 *
 * Nothing is deleted by its tuple alone: that may be another connection's by now.  The entry is looked up, and goes if it is
 * ours and leads to the endpoint that is meant.  A client that goes on after that loses one packet: the next one is decided
 * anew, if it may open a flow; a TCP segment is answered with a reset by the fail-safe rule, and clients are got to send one
 * (prompt.c).  A segment of the endpoint's goes
 * untranslated to an address where nobody knows it, and gets its reset from there. */
#include "live/endings.h"
#include "live/live.h"

#include <string.h>

void endings_add(struct lun_live *live, const struct lun_tuple *orig, const struct lun_tuple *reply)
{
	struct endings *endings = &live->endings;

	if (endings->count == CONNTRACK_BATCH)
		endings_proceed(live);
	endings->waiting[endings->count].orig = *orig;
	endings->waiting[endings->count].endpoint = reply->source;
	endings->waiting[endings->count++].endpoint_port = reply->source_port;
}

void endings_proceed(struct lun_live *live)
{
	struct endings *endings = &live->endings;
	struct conntrack_question questions[CONNTRACK_BATCH];
	struct conntrack_entry entries[CONNTRACK_BATCH];
	size_t count = 0;

	for (size_t i = 0; i < endings->count; i++)
		questions[i].tuple = endings->waiting[i].orig;
	conntrack_get(&live->conntrack, questions, endings->count);
	for (size_t i = 0; i < endings->count; i++) {
		const struct conntrack_entry *entry = &questions[i].entry;

		if (questions[i].problem == 0 && conntrack_is_ours(entry) &&
		    memcmp(&entry->orig, &questions[i].tuple, sizeof(entry->orig)) == 0 &&
		    memcmp(&entry->reply.source, &endings->waiting[i].endpoint, sizeof(entry->reply.source)) == 0 &&
		    entry->reply.source_port == endings->waiting[i].endpoint_port)
			entries[count++] = *entry;
	}
	conntrack_delete(&live->conntrack, entries, count);
	for (size_t i = 0; i < count; i++)
		prompt_client(&live->prompt, &entries[i].orig);
	live->stats.ended += count;
	endings->count = 0;
}
