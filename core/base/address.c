/* address.c - addresses, prefixes and tuples as text and back. */
#include "base/address.h"

#include <arpa/inet.h>
#include <ctype.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

bool lun_address_is_v4(const struct lun_address *address)
{
	return memcmp(address->bytes, address_v4_prefix, sizeof(address_v4_prefix)) == 0;
}

bool lun_address_is_zero(const struct lun_address *address)
{
	static const struct lun_address zero;

	return memcmp(address, &zero, sizeof(zero)) == 0;
}

/* A decimal number of one to `digits` digits, at most `limit`; moves *text behind it.  Leading zeros do not count as digits:
 * "010" is ten (services.md R34). */
static bool parse_number(const char **text, unsigned digits, unsigned limit, unsigned *number)
{
	const char *at = *text;
	unsigned value = 0, seen = 0;

	if (!isdigit((unsigned char)*at))
		return false;
	while (*at == '0' && isdigit((unsigned char)at[1]))
		at++;
	for (; isdigit((unsigned char)*at); at++) {
		value = value * 10 + (unsigned)(*at - '0');
		if (++seen > digits || value > limit)
			return false;
	}
	*text = at;
	*number = value;
	return true;
}

static int parse_v4(struct lun_address *address, const char *text)
{
	memcpy(address->bytes, address_v4_prefix, sizeof(address_v4_prefix));
	for (int i = 0; i < 4; i++) {
		unsigned part;

		if (i > 0 && *text++ != '.')
			return LUN_BAD_ARGUMENT;
		if (!parse_number(&text, 3, 255, &part))
			return LUN_BAD_ARGUMENT;
		address->bytes[12 + i] = (uint8_t)part;
	}
	return *text ? LUN_BAD_ARGUMENT : 0;
}

int lun_address_parse(struct lun_address *address, const char *text)
{
	if (strchr(text, ':'))
		return inet_pton(AF_INET6, text, address->bytes) == 1 ? 0 : LUN_BAD_ARGUMENT;
	return parse_v4(address, text);
}

static void prefix_clear_host_bits(struct lun_prefix *prefix)
{
	for (unsigned bit = prefix->length; bit < 128; bit++)
		prefix->address.bytes[bit / 8] &= (uint8_t) ~(0x80u >> (bit % 8));
}

int lun_prefix_parse(struct lun_prefix *prefix, const char *text)
{
	char copy[LUN_ADDRESS_TEXT + 16];
	unsigned length, full;
	size_t size;
	char *slash;

	while (isspace((unsigned char)*text))
		text++;
	size = strlen(text);
	while (size > 0 && isspace((unsigned char)text[size - 1]))
		size--;
	if (size >= sizeof(copy))
		return LUN_BAD_ARGUMENT;
	memcpy(copy, text, size);
	copy[size] = '\0';
	slash = strchr(copy, '/');
	if (slash)
		*slash = '\0';
	if (lun_address_parse(&prefix->address, copy) < 0)
		return LUN_BAD_ARGUMENT;
	full = lun_address_is_v4(&prefix->address) ? 32 : 128;
	length = full;
	if (slash) {
		const char *number = slash + 1;

		if (!parse_number(&number, 3, full, &length) || *number)
			return LUN_BAD_ARGUMENT;
	}
	prefix->length = (uint8_t)(128 - full + length);
	prefix_clear_host_bits(prefix);
	return 0;
}

int lun_endpoint_parse(struct lun_address *address, uint16_t *port, const char *text)
{
	char copy[LUN_ADDRESS_TEXT];
	const char *colon = strrchr(text, ':'), *number;
	const char *end = text + strlen(text);
	unsigned value = 0;

	if (*text == '[') { /* [v6] or [v6]:port */
		const char *bracket = strchr(++text, ']');

		if (!bracket || (bracket[1] && bracket[1] != ':'))
			return LUN_BAD_ARGUMENT;
		colon = bracket[1] ? bracket + 1 : NULL;
		end = bracket;
	} else if (colon && strchr(text, ':') != colon) { /* a bare IPv6 address */
		colon = NULL;
	} else if (colon) {
		end = colon;
	}
	if ((size_t)(end - text) >= sizeof(copy))
		return LUN_BAD_ARGUMENT;
	memcpy(copy, text, (size_t)(end - text));
	copy[end - text] = '\0';
	number = colon ? colon + 1 : NULL;
	if (number && (!parse_number(&number, 5, 65535, &value) || *number))
		return LUN_BAD_ARGUMENT;
	*port = (uint16_t)value;
	return lun_address_parse(address, copy);
}

bool lun_prefix_holds(const struct lun_prefix *prefix, const struct lun_address *address)
{
	unsigned bytes = prefix->length / 8, bits = prefix->length % 8;

	if (prefix->length > 128 || memcmp(prefix->address.bytes, address->bytes, bytes) != 0)
		return false;
	return bits == 0 || ((prefix->address.bytes[bytes] ^ address->bytes[bytes]) >> (8 - bits)) == 0;
}

/* By hand: header lines hold addresses, and inet_ntop goes through printf. */
static void format_v4(const uint8_t bytes[4], char *text)
{
	for (int i = 0; i < 4; i++) {
		if (bytes[i] >= 100)
			*text++ = (char)('0' + bytes[i] / 100);
		if (bytes[i] >= 10)
			*text++ = (char)('0' + bytes[i] / 10 % 10);
		*text++ = (char)('0' + bytes[i] % 10);
		*text++ = i < 3 ? '.' : '\0';
	}
}

char *lun_address_format(const struct lun_address *address, char text[LUN_ADDRESS_TEXT])
{
	if (lun_address_is_v4(address))
		format_v4(address->bytes + 12, text);
	else
		inet_ntop(AF_INET6, address->bytes, text, LUN_ADDRESS_TEXT);
	return text;
}

char *lun_endpoint_format(const struct lun_address *address, uint16_t port, char text[LUN_ADDRESS_TEXT])
{
	char plain[LUN_ADDRESS_TEXT];

	lun_address_format(address, plain);
	/* The longest is an IPv6 address of 39 characters, brackets, colon and five digits: 48 with the NUL. */
	snprintf(text, LUN_ADDRESS_TEXT, lun_address_is_v4(address) ? "%.39s:%u" : "[%.39s]:%u", plain, port);
	return text;
}

char *lun_tuple_format(const struct lun_tuple *tuple, char text[LUN_TUPLE_TEXT])
{
	char source[LUN_ADDRESS_TEXT], destination[LUN_ADDRESS_TEXT], number[4];
	const char *name = lun_protocol_name(tuple->protocol);

	snprintf(number, sizeof(number), "%u", tuple->protocol);
	lun_endpoint_format(&tuple->source, tuple->source_port, source);
	lun_endpoint_format(&tuple->destination, tuple->destination_port, destination);
	snprintf(text, LUN_TUPLE_TEXT, "%s %s %s", name ? name : number, source, destination);
	return text;
}
