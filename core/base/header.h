/* header.h - which headers may be put into requests and responses. */
#ifndef LUNETTE_BASE_HEADER_H
#define LUNETTE_BASE_HEADER_H

#include <lunette/lunette.h>

/* What is wrong with a rule, as the end of a sentence that begins with its name; NULL: nothing. */
const char *header_fault(const struct lun_header *header);

/* Whether a text is a path, and perhaps a query, that can stand in a request line. */
bool target_is_valid(const char *text);

#endif
