/* answer.h - the status of the first answer on a connection, read as its packets pass. */
#ifndef LUNETTE_HTTP_ANSWER_H
#define LUNETTE_HTTP_ANSWER_H

#include <stdbool.h>
#include <stdint.h>

/* Zero it. */
struct answer {
	uint16_t status; /* of the head that is being read */
	uint8_t at;      /* bytes of "HTTP/1.x NNN" that came */
	uint8_t ends;    /* of CR LF CR LF, behind that */
	bool known;      /* the status is final: none that announces another answer */
	bool odd;        /* this is no HTTP/1 */
};

/* Reads bytes of the upstream's, in order. */
void answer_read(struct answer *answer, const uint8_t *bytes, uint32_t length);

#endif
