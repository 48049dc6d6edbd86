/* http_rows.h - every class of requests that parsers read differently (http_rows.c), and what becomes of it here.
 *
 * A refusal is written as two texts: what the client sends in front of the byte, or line, that is wrong, and that and the rest. */
#ifndef LUNETTE_TESTS_HTTP_ROWS_H
#define LUNETTE_TESTS_HTTP_ROWS_H

#include <stddef.h>

struct row {
	const char *name, *bytes;
	size_t length;
	long refused;  /* the offset; -1: all of it goes on; -2: all but a rest that is kept back goes on */
	size_t passed; /* bytes that go on, if it is refused or kept back */
	unsigned requests, answer;
};

#define PASS(name, requests, bytes)                                                                                         \
	{                                                                                                                   \
		name, bytes, sizeof(bytes) - 1, -1, sizeof(bytes) - 1, requests, 0                                          \
	}
#define ANSWERED(name, requests, answer, bytes)                                                                             \
	{                                                                                                                   \
		name, bytes, sizeof(bytes) - 1, -1, sizeof(bytes) - 1, requests, answer                                     \
	}
/* `passed` goes on, `held` is in front of what is wrong, and does not. */
#define REFUSE(name, requests, passed, held, wrong)                                                                         \
	{                                                                                                                   \
		name, passed held wrong, sizeof(passed held wrong) - 1, sizeof(passed held) - 1, sizeof(passed) - 1,        \
			requests, 0                                                                                         \
	}
#define REFUSE_ANSWERED(name, requests, answer, passed, held, wrong)                                                        \
	{                                                                                                                   \
		name, passed held wrong, sizeof(passed held wrong) - 1, sizeof(passed held) - 1, sizeof(passed) - 1,        \
			requests, answer                                                                                    \
	}
#define KEEP(name, requests, passed, kept)                                                                                  \
	{                                                                                                                   \
		name, passed kept, sizeof(passed kept) - 1, -2, sizeof(passed) - 1, requests, 0                             \
	}

#define GET "GET / HTTP/1.1\r\nHost: a\r\n"
#define OLD "GET / HTTP/1.0\r\n"
#define POST "POST / HTTP/1.1\r\nHost: a\r\n"
#define CHUNKED POST "Transfer-Encoding: chunked\r\n\r\n"
#define END "\r\n"

static const struct row rows[] = {
	PASS("plain", 1, GET END),
	PASS("plain, 1.0", 1, OLD END),
	PASS("Content-Length", 1, POST "Content-Length: 5\r\n\r\nhello"),
	PASS("Content-Length of zero, and of zeros in front", 2,
	     POST "Content-Length: 0\r\n\r\n" POST "Content-Length: 002\r\n\r\nab"),
	PASS("chunked", 1, CHUNKED "5\r\nhello\r\nA\r\n0123456789\r\n0\r\n\r\n"),

	REFUSE("CL + TE: CL.TE", 0, "", POST "Content-Length: 5\r\n", "Transfer-Encoding: chunked\r\n\r\n0\r\n\r\n"),
	REFUSE("CL + TE: TE.CL", 0, "", POST "Transfer-Encoding: chunked\r\n", "Content-Length: 5\r\n\r\n0\r\n\r\n"),
	REFUSE("CL + TE: CL.0", 0, "", POST "Content-Length: 0\r\n", "Transfer-Encoding: chunked\r\n\r\n0\r\n\r\n"),
	REFUSE("TE twice", 0, "", POST "Transfer-Encoding: chunked\r\n", "Transfer-Encoding: chunked\r\n\r\n"),
	REFUSE("TE not last", 0, "", POST, "Transfer-Encoding: chunked, gzip\r\n\r\n"),
	REFUSE("TE unknown", 0, "", POST, "Transfer-Encoding: xchunked\r\n\r\n"),
	REFUSE("TE gzip, chunked", 0, "", POST, "Transfer-Encoding: gzip, chunked\r\n\r\n"),
	REFUSE("TE with a parameter", 0, "", POST, "Transfer-Encoding: chunked;a=b\r\n\r\n"),
	REFUSE("TE with VT", 0, "", POST "Transfer-Encoding: ", "\vchunked\r\n\r\n"),
	REFUSE("TE with 0xA0", 0, "", POST,
	       "Transfer-Encoding: \xa0"
	       "chunked\r\n\r\n"),
	REFUSE("TE identity, chunked", 0, "", POST, "Transfer-Encoding: identity, chunked\r\n\r\n"),
	REFUSE("TE ,chunked", 0, "", POST, "Transfer-Encoding: ,chunked\r\n\r\n"),
	REFUSE("TE empty, then CL", 0, "", POST, "Transfer-Encoding:\r\nContent-Length: 1\r\n\r\n"),
	REFUSE("TE in HTTP/1.0", 0, "", OLD, "Transfer-Encoding: chunked\r\n\r\n"),
	PASS("TE with HTAB around chunked, in any case", 1, POST "transfer-encoding:\t Chunked\t\r\n\r\n0\r\n\r\n"),
	REFUSE("TE, spelled with _", 0, "", POST, "Transfer_Encoding: chunked\r\n\r\n"),
	REFUSE("CL twice, equal", 0, "", POST "Content-Length: 5\r\n", "Content-Length: 5\r\n\r\nhello"),
	REFUSE("CL 5, 5", 0, "", POST, "Content-Length: 5, 5\r\n\r\nhello"),
	REFUSE("CL twice, differing", 0, "", POST "Content-Length: 5\r\n", "Content-Length: 6\r\n\r\nhello"),
	REFUSE("CL with +", 0, "", POST, "Content-Length: +5\r\n\r\nhello"),
	REFUSE("CL with -", 0, "", POST, "Content-Length: -5\r\n\r\nhello"),
	REFUSE("CL in hexadecimal", 0, "", POST, "Content-Length: 0x5\r\n\r\nhello"),
	REFUSE("CL empty", 0, "", POST, "Content-Length: \r\n\r\nhello"),
	REFUSE("CL of text", 0, "", POST, "Content-Length: five\r\n\r\nhello"),
	REFUSE("CL with a blank inside", 0, "", POST, "Content-Length: 5 5\r\n\r\nhello"),
	PASS("CL of 2^63 - 1", 1, POST "Content-Length: 9223372036854775807\r\n\r\nhello"),
	REFUSE("CL of 2^63", 0, "", POST, "Content-Length: 9223372036854775808\r\n\r\n"),
	REFUSE("CL of 2^64", 0, "", POST, "Content-Length: 18446744073709551616\r\n\r\n"),
	REFUSE("CL, spelled with _", 0, "", POST, "Content_Length: 5\r\n\r\nhello"),
	REFUSE("obs-fold", 0, "", GET "X: y\r\n", " z\r\n\r\n"),
	REFUSE("obs-fold with HTAB", 0, "", GET "X: y\r\n", "\tz\r\n\r\n"),
	REFUSE("obs-fold of TE", 0, "", POST, "Transfer-Encoding:\r\n chunked\r\n\r\n0\r\n\r\n"),
	REFUSE("obs-fold of CL", 0, "", POST, "Content-Length:\r\n 5\r\n\r\nhello"),
	REFUSE("bare LF behind the request line", 0, "", "GET / HTTP/1.1", "\nHost: a\r\n\r\n"),
	REFUSE("bare LF behind a field", 0, "", "GET / HTTP/1.1\r\nHost: a", "\nX: y\r\n\r\n"),
	REFUSE("bare LF as the head's end", 0, "", GET, "\n"),
	REFUSE("bare LF in a chunk's line", 1, CHUNKED "5", "", "\nhello\r\n0\r\n\r\n"),
	REFUSE("bare LF behind a chunk's data", 1, CHUNKED "5\r\nhello", "", "\n0\r\n\r\n"),
	REFUSE("bare LF in trailers", 1, CHUNKED "0\r\n", "X: y", "\n\r\n"),
	REFUSE("bare LF as the trailers' end", 1, CHUNKED "0\r\n", "", "\n"),
	REFUSE("bare CR in a name", 0, "", GET "X", "\rY: z\r\n\r\n"),
	REFUSE("bare CR in a value", 0, "", GET "X: y\r", "z\r\n\r\n"),
	REFUSE("bare CR as a line's end", 0, "", "GET / HTTP/1.1\r\nHost: a\r", "X: y\r\n\r\n"),
	REFUSE("CR CR LF", 0, "", GET "X: y\r", "\r\n\r\n"),
	REFUSE("CR X as the head's end", 0, "", GET "\r", "X"),
	REFUSE("NUL in a value", 0, "", GET "X: y", "\0z\r\n\r\n"),
	REFUSE("VT in a value", 0, "", GET "X: y", "\vz\r\n\r\n"),
	REFUSE("FF in a value", 0, "", GET "X: y", "\fz\r\n\r\n"),
	REFUSE("ESC in a value", 0, "", GET "X: y", "\033z\r\n\r\n"),
	REFUSE("DEL in a value", 0, "", GET "X: 0123456789abcdefy", "\177z\r\n\r\n"),
	PASS("other bytes in a value", 1, GET "X: \x80\xff \t\"(),/:;<=>?@[\\]{}\r\n\r\n"),
	REFUSE("space before the colon", 0, "", GET "X", " : y\r\n\r\n"),
	REFUSE("HTAB before the colon", 0, "", GET "X", "\t: y\r\n\r\n"),
	REFUSE("space before the first field", 0, "", "GET / HTTP/1.1\r\n", " Host: a\r\n\r\n"),
	REFUSE("no colon", 0, "", GET "nocolon", "\r\n\r\n"),
	REFUSE("( in a name", 0, "", GET "X", "(: y\r\n\r\n"),
	REFUSE(") in a name", 0, "", GET "X", "): y\r\n\r\n"),
	REFUSE("\" in a name", 0, "", GET "X", "\": y\r\n\r\n"),
	REFUSE("non-ASCII in a name", 0, "", GET "X", "\xe9: y\r\n\r\n"),
	REFUSE("empty name", 0, "", GET, ": y\r\n\r\n"),
	REFUSE("lone colon", 0, "", GET, ":\r\n\r\n"),
	PASS("underscore in a name", 1, GET "X_Y: z\r\n\r\n"),
	PASS("every byte that a name may have", 1, GET "!#$%&'*+-.^_`|~09azAZ:z\r\n\r\n"),
	PASS("chunk extensions", 1, CHUNKED "5;a;b=c;d=\"e;\\\"\t\xff \"\r\nhello\r\n0;x\r\n\r\n"),
	REFUSE("chunk extension with CR", 1, CHUNKED "5;a\r", "", "b\r\nhello\r\n0\r\n\r\n"),
	REFUSE("chunk extension with LF", 1, CHUNKED "5;a", "", "\nb\r\nhello\r\n0\r\n\r\n"),
	REFUSE("chunk extension with CTL", 1, CHUNKED "5;a=\"", "", "\001\"\r\nhello\r\n0\r\n\r\n"),
	REFUSE("chunk extension with NUL", 1, CHUNKED "5;a", "", "\0\r\nhello\r\n0\r\n\r\n"),
	REFUSE("chunk extension with an open quote", 1, CHUNKED "5;a=\"b", "", "\r\nhello\r\n0\r\n\r\n"),
	REFUSE("chunk extension with junk behind quotes", 1, CHUNKED "5;a=\"b\"", "", "c\r\nhello\r\n0\r\n\r\n"),
	REFUSE("chunk extension without a value", 1, CHUNKED "5;a=", "", "\r\nhello\r\n0\r\n\r\n"),
	REFUSE("chunk size 0x5", 1, CHUNKED "0", "", "x5\r\nhello\r\n0\r\n\r\n"),
	REFUSE("chunk size +5", 1, CHUNKED, "", "+5\r\nhello\r\n0\r\n\r\n"),
	REFUSE("chunk size -5", 1, CHUNKED, "", "-5\r\nhello\r\n0\r\n\r\n"),
	REFUSE("chunk size 5_0", 1, CHUNKED "5", "", "_0\r\nhello\r\n0\r\n\r\n"),
	REFUSE("chunk size, a space first", 1, CHUNKED, "", " 5\r\nhello\r\n0\r\n\r\n"),
	REFUSE("chunk size, empty", 1, CHUNKED, "", "\r\nhello\r\n0\r\n\r\n"),
	REFUSE("chunk size, an extension alone", 1, CHUNKED, "", ";a\r\nhello\r\n0\r\n\r\n"),
	REFUSE("chunk size + SP", 1, CHUNKED "5", "", " \r\nhello\r\n0\r\n\r\n"),
	REFUSE("chunk size + HTAB", 1, CHUNKED "5", "", "\t\r\nhello\r\n0\r\n\r\n"),
	REFUSE("chunk size 5;", 1, CHUNKED "5;", "", "\r\nhello\r\n0\r\n\r\n"),
	REFUSE("chunk size of 2^60", 1, CHUNKED "100000000000000", "", "0\r\n"),
	REFUSE("chunk size of 2^64-1", 1, CHUNKED "fffffffffffffff", "", "f\r\n"),
	REFUSE("chunk size of 17 digits", 1, CHUNKED "0000000000000000", "", "5\r\nhello\r\n0\r\n\r\n"),
	KEEP("chunk size of 2^60-1, of which little came", 1, CHUNKED "FFFFFFFFFFFFFFF\r\nhello", ""),
	REFUSE("data that goes on behind its end", 1, CHUNKED "5\r\nhello", "", "X\r\n0\r\n\r\n"),
	REFUSE("extra CRLF between chunks", 1, CHUNKED "5\r\nhello\r\n", "", "\r\n0\r\n\r\n"),
	PASS("trailers", 2, CHUNKED "0\r\nX: y\r\nExpires: never\r\n\r\n" GET END),
	REFUSE("trailer CL", 1, CHUNKED "0\r\n", "X: y\r\n", "Content-Length: 5\r\n\r\n"),
	REFUSE("trailer TE", 1, CHUNKED "0\r\n", "", "transfer-encoding: chunked\r\n\r\n"),
	REFUSE("trailer Host", 1, CHUNKED "0\r\n", "", "Host: b\r\n\r\n"),
	REFUSE("trailer with obs-fold", 1, CHUNKED "0\r\n", "X: y\r\n", " z\r\n\r\n"),
	REFUSE("junk behind 0 CRLF", 1, CHUNKED "0\r\n", "GET", " / HTTP/1.1\r\nHost: a\r\n\r\n"),
	REFUSE("Host missing in 1.1", 0, "", "GET / HTTP/1.1\r\nX: y\r\n", "\r\n"),
	REFUSE("Host twice, equal", 0, "", GET, "Host: a\r\n\r\n"),
	REFUSE("Host twice, different", 0, "", GET, "host: b\r\n\r\n"),
	REFUSE("Host twice, 1.0", 0, "", OLD "Host: a\r\n", "Host: a\r\n\r\n"),
	REFUSE("Host with a space", 0, "", "GET / HTTP/1.1\r\n", "Host: a b\r\n\r\n"),
	REFUSE("Host with a comma", 0, "", "GET / HTTP/1.1\r\n", "Host: a,b\r\n\r\n"),
	REFUSE("Host with /", 0, "", "GET / HTTP/1.1\r\n", "Host: a/b\r\n\r\n"),
	REFUSE("Host with @", 0, "", "GET / HTTP/1.1\r\n", "Host: a@b\r\n\r\n"),
	REFUSE("Host with a port of text", 0, "", "GET / HTTP/1.1\r\n", "Host: a:http\r\n\r\n"),
	REFUSE("Host with two ports", 0, "", "GET / HTTP/1.1\r\n", "Host: a:80:80\r\n\r\n"),
	REFUSE("Host with a port of 65536", 0, "", "GET / HTTP/1.1\r\n", "Host: a:65536\r\n\r\n"),
	REFUSE("Host with a port alone", 0, "", "GET / HTTP/1.1\r\n", "Host: :80\r\n\r\n"),
	REFUSE("Host with an open bracket", 0, "", "GET / HTTP/1.1\r\n", "Host: [::1\r\n\r\n"),
	REFUSE("Host with junk behind brackets", 0, "", "GET / HTTP/1.1\r\n", "Host: [::1]a\r\n\r\n"),
	REFUSE("Host of non-ASCII", 0, "", "GET / HTTP/1.1\r\n", "Host: \xc3\xa9\r\n\r\n"),
	PASS("Host in every form", 3,
	     "GET / HTTP/1.1\r\nHost: [::1]:8080\r\n\r\nGET / HTTP/1.1\r\nHOST:a-b_c.d:80\r\n\r\n"
	     "GET / HTTP/1.1\r\nHost:\r\n\r\n"),
	PASS("absolute-form = Host", 2,
	     "GET http://a/x HTTP/1.1\r\nHost: A\r\n\r\nGET HTTP://a:80?x HTTP/1.1\r\nHost: a:80\r\n\r\n"),
	REFUSE("absolute-form, not Host", 0, "", "GET http://b/x HTTP/1.1\r\nHost: a\r\n", "\r\n"),
	REFUSE("absolute-form, another port", 0, "", "GET http://a:81/x HTTP/1.1\r\nHost: a\r\n", "\r\n"),
	REFUSE("absolute-form, a user", 0, "", "GET ", "http://u@a/x HTTP/1.1\r\nHost: a\r\n\r\n"),
	REFUSE("absolute-form, without a host", 0, "", "GET ", "http:///x HTTP/1.1\r\nHost:\r\n\r\n"),
	REFUSE("absolute-form, another scheme", 0, "", "GET ", "ftp://a/x HTTP/1.1\r\nHost: a\r\n\r\n"),
	REFUSE("authority-form on GET", 0, "", "GET ", "a:80 HTTP/1.1\r\nHost: a\r\n\r\n"),
	REFUSE("* on GET", 0, "", "GET ", "* HTTP/1.1\r\nHost: a\r\n\r\n"),
	PASS("* on OPTIONS", 1, "OPTIONS * HTTP/1.1\r\nHost: a\r\n\r\n"),
	REFUSE("# in the target", 0, "", "GET /a", "#b HTTP/1.1\r\nHost: a\r\n\r\n"),
	REFUSE("raw non-ASCII in the target", 0, "", "GET /", "\xc3\xa9 HTTP/1.1\r\nHost: a\r\n\r\n"),
	REFUSE("NUL in the target", 0, "", "GET /a", "\0 HTTP/1.1\r\nHost: a\r\n\r\n"),
	REFUSE("two SP behind the method", 0, "", "GET ", " / HTTP/1.1\r\nHost: a\r\n\r\n"),
	REFUSE("two SP behind the target", 0, "", "GET / ", " HTTP/1.1\r\nHost: a\r\n\r\n"),
	REFUSE("SP behind the version", 0, "", "GET / HTTP/1.1", " \r\nHost: a\r\n\r\n"),
	REFUSE("SP before the method", 0, "", "", " GET / HTTP/1.1\r\nHost: a\r\n\r\n"),
	REFUSE("HTAB in the request line", 0, "", "GET", "\t/ HTTP/1.1\r\nHost: a\r\n\r\n"),
	REFUSE("HTTP/0.9", 0, "", "GET /", "\r\n"),
	REFUSE("HTTP/0.9 with LF", 0, "", "GET /", "\n"),
	REFUSE("HTTP/1.10", 0, "", "GET / HTTP/1.1", "0\r\nHost: a\r\n\r\n"),
	REFUSE("HTTP/1.2", 0, "", "GET / HTTP/1.", "2\r\nHost: a\r\n\r\n"),
	REFUSE("HTTP/2.0", 0, "", "GET / HTTP/", "2.0\r\nHost: a\r\n\r\n"),
	REFUSE("HTTP/0.9, spelled", 0, "", "GET / HTTP/", "0.9\r\nHost: a\r\n\r\n"),
	REFUSE("http/1.1", 0, "", "GET / ", "http/1.1\r\nHost: a\r\n\r\n"),
	REFUSE("RTSP/1.0", 0, "", "GET / ", "RTSP/1.0\r\nHost: a\r\n\r\n"),
	REFUSE("ICE/1.0", 0, "", "SOURCE / ", "ICE/1.0\r\nHost: a\r\n\r\n"),
	PASS("unknown method", 1, "FROB! / HTTP/1.1\r\nHost: a\r\n\r\n"),
	PASS("method in lower case", 1, "get / HTTP/1.1\r\nHost: a\r\n\r\n"),
	PASS("leading CRLF, once in front of each", 2, "\r\n" GET END "\r\n" GET END),
	REFUSE("leading LF", 0, "", "", "\n" GET END),
	REFUSE("leading CR", 0, "", "\r", GET END),
	REFUSE("leading CRLF, twice", 0, "", "\r\n", "\r\n" GET END),
	PASS("pipelining", 3, GET END POST "Content-Length: 3\r\n\r\nabc" GET END),
	REFUSE("pipelining, the second one bad", 1, GET END, "GET ", "* HTTP/1.1\r\nHost: a\r\n\r\n"),
	REFUSE("data after close", 1, GET "Connection: close\r\n\r\n", "", GET END),
	REFUSE("data after close, in a list", 1, GET "Connection: x, Close\r\n\r\n", "", "\r\n"),
	REFUSE("data after close, with a body", 1, POST "Connection: close\r\nContent-Length: 1\r\n\r\na", "", "b"),
	REFUSE("data after 1.0", 1, OLD "Host: a\r\n\r\n", "", OLD END),
	PASS("data after 1.0 that keeps alive", 2, OLD "Connection: keep-alive\r\n\r\n" OLD END),
	PASS("100-continue", 1, POST "Expect: 100-continue\r\nContent-Length: 2\r\n\r\nab"),
	KEEP("100-continue: the head leaves at once", 1, POST "Expect: 100-continue\r\nContent-Length: 2\r\n\r\n", ""),
	PASS("Upgrade without Connection: upgrade", 1, GET "Upgrade: websocket\r\n\r\n"),
	KEEP("Upgrade without Connection: upgrade, and more", 1, GET "Upgrade: websocket\r\n\r\n", GET END),
	KEEP("WebSocket", 1, GET "Connection: upgrade\r\nUpgrade: websocket\r\n\r\n", "\x81\x05hello"),
	ANSWERED("WebSocket, 101", 1, 101, GET "Connection: upgrade\r\nUpgrade: websocket\r\n\r\n\x81\x05hello\n\n"),
	ANSWERED("WebSocket, not 101", 2, 200, GET "Connection: upgrade\r\nUpgrade: websocket\r\n\r\n" GET END),
	REFUSE_ANSWERED("WebSocket, not 101, and then its frames", 1, 426,
			GET "Connection: upgrade\r\nUpgrade: websocket\r\n\r\n", "", "\x81\x05hello"),
	PASS("Upgrade with a body", 1, POST "Upgrade: x\r\nContent-Length: 2\r\n\r\nab"),
	REFUSE("h2c upgrade", 0, "", GET "Connection: Upgrade, HTTP2-Settings\r\n", "Upgrade: h2c\r\n\r\n"),
	REFUSE("h2c upgrade, in a list", 0, "", GET, "Upgrade: websocket, H2C/1\r\n\r\n"),
	REFUSE("h2 upgrade, on a second line", 0, "", GET "Upgrade: websocket\r\n", "Upgrade: h2\r\n\r\n"),
	REFUSE("CONNECT", 0, "", "CONNECT ", "a:80 HTTP/1.1\r\nHost: a:80\r\n\r\n"),
	REFUSE("CONNECT in lower case", 0, "", "connect ", "/ HTTP/1.1\r\nHost: a:80\r\n\r\n"),
	REFUSE("HTTP/2 preface", 0, "", "PRI ", "* HTTP/2.0\r\n\r\nSM\r\n\r\n"),
	REFUSE("TLS", 0, "", "", "\x16\x03\x01\x02\x00\x01"),
	REFUSE("Connection that names a field which the message needs", 0, "", GET,
	       "Connection: close, Content-Length\r\n\r\n"),
	REFUSE("Connection that names Host", 0, "", GET, "Connection: host\r\n\r\n"),
	KEEP("nothing", 0, "", ""),
	KEEP("a head that is not complete", 1, GET END, "GET / HTTP/1.1\r\nHost: a\r\nX: "),
	KEEP("a head that lacks its last byte", 0, "", GET "\r"),
	KEEP("trailers that are not complete", 1, CHUNKED "0\r\n", "X: y\r\n"),
	KEEP("a body that is not complete", 1, POST "Content-Length: 9\r\n\r\nabc", ""),
};

#endif
