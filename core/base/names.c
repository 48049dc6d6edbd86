/* names.c - every enum of the public header as text: each list exists once, as an X-macro. */
#include "base/fail.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

int fail(struct lun_error *error, int code, const char *format, ...)
{
	va_list arguments;

	if (!error)
		return code;
	error->code = code;
	va_start(arguments, format);
	vsnprintf(error->text, sizeof(error->text), format, arguments);
	va_end(arguments);
	return code;
}

const char *lun_strerror(int code)
{
	switch (code) {
	case 0:
		return "success";
#define ERROR_CASE(name, value, sentence)                                                                                   \
	case value:                                                                                                         \
		return sentence;
		LUN_ERRORS(ERROR_CASE)
#undef ERROR_CASE
	default:
		return "unknown error";
	}
}

/* `names[value]`, or "unknown" for a value that no enumerator has. */
static const char *name_at(const char *const *names, size_t count, size_t value)
{
	return value < count ? names[value] : "unknown";
}

#define FIRST_AS_TEXT(name, ...) #name,
#define SECOND(name, sentence) sentence,

#define DEFINE_NAMES(function, type, list, column)                                                                          \
	const char *function(type value)                                                                                    \
	{                                                                                                                   \
		static const char *const names[] = { list(column) };                                                        \
		return name_at(names, sizeof(names) / sizeof(names[0]), (size_t)value);                                     \
	}

DEFINE_NAMES(lun_reason_name, enum lun_reason, LUN_REASONS, FIRST_AS_TEXT)
DEFINE_NAMES(lun_reason_text, enum lun_reason, LUN_REASONS, SECOND)
DEFINE_NAMES(lun_via_name, enum lun_via, LUN_VIAS, FIRST_AS_TEXT)
DEFINE_NAMES(lun_state_name, enum lun_state, LUN_STATES, SECOND)
DEFINE_NAMES(lun_verdict_name, enum lun_verdict, LUN_VERDICTS, FIRST_AS_TEXT)
DEFINE_NAMES(lun_ct_name, enum lun_ct, LUN_CTS, FIRST_AS_TEXT)

static const struct {
	uint8_t number;
	const char *name;
} protocols[] = {
	{ LUN_ICMP, "icmp" }, { LUN_TCP, "tcp" }, { LUN_UDP, "udp" }, { LUN_ICMPV6, "icmpv6" }, { LUN_SCTP, "sctp" }
};

const char *lun_protocol_name(uint8_t protocol)
{
	for (size_t i = 0; i < sizeof(protocols) / sizeof(protocols[0]); i++)
		if (protocols[i].number == protocol)
			return protocols[i].name;
	return NULL;
}

int lun_protocol_number(const char *name)
{
	for (size_t i = 0; i < sizeof(protocols) / sizeof(protocols[0]); i++)
		if (strcmp(protocols[i].name, name) == 0)
			return protocols[i].number;
	return LUN_NOT_FOUND;
}
