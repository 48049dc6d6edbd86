/* top.h - who has most: connections in groups, and what each group carried between one question and the next. */
#ifndef LUNETTE_CONTROL_TOP_H
#define LUNETTE_CONTROL_TOP_H

#include "control/request.h"

#include <lunette/live.h>
#include <stdio.h>

struct top;

/* One who will ask again and again; NULL: no memory. */
struct top *top_new(const struct lun_live *live);

/* A question, which must live until it is answered. */
void top_begin(struct top *top, const struct request *request);

/* Makes some more of the answer; true: that was all. */
bool top_step(struct top *top, FILE *out);

void top_free(struct top *top); /* NULL is fine */

#endif
