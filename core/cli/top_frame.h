/* top_frame.h - what `lunette top` shows at one time: groups of connections, as the agent told them, and how they are laid out. */
#ifndef LUNETTE_CLI_TOP_FRAME_H
#define LUNETTE_CLI_TOP_FRAME_H

#include "cli/json.h"

#include <stdbool.h>
#include <stddef.h>

enum { TOP_ROWS = 101 /* that an agent tells, and one for all others */, TOP_NAME = 256 };

enum top_sort { TOP_FLOWS, TOP_OPENED, TOP_PACKETS, TOP_BYTES, TOP_SORTS };

struct top_row {
	char name[TOP_NAME]; /* of the group; printable; "-" for connections to no service */
	char more[TOP_NAME]; /* of an endpoint: its service; else "" */
	bool is_group;       /* not that, and not all others: one that can be looked into */
	double values[TOP_SORTS];
};

/* Zero it to begin with. */
struct top_frame {
	struct top_row rows[TOP_ROWS];
	size_t row_count;
	double interval_s; /* 0: nothing is known of rates */
	bool counts;       /* what connections carry is known */
	double groups, sums[TOP_SORTS];
};

/* How it is to look. */
struct top_look {
	const char *by;     /* "service", ...: what groups are */
	const char *filter; /* what is left of all, in words, or "" */
	enum top_sort sort;
	int rows, columns; /* of the screen; rows 0: all, as plain text */
	size_t selected;
	bool unicode;
};

/* Takes an object of the agent's answer. */
void top_frame_add(struct top_frame *frame, const cJSON *object);

/* Prints it; on a screen, from the upper left corner on, all of it. */
void top_frame_print(const struct top_frame *frame, const struct top_look *look);

/* How many rows of groups a screen of so many has room for. */
size_t top_frame_room(int rows);

#endif
