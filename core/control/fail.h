/* fail.h - a failed operation: the code, and a line for a person. */
#ifndef LUNETTE_CONTROL_FAIL_H
#define LUNETTE_CONTROL_FAIL_H

#include <lunette/lunette.h>

/* Fills *error, unless it is NULL, and returns `code`. */
int control_fail(struct lun_error *error, int code, const char *format, ...) __attribute__((format(printf, 3, 4)));

#endif
