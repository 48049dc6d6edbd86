/* greeting.h - the header of the PROXY protocol, which tells a server who the client is that it seems to be connected to (proxy-protocol.txt,
 * 2.1 and 2.2). */
#ifndef LUNETTE_HTTP_GREETING_H
#define LUNETTE_HTTP_GREETING_H

#include <lunette/lunette.h>

enum { GREETING_SIZE = 107 }; /* the longest, of version 1 and IPv6 */

/* Writes the header for the connection that a client opened, of version 1 or 2; returns its length. */
uint32_t greeting_write(uint8_t bytes[GREETING_SIZE], unsigned version, const struct lun_tuple *orig);

#endif
