/* chunked.c - an automaton of one byte a step, but for data, which is counted. */
#include "http/chunked.h"

#include "http/head.h"

#include <string.h>

enum step { SIZE, EXTENSION, NAME, VALUE_START, VALUE, QUOTED, ESCAPED, UNQUOTED, LINE_LF, DATA, DATA_CR, DATA_LF, OVER };

enum { DIGITS = 16, SIZE_BITS = 60 };

static bool is_token_byte(uint8_t byte)
{
	return (byte >= 'a' && byte <= 'z') || (byte >= 'A' && byte <= 'Z') || (byte >= '0' && byte <= '9') ||
	       (byte && strchr("!#$%&'*+-.^_`|~", byte));
}

static bool bad(struct chunked *chunked, const char *wrong)
{
	chunked->wrong = wrong;
	return false;
}

static bool next(struct chunked *chunked, enum step step)
{
	chunked->step = (uint8_t)step;
	return true;
}

static int digit_value(uint8_t byte)
{
	if (byte >= '0' && byte <= '9')
		return byte - '0';
	byte |= 0x20;
	return byte >= 'a' && byte <= 'f' ? byte - 'a' + 10 : -1;
}

/* What may follow a size, a name or a value: the line's end, or one more extension. */
static bool line_goes_on(struct chunked *chunked, uint8_t byte)
{
	if (byte == '\r')
		return next(chunked, LINE_LF);
	if (byte == ';')
		return next(chunked, EXTENSION);
	return bad(chunked, "a chunk's line that is not SIZE[;NAME[=VALUE]]... and CRLF");
}

static bool take_size(struct chunked *chunked, uint8_t byte)
{
	int value = digit_value(byte);

	if (value < 0)
		return chunked->digits ? line_goes_on(chunked, byte) : bad(chunked, "a chunk without a size");
	if (++chunked->digits > DIGITS || chunked->left >> (SIZE_BITS - 4))
		return bad(chunked, "a chunk of 2^60 bytes or more");
	chunked->left = chunked->left << 4 | (uint64_t)value;
	return true;
}

static bool take_line_end(struct chunked *chunked, uint8_t byte)
{
	if (byte != '\n')
		return bad(chunked, "a CR without LF in a chunk's line");
	chunked->digits = 0;
	chunked->line = 0;
	return next(chunked, chunked->left ? DATA : OVER);
}

static bool take_quoted(struct chunked *chunked, uint8_t byte)
{
	if (byte != '\t' && (byte < 0x20 || byte == 0x7f))
		return bad(chunked, "a control character in a chunk's line, or quotes that were not closed");
	if (chunked->step == ESCAPED)
		return next(chunked, QUOTED);
	return next(chunked, byte == '"' ? UNQUOTED : byte == '\\' ? ESCAPED : QUOTED);
}

/* A name must begin behind ';', a value behind '='. */
static bool take_extension(struct chunked *chunked, uint8_t byte)
{
	enum step step = (enum step)chunked->step;

	if (is_token_byte(byte))
		return next(chunked, step == EXTENSION ? NAME : step == VALUE_START ? VALUE : step);
	if (step == NAME && byte == '=')
		return next(chunked, VALUE_START);
	if (step == VALUE_START && byte == '"')
		return next(chunked, QUOTED);
	if (step == EXTENSION || step == VALUE_START)
		return bad(chunked, "a chunk's extension without a name or value");
	return line_goes_on(chunked, byte);
}

static bool take(struct chunked *chunked, uint8_t byte)
{
	if (chunked->step < DATA && ++chunked->line > HEAD_LINE)
		return bad(chunked, "a chunk's line of more than 8 kB");
	switch ((enum step)chunked->step) {
	case SIZE:
		return take_size(chunked, byte);
	case EXTENSION:
	case NAME:
	case VALUE_START:
	case VALUE:
		return take_extension(chunked, byte);
	case QUOTED:
	case ESCAPED:
		return take_quoted(chunked, byte);
	case UNQUOTED:
		return line_goes_on(chunked, byte);
	case LINE_LF:
		return take_line_end(chunked, byte);
	case DATA_CR:
		return byte == '\r' ? next(chunked, DATA_LF) : bad(chunked, "a chunk's data that goes on behind its end");
	case DATA_LF:
		return byte == '\n' ? next(chunked, SIZE) : bad(chunked, "a chunk's data that goes on behind its end");
	case DATA:
	case OVER:
		break;
	}
	return false;
}

uint32_t chunked_scan(struct chunked *chunked, const uint8_t *bytes, uint32_t size)
{
	uint32_t at = 0;

	if (chunked->step == DATA) {
		at = chunked->left < size ? (uint32_t)chunked->left : size;
		chunked->left -= at;
		if (chunked->left == 0)
			chunked->step = DATA_CR;
		return at;
	}
	while (at < size && chunked->step != DATA && chunked->step != OVER && take(chunked, bytes[at]))
		at++;
	return at;
}

bool chunked_in_data(const struct chunked *chunked)
{
	return chunked->step == DATA;
}

bool chunked_is_over(const struct chunked *chunked)
{
	return chunked->step == OVER;
}
