/* progress.h - a bar on the terminal while a large capture is replayed. */
#ifndef LUNETTE_CLI_PROGRESS_H
#define LUNETTE_CLI_PROGRESS_H

#include <lunette/replay.h>
#include <stdio.h>

struct progress {
	bool wanted;
	int drawn; /* columns that the bar takes now */
};

/* The bar goes to stderr, if that is a terminal and nothing else is written to one meanwhile: `lines`, if not NULL, is a stream
 * that will be. */
void progress_init(struct progress *progress, FILE *lines);

/* Draws the bar, if the file is large enough. */
void progress_draw(struct progress *progress, const struct lun_replay_progress *at);

/* Takes the bar off the terminal; to be called before anything else is written. */
void progress_clear(struct progress *progress);

#endif
