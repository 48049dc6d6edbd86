/* header.c - names and values that cannot change where a message ends. */
#include "base/header.h"

#include <string.h>

/* A token of RFC 9110, 5.6.2. */
static bool is_token(const char *text)
{
	static const char others[] = "!#$%&'*+-.^_`|~";

	for (const char *at = text; *at; at++) {
		bool letter = (*at >= 'a' && *at <= 'z') || (*at >= 'A' && *at <= 'Z') || (*at >= '0' && *at <= '9');

		if (!letter && !strchr(others, *at))
			return false;
	}
	return *text != '\0';
}

/* A header's name, without case and whatever stands between its words. */
static bool is_name(const char *name, const char *lower)
{
	for (; *name && *lower; name++, lower++) {
		char byte = *name >= 'A' && *name <= 'Z' ? (char)(*name + 32) : *name;

		if (byte != *lower && !(byte == '_' && *lower == '-'))
			return false;
	}
	return *name == *lower;
}

static bool is_value(const char *text)
{
	for (; *text; text++)
		if (((uint8_t)*text < 0x20 && *text != '\t') || *text == 0x7f)
			return false;
	return true;
}

/* Whether the name that begins at `text` is that of a variable which needs no request. */
static bool is_of_connection(const char *text)
{
	static const char *const names[] = { "remote_addr", "remote_port", "server_addr", "server_port",
					     "scheme",      "service",     "endpoint" };
	size_t length = strspn(text, "abcdefghijklmnopqrstuvwxyz0123456789_");

	for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++)
		if (strlen(names[i]) == length && strncmp(names[i], text, length) == 0)
			return true;
	return length > 5 && strncmp(text, "http_", 5) == 0;
}

static const char *response_fault(const struct lun_header *header)
{
	if (header->kind != LUN_HEADER_SET && header->kind != LUN_HEADER_REMOVE)
		return "can only be set in responses, or removed";
	if (header->when)
		return "depends on a request, but is for responses";
	for (const char *at = header->value ? strchr(header->value, '$') : NULL; at; at = strchr(at, '$')) {
		at++;
		if (*at != '$' && !is_of_connection(at))
			return "has a variable that responses do not have";
		at += *at == '$';
	}
	return NULL;
}

const char *header_fault(const struct lun_header *header)
{
	static const char *const framing[] = { "content-length", "transfer-encoding", "connection", "upgrade" };

	if (!is_token(header->name) || strlen(header->name) >= LUN_HEADER_NAME)
		return "is no token (RFC 9110, 5.6.2) of at most 127 bytes";
	for (size_t i = 0; i < sizeof(framing) / sizeof(framing[0]); i++)
		if (is_name(header->name, framing[i]))
			return "says where a message ends or what its connection becomes, and is its sender's to say";
	if (!header->response && is_name(header->name, "host") && header->kind != LUN_HEADER_SET)
		return "can only be set";
	if (header->kind != LUN_HEADER_REMOVE && (!header->value || !is_value(header->value)))
		return "has a value with a line end or another control character, or none";
	return header->response ? response_fault(header) : NULL;
}

bool target_is_valid(const char *text)
{
	if (*text != '/')
		return false;
	for (; *text; text++)
		if ((uint8_t)*text <= ' ' || (uint8_t)*text >= 0x7f || *text == '#')
			return false;
	return true;
}
