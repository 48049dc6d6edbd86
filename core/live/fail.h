/* fail.h - how an operation of this folder says why it failed. */
#ifndef LUNETTE_LIVE_FAIL_H
#define LUNETTE_LIVE_FAIL_H

#include <lunette/lunette.h>

/* Fills `error` (which may be NULL) and returns `code`. */
int live_fail(struct lun_error *error, int code, const char *format, ...) __attribute__((format(printf, 3, 4)));

#endif
