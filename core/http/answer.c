/* answer.c - heads of 1xx are skipped (RFC 9110, 15.2), but for 101, which is the last of HTTP. */
#include "http/answer.h"

static void take_status(struct answer *answer, uint8_t byte)
{
	static const char line[] = "HTTP/1.? ###";
	char wanted = line[answer->at++];

	if (wanted != '?' && wanted != '#') {
		answer->odd |= byte != (uint8_t)wanted;
	} else if (byte < '0' || byte > '9') {
		answer->odd = true;
	} else if (wanted == '#') {
		answer->status = (uint16_t)(answer->status * 10 + (byte - '0'));
	}
}

/* The rest of a head that announces another. */
static void skip_head(struct answer *answer, uint8_t byte)
{
	bool carriage_return = answer->ends % 2 == 0;

	if (byte == (carriage_return ? '\r' : '\n'))
		answer->ends++;
	else
		answer->ends = byte == '\r';
	if (answer->ends == 4)
		*answer = (struct answer) { 0 };
}

void answer_read(struct answer *answer, const uint8_t *bytes, uint32_t length)
{
	enum { STATUS_LINE = sizeof("HTTP/1.? ###") - 1 };

	for (uint32_t i = 0; i < length && !answer->known && !answer->odd; i++) {
		if (answer->at < STATUS_LINE)
			take_status(answer, bytes[i]);
		else
			skip_head(answer, bytes[i]);
		answer->known =
			answer->at == STATUS_LINE && !answer->odd && (answer->status == 101 || answer->status >= 200);
	}
}
