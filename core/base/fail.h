/* fail.h - how an operation says why it failed. */
#ifndef LUNETTE_BASE_FAIL_H
#define LUNETTE_BASE_FAIL_H

#include <lunette/lunette.h>

/* Fills `error` (which may be NULL) and returns `code`, so that `return fail(error, LUN_..., ...)` is all that is needed. */
int fail(struct lun_error *error, int code, const char *format, ...) __attribute__((format(printf, 3, 4)));

#endif
