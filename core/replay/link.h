/* link.h - where the IP packet begins in a frame, for each link type that a capture may have. */
#ifndef LUNETTE_REPLAY_LINK_H
#define LUNETTE_REPLAY_LINK_H

#include <stdbool.h>
#include <stdint.h>

enum { LINK_HEADER_MAX = 32 }; /* no header below is longer */

/* Whether frames of this libpcap link type (DLT_...) can be read. */
bool link_is_supported(int type);

/* The size of the link header of a frame that holds an IP packet; -1 if it holds none, or is too short to say. */
int link_header_size(int type, const uint8_t *frame, uint32_t size);

/* Turns a header (of a frame that holds an IP packet) round: as an answer would carry it. */
void link_turn(int type, uint8_t *header);

#endif
