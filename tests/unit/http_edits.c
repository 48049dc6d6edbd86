/* http_edits.c - the table of http.md's reference, and every kind of edit: what a client sends, and what the upstream gets; each
 * whole, byte by byte, and cut in two at every offset. */
#include "lua_load.h"
#include "request.h"

#define GET "GET /x HTTP/1.1\r\n"
#define FORWARDED "headers.forwarded()"
#define TRUST "headers.forwarded { trust = { '10.0.0.0/8' } }"

/* What forwarded() gives where the client sent nothing of it: Host is a, no more.  Ids are written as #. */
#define OURS_FOR(peer, host)                                                                                                \
	"X-Real-IP: " peer "\r\nX-Forwarded-For: " peer "\r\nX-Forwarded-Host: " host "\r\nX-Forwarded-Port: 80\r\n"        \
	"X-Forwarded-Proto: http\r\nX-Forwarded-Scheme: http\r\nX-Scheme: http\r\n"
#define OURS OURS_FOR("10.1.1.1", "a")
#define ID "X-Request-ID: #\r\n"

struct edit {
	const char *name, *http, *from, *client, *upstream;
};

static const struct edit edits[] = {
	{ "nothing of it", FORWARDED, NULL, GET "Host: a\r\n\r\n", GET OURS ID "Host: a\r\n\r\n" },
	{ "IPv6", FORWARDED, "2001:db8::1", GET "Host: a\r\n\r\n", GET OURS_FOR("2001:db8::1", "a") ID "Host: a\r\n\r\n" },
	{ "Host: verbatim with its port", FORWARDED, NULL, GET "hOst: A.b:81\r\n\r\n",
	  GET OURS_FOR("10.1.1.1", "A.b:81") ID "hOst: A.b:81\r\n\r\n" },
	{ "Host: absent in 1.0", FORWARDED, NULL, "GET / HTTP/1.0\r\nX-Forwarded-Host: evil\r\n\r\n",
	  "GET / HTTP/1.0\r\nX-Real-IP: 10.1.1.1\r\nX-Forwarded-For: 10.1.1.1\r\nX-Forwarded-Port: 80\r\n"
	  "X-Forwarded-Proto: http\r\nX-Forwarded-Scheme: http\r\nX-Scheme: http\r\nX-Original-Forwarded-Host: evil\r\n" ID
	  "\r\n" },
	{ "X-Request-ID: kept", FORWARDED, NULL, GET "Host: a\r\nx-request-id: 7\r\n\r\n",
	  GET OURS "X-Request-ID: 7\r\nHost: a\r\n\r\n" },
	{ "X-Request-ID: several lines are joined", FORWARDED, NULL,
	  GET "X-Request-ID: 7\r\nHost: a\r\nX-Request-ID:\r\nX-Request-ID: 8 \r\n\r\n",
	  GET OURS "X-Request-ID: 7, 8\r\nHost: a\r\n\r\n" },
	{ "X-Request-ID: empty is replaced", FORWARDED, NULL, GET "Host: a\r\nX-Request-ID: \t\r\n\r\n",
	  GET OURS ID "Host: a\r\n\r\n" },
	{ "X-Request-ID: a twin is not kept", FORWARDED, NULL, GET "Host: a\r\nX_Request_ID: 7\r\n\r\n",
	  GET OURS ID "Host: a\r\n\r\n" },
	{ "X-Real-IP, Proto, Scheme, Port: overwritten", FORWARDED, NULL,
	  GET "X-Real-IP: 6\r\nX-REAL-IP:\r\nHost: a\r\nX-Forwarded-Proto: https\r\nX-Forwarded-Port: 1\r\n"
	      "X-Forwarded-Scheme: https\r\nX-Scheme: https\r\n\r\n",
	  GET OURS ID "Host: a\r\n\r\n" },
	{ "X-Forwarded-For, -Host: overwritten, and in X-Original", FORWARDED, NULL,
	  GET "Host: a\r\nX-Forwarded-For: 6.6.6.6\r\nX-Forwarded-Host: evil\r\nx-forwarded-for: 7.7.7.7\r\n\r\n",
	  GET OURS "X-Original-Forwarded-For: 6.6.6.6, 7.7.7.7\r\nX-Original-Forwarded-Host: evil\r\n" ID
		   "Host: a\r\n\r\n" },
	{ "X-Original-Forwarded-For, -Host: the client's never pass", FORWARDED, NULL,
	  GET "X-Original-Forwarded-For: 6\r\nX-Original-Forwarded-Host: 6\r\nHost: a\r\n\r\n",
	  GET OURS ID "Host: a\r\n\r\n" },
	{ "twins are dropped, and not taken for the name", FORWARDED, NULL,
	  GET "Host: a\r\nX_Forwarded_For: 6\r\nX.Real.IP: 6\r\nX_Real-IP: 6\r\nX-Forwarded_Host: 6\r\n\r\n",
	  GET OURS ID "Host: a\r\n\r\n" },
	{ "other names with _ pass", FORWARDED, NULL, GET "Host: a\r\nX_Y: 6\r\n\r\n",
	  GET OURS ID "Host: a\r\nX_Y: 6\r\n\r\n" },
	{ "Proxy is removed", FORWARDED, NULL, GET "Host: a\r\nPROXY: evil\r\nProxy-X: b\r\n\r\n",
	  GET OURS ID "Host: a\r\nProxy-X: b\r\n\r\n" },
	{ "what passes through by default", FORWARDED, NULL,
	  GET "Host: a\r\nX-Original-URI: /y\r\nX-Forwarded-Prefix: /z\r\nForwarded: for=6\r\nTrue-Client-IP: 6\r\n"
	      "CF-Connecting-IP: 6\r\nX-Client-IP: 6\r\nssl-client-verify: SUCCESS\r\nAuthorization: Basic eA==\r\n"
	      "X-Code: 5\r\nTE: trailers\r\n\r\n",
	  GET OURS ID "Host: a\r\nX-Original-URI: /y\r\nX-Forwarded-Prefix: /z\r\nForwarded: for=6\r\nTrue-Client-IP: 6\r\n"
		      "CF-Connecting-IP: 6\r\nX-Client-IP: 6\r\nssl-client-verify: SUCCESS\r\nAuthorization: Basic eA==\r\n"
		      "X-Code: 5\r\nTE: trailers\r\n\r\n" },
	{ "Connection: what names ours goes", FORWARDED, NULL,
	  GET "Host: a\r\nConnection: X-Real-IP, keep-alive,,x_forwarded_for , TE\r\n\r\n",
	  GET OURS ID "Host: a\r\nConnection: keep-alive, , TE\r\n\r\n" },
	{ "Connection: nothing is left of it", FORWARDED, NULL, GET "Host: a\r\nConnection: X-Real-IP\r\nY: z\r\n\r\n",
	  GET OURS ID "Host: a\r\nY: z\r\n\r\n" },
	{ "Connection: what names others stays, byte by byte", FORWARDED, NULL,
	  GET "Host: a\r\nConnection:close ,\tfoo\r\n\r\n", GET OURS ID "Host: a\r\nConnection:close ,\tfoo\r\n\r\n" },
	{ "Upgrade and its Connection pass", FORWARDED, NULL,
	  GET "Host: a\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n",
	  GET OURS ID "Host: a\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n" },
	{ "Expect, Content-Length and the body pass", FORWARDED, NULL,
	  GET "Host: a\r\nExpect: 100-continue\r\nContent-Length: 3\r\n\r\nX-R",
	  GET OURS ID "Host: a\r\nExpect: 100-continue\r\nContent-Length: 3\r\n\r\nX-R" },
	{ "each head of a pipeline", FORWARDED, NULL, GET "Host: a\r\n\r\n\r\n" GET "X-Real-IP: 6\r\nHost: b\r\n\r\n",
	  GET OURS ID "Host: a\r\n\r\n\r\n" GET OURS_FOR("10.1.1.1", "b") ID "Host: b\r\n\r\n" },
	{ "trailers: none of our names", FORWARDED, NULL,
	  GET "Host: a\r\nTransfer-Encoding: chunked\r\n\r\n1\r\nz\r\n0\r\nX-Real-IP: 6\r\nT: u\r\nx_real_ip: 6\r\nproxy: "
	      "6\r\n\r\n",
	  GET OURS ID "Host: a\r\nTransfer-Encoding: chunked\r\n\r\n1\r\nz\r\n0\r\nT: u\r\n\r\n" },

	/* behind proxies */
	{ "trust: without their headers", TRUST, NULL, GET "Host: a\r\n\r\n", GET "Host: a\r\n" OURS ID "\r\n" },
	{ "trust: theirs are believed", TRUST, NULL,
	  GET "Host: a\r\nX-Forwarded-For: 6.6.6.6, 7.7.7.7, 10.0.0.9\r\nX-Forwarded-Host: b:81, c\r\n"
	      "X-Forwarded-Proto: https\r\nX-Forwarded-Port: 443\r\nX-Scheme: ftp\r\n\r\n",
	  GET "Host: b:81\r\nX-Real-IP: 7.7.7.7\r\nX-Forwarded-For: 7.7.7.7\r\nX-Forwarded-Host: b:81\r\n"
	      "X-Forwarded-Port: 443\r\nX-Forwarded-Proto: https\r\nX-Forwarded-Scheme: https\r\nX-Scheme: https\r\n"
	      "X-Original-Forwarded-For: 6.6.6.6, 7.7.7.7, 10.0.0.9\r\nX-Original-Forwarded-Host: b:81, c\r\n" ID "\r\n" },
	{ "trust: several lines are one list, ports are left out, and only proxies is the first of them", TRUST, NULL,
	  GET "Host: a\r\nX-Forwarded-For: 10.0.0.7:1\r\nX-Forwarded-For: ,10.0.0.8\r\n\r\n",
	  GET "Host: a\r\n" OURS_FOR("10.0.0.7", "a") "X-Original-Forwarded-For: 10.0.0.7:1, ,10.0.0.8\r\n" ID "\r\n" },
	{ "trust: what is no address ends the walk", TRUST, NULL,
	  GET "Host: a\r\nX-Forwarded-For: 6.6.6.6, unknown, 10.0.0.8\r\n\r\n",
	  GET "Host: a\r\n" OURS_FOR("10.0.0.8", "a") "X-Original-Forwarded-For: 6.6.6.6, unknown, 10.0.0.8\r\n" ID "\r\n" },
	{ "trust: what is no address at the end", TRUST, NULL, GET "Host: a\r\nX-Forwarded-For: 6.6.6.6, x\r\n\r\n",
	  GET "Host: a\r\n" OURS "X-Original-Forwarded-For: 6.6.6.6, x\r\n" ID "\r\n" },
	{ "trust: not of strangers", TRUST, "192.0.2.1",
	  GET "Host: a\r\nX-Forwarded-For: 6.6.6.6\r\nX-Forwarded-Proto: https\r\n\r\n",
	  GET "Host: a\r\n" OURS_FOR("192.0.2.1", "a") "X-Original-Forwarded-For: 6.6.6.6\r\n" ID "\r\n" },
	{ "trust: a host that is none is not believed", TRUST, NULL, GET "Host: a\r\nX-Forwarded-Host: b/c\r\n\r\n",
	  GET "Host: a\r\n" OURS "X-Original-Forwarded-Host: b/c\r\n" ID "\r\n" },

	/* one by one */
	{ "set, in the order of a list", "{ set = { { 'B', '1' }, { 'A', '2' } } }", NULL, GET "a: 3\r\nHost: a\r\n\r\n",
	  GET "B: 1\r\nA: 2\r\nHost: a\r\n\r\n" },
	{ "set to nothing", "{ set = { A = '$http_q' } }", NULL, GET "a: 3\r\nHost: a\r\n\r\n", GET "Host: a\r\n\r\n" },
	{ "append", "{ append = { Via = '1.1 us', New = 'x' } }", NULL, GET "Host: a\r\nVIA: p\r\nvia: q \r\n\r\n",
	  GET "New: x\r\nVia: p, q, 1.1 us\r\nHost: a\r\n\r\n" },
	{ "default", "{ default = { A = '1', B = '2' } }", NULL, GET "Host: a\r\nb: 3\r\nA:\r\n\r\n",
	  GET "A: 1\r\nB: 3\r\nHost: a\r\n\r\n" },
	{ "remove", "{ remove = { 'A', 'B-C' } }", NULL, GET "a: 1\r\nHost: a\r\nB_c: 2\r\nAB: 3\r\n\r\n",
	  GET "Host: a\r\nAB: 3\r\n\r\n" },
	{ "Host", "{ set = { Host = 'b' } }", NULL, GET "X: y\r\nHost: a\r\n\r\n", GET "Host: b\r\nX: y\r\n\r\n" },
	{ "Host to nothing", "{ set = { Host = '$http_q' } }", NULL, GET "X: y\r\nHost: a\r\n\r\n",
	  GET "Host: a\r\nX: y\r\n\r\n" },
	{ "groups: the later rule of a name counts",
	  "{ headers.forwarded(), { set = { x_real_ip = '1' }, remove = { 'X-Request-ID', "
	  "'X-Forwarded-For' } } }",
	  NULL, GET "Host: a\r\n\r\n",
	  GET "x_real_ip: 1\r\nX-Forwarded-Host: a\r\nX-Forwarded-Port: 80\r\nX-Forwarded-Proto: http\r\n"
	      "X-Forwarded-Scheme: http\r\nX-Scheme: http\r\nHost: a\r\n\r\n" },
	{ "variables",
	  "{ set = { V = '$remote_addr $remote_port $server_addr $server_port $host $scheme $request_uri $service $endpoint "
	  "$http_x_y $http_nothing $$ $nothing $' } }",
	  NULL, "GET /q?r=%20 HTTP/1.1\r\nHost: WWW.A:81\r\nX-Y: z\r\nX_Y: w\r\nx-y: v\r\n\r\n",
	  "GET /q?r=%20 HTTP/1.1\r\nV: 10.1.1.1 4000 10.96.0.1 80 www.a http /q?r=%20 default/web 10.244.0.5:8080 z, v  $ "
	  "$nothing $\r\nHost: WWW.A:81\r\nX-Y: z\r\nX_Y: w\r\nx-y: v\r\n\r\n" },
	{ "when: host", "{ set = { A = '1' }, when = { host = { 'www.A', '*.b.c' } } }", NULL,
	  GET "Host: WWW.a:80\r\n\r\n" GET "Host: a\r\n\r\n" GET "Host: x.B.c\r\n\r\n" GET "Host: x.y.b.c\r\n\r\n" GET
	      "Host: b.c\r\n\r\n" GET "Host: .b.c\r\n\r\n" GET "Host: [::1]:80\r\n\r\n",
	  GET "A: 1\r\nHost: WWW.a:80\r\n\r\n" GET "Host: a\r\n\r\n" GET "A: 1\r\nHost: x.B.c\r\n\r\n" GET
	      "Host: x.y.b.c\r\n\r\n" GET "Host: b.c\r\n\r\n" GET "Host: .b.c\r\n\r\n" GET "Host: [::1]:80\r\n\r\n" },
	{ "when: path", "{ set = { A = '1' }, when = { path = { '/a/', '/q' } } }", NULL,
	  "1 /a HTTP/1.0\r\nConnection: keep-alive\r\n\r\n2 /ab HTTP/1.1\r\nHost: a\r\n\r\n3 /a/b?c HTTP/1.1\r\nHost: "
	  "a\r\n\r\n"
	  "4 /%61/../a?x HTTP/1.1\r\nHost: a\r\n\r\n5 //./x/..//%2e/a%2fb HTTP/1.1\r\nHost: a\r\n\r\n"
	  "6 /a/.. HTTP/1.1\r\nHost: a\r\n\r\n7 http://a?/a HTTP/1.1\r\nHost: a\r\n\r\n8 http://a/q/../../q "
	  "HTTP/1.1\r\nHost: a\r\n\r\n"
	  "9 /b/%zz/../../a% HTTP/1.1\r\nHost: a\r\n\r\nOPTIONS * HTTP/1.1\r\nHost: a\r\n\r\n",
	  "1 /a HTTP/1.0\r\nA: 1\r\nConnection: keep-alive\r\n\r\n2 /ab HTTP/1.1\r\nHost: a\r\n\r\n"
	  "3 /a/b?c HTTP/1.1\r\nA: 1\r\nHost: a\r\n\r\n"
	  "4 /%61/../a?x HTTP/1.1\r\nA: 1\r\nHost: a\r\n\r\n5 //./x/..//%2e/a%2fb HTTP/1.1\r\nA: 1\r\nHost: a\r\n\r\n"
	  "6 /a/.. HTTP/1.1\r\nHost: a\r\n\r\n7 http://a?/a HTTP/1.1\r\nHost: a\r\n\r\n"
	  "8 http://a/q/../../q HTTP/1.1\r\nA: 1\r\nHost: a\r\n\r\n"
	  "9 /b/%zz/../../a% HTTP/1.1\r\nHost: a\r\n\r\nOPTIONS * HTTP/1.1\r\nHost: a\r\n\r\n" },
	{ "when: method and host together; trailers at any time",
	  "{ set = { A = '1' }, when = { method = { 'PUT', 'POST' }, host = 'a' } }", NULL,
	  "PUT / HTTP/1.1\r\nHost: a\r\n\r\nPOST / HTTP/1.1\r\nHost: b\r\nA: 2\r\nTransfer-Encoding: chunked\r\n\r\n0\r\nA: "
	  "2\r\n\r\n"
	  "put / HTTP/1.1\r\nHost: a\r\n\r\n",
	  "PUT / HTTP/1.1\r\nA: 1\r\nHost: a\r\n\r\nPOST / HTTP/1.1\r\nHost: b\r\nA: 2\r\nTransfer-Encoding: "
	  "chunked\r\n\r\n0\r\n\r\n"
	  "put / HTTP/1.1\r\nHost: a\r\n\r\n" },

	/* paths */
	{ "path: strip and add", "{ path = { strip = '/api', add = '/v2' } }", NULL,
	  "1 /api HTTP/1.1\r\nHost: a\r\n\r\n2 /api/ HTTP/1.1\r\nHost: a\r\n\r\n3 /api/x/?q=/api/y HTTP/1.1\r\nHost: "
	  "a\r\n\r\n4 /apis HTTP/1.1\r\nHost: a\r\n\r\n5 /x/api HTTP/1.1\r\nHost: a\r\n\r\n6 /api?x HTTP/1.1\r\nHost: "
	  "a\r\n\r\n\r\n7 http://a/api/x HTTP/1.1\r\nHost: a\r\n\r\n8 http://a?/api HTTP/1.1\r\nHost: a\r\n\r\nOPTIONS * "
	  "HTTP/1.1\r\nHost: a\r\n\r\n",
	  "1 /v2 HTTP/1.1\r\nHost: a\r\n\r\n2 /v2/ HTTP/1.1\r\nHost: a\r\n\r\n3 /v2/x/?q=/api/y HTTP/1.1\r\nHost: "
	  "a\r\n\r\n4 /apis HTTP/1.1\r\nHost: a\r\n\r\n5 /x/api HTTP/1.1\r\nHost: a\r\n\r\n6 /v2?x HTTP/1.1\r\nHost: "
	  "a\r\n\r\n\r\n7 http://a/v2/x HTTP/1.1\r\nHost: a\r\n\r\n8 http://a?/api HTTP/1.1\r\nHost: a\r\n\r\nOPTIONS * "
	  "HTTP/1.1\r\nHost: a\r\n\r\n" },
	{ "path: strip alone leaves a slash", "{ path = { strip = '/a/b/' } }", NULL,
	  "1 /a/b HTTP/1.1\r\nHost: a\r\n\r\n2 /a/b?x HTTP/1.1\r\nHost: a\r\n\r\n3 /a/b/c%2Fd HTTP/1.1\r\nHost: a\r\n\r\n"
	  "4 /a/b//evil.com/ HTTP/1.1\r\nHost: a\r\n\r\n5 /a HTTP/1.1\r\nHost: a\r\n\r\n6 http://a/a/b HTTP/1.1\r\nHost: "
	  "a\r\n\r\n7 /a/b%2fc HTTP/1.1\r\nHost: a\r\n\r\n",
	  "1 / HTTP/1.1\r\nHost: a\r\n\r\n2 /?x HTTP/1.1\r\nHost: a\r\n\r\n3 /c%2Fd HTTP/1.1\r\nHost: a\r\n\r\n"
	  "4 /evil.com/ HTTP/1.1\r\nHost: a\r\n\r\n5 /a HTTP/1.1\r\nHost: a\r\n\r\n6 http://a/ HTTP/1.1\r\nHost: "
	  "a\r\n\r\n7 /c HTTP/1.1\r\nHost: a\r\n\r\n" },
	{ "path: add alone, and OPTIONS *", "{ path = { add = '/v2/' }, set = { A = '$request_uri' } }", NULL,
	  "1 / HTTP/1.1\r\nHost: a\r\n\r\n2 /x HTTP/1.1\r\nHost: a\r\n\r\n3 http://a?q HTTP/1.1\r\nHost: a\r\n\r\nOPTIONS "
	  "* HTTP/1.1\r\nHost: a\r\n\r\n4 //x HTTP/1.1\r\nHost: a\r\n\r\n",
	  "1 /v2/ HTTP/1.1\r\nA: /\r\nHost: a\r\n\r\n2 /v2/x HTTP/1.1\r\nA: /x\r\nHost: a\r\n\r\n3 http://a/v2?q "
	  "HTTP/1.1\r\nA: http://a?q\r\nHost: a\r\n\r\nOPTIONS * HTTP/1.1\r\nA: *\r\nHost: a\r\n\r\n4 /v2/x "
	  "HTTP/1.1\r\nA: //x\r\nHost: a\r\n\r\n" },
	{ "path: nothing leads out of what was added", "{ path = { strip = '/api', add = '/v2' } }", NULL,
	  "1 /api/../admin HTTP/1.1\r\nHost: a\r\n\r\n2 /api/x/../../api HTTP/1.1\r\nHost: a\r\n\r\n3 /api/x/../../api/y "
	  "HTTP/1.1\r\nHost: a\r\n\r\n4 /%61pi/%2e%2e/./api//z/../w HTTP/1.1\r\nHost: a\r\n\r\n5 /abc/../api/./x/.. "
	  "HTTP/1.1\r\nHost: a\r\n\r\n6 /../api/x HTTP/1.1\r\nHost: a\r\n\r\n7 /api/%2e%2e%2fapi/x HTTP/1.1\r\nHost: "
	  "a\r\n\r\n",
	  "1 /api/../admin HTTP/1.1\r\nHost: a\r\n\r\n2 /v2 HTTP/1.1\r\nHost: a\r\n\r\n3 /v2/y "
	  "HTTP/1.1\r\nHost: a\r\n\r\n4 /v2/w HTTP/1.1\r\nHost: a\r\n\r\n5 /v2/ "
	  "HTTP/1.1\r\nHost: a\r\n\r\n6 /v2/x HTTP/1.1\r\nHost: a\r\n\r\n7 /v2/x HTTP/1.1\r\nHost: "
	  "a\r\n\r\n" },
	{ "path: ... not even where nothing is stripped", "{ path = { add = '/v2' } }", NULL,
	  "1 /x/../../y HTTP/1.1\r\nHost: a\r\n\r\n2 /.. HTTP/1.1\r\nHost: a\r\n\r\n3 /../ HTTP/1.1\r\nHost: a\r\n\r\n"
	  "4 /x/.. HTTP/1.1\r\nHost: a\r\n\r\n",
	  "1 /v2/y HTTP/1.1\r\nHost: a\r\n\r\n2 /v2/ HTTP/1.1\r\nHost: a\r\n\r\n3 /v2/ HTTP/1.1\r\nHost: a\r\n\r\n"
	  "4 /v2/ HTTP/1.1\r\nHost: a\r\n\r\n" },
	{ "path: of two rules that hold the later counts",
	  "{ { path = { strip = '/a', add = '/1' } }, { path = { strip = '/a/b', add = '/2' }, when = { host = { 'x', 'y' } "
	  "} } }",
	  NULL,
	  GET "Host: a\r\n\r\n1 /a/b HTTP/1.1\r\nHost: a\r\n\r\n2 /a/b HTTP/1.1\r\nHost: y\r\n\r\n3 /a/c HTTP/1.1\r\n"
	      "Host: y\r\n\r\n",
	  GET "Host: a\r\n\r\n1 /1/b HTTP/1.1\r\nHost: a\r\n\r\n2 /2 HTTP/1.1\r\nHost: y\r\n\r\n3 /1/c HTTP/1.1\r\n"
	      "Host: y\r\n\r\n" },

	/* on_request */
	{ "on_request changes the target, over the rules",
	  "{ path = { add = '/v2' } } }\nfunction on_request(request)\n"
	  "if request.target:find('old') then request.target = '/new?' .. request.method end\n"
	  "for _, t in ipairs { '', 'x', '/a b', '/#', '/\\128', '/\\0', '/' .. ('x'):rep(4096) } do\n"
	  "assert(not pcall(function() request.target = t end)) end end\nlocal _ = {",
	  NULL,
	  "1 /old?a HTTP/1.1\r\nHost: a\r\n\r\n2 http://a/old?b HTTP/1.1\r\nHost: a\r\n\r\n3 /x HTTP/1.1\r\nHost: "
	  "a\r\n\r\n",
	  "1 /new?1 HTTP/1.1\r\nHost: a\r\n\r\n2 http://a/new?2 HTTP/1.1\r\nHost: a\r\n\r\n3 /v2/x HTTP/1.1\r\nHost: "
	  "a\r\n\r\n" },
	{ "on_request that fails changes no target",
	  "{} }\nfunction on_request(request) request.target = '/y' error('no') end\nlocal _ = {", NULL,
	  GET "Host: a\r\n\r\n", GET "Host: a\r\n\r\n" },
	{ "on_request sets, overrules and removes",
	  "headers.forwarded() }\nfunction on_request(request, flow)\n"
	  "request.headers['X-Tenant'] = tostring(flow.source) .. ' ' .. request.method .. ' ' .. request.target .. ' ' ..\n"
	  "request.host .. ' ' .. request.service .. ' ' .. tostring(request.headers['x-q']) .. ' ' ..\n"
	  "tostring(request.headers.Nothing) .. ' $host'\n"
	  "request.headers['X-Real-IP'] = 7 request.headers['X-Q'] = nil\n"
	  "for _, n in ipairs { 'For', 'Host', 'Port', 'Proto', 'Scheme' } do request.headers['X-Forwarded-' .. n] = nil "
	  "end\n"
	  "request.headers['X-Scheme'] = nil request.headers['X-Request-ID'] = nil end\nlocal _ = {",
	  NULL, GET "Host: A:81\r\nX-Q: 1\r\nx-q: 2\r\nX_Tenant: 6\r\nConnection: x-tenant\r\n\r\n",
	  GET "X-Real-IP: 7\r\nX-Tenant: 10.1.1.1 GET /x A:81 default/web 1, 2 nil $host\r\nHost: A:81\r\n\r\n" },
	{ "on_request alone, and for 1.0",
	  "{} }\nfunction on_request(request)\n"
	  "if request.host == nil then request.headers.A = 'none' end end\nlocal _ = {",
	  NULL, "GET / HTTP/1.0\r\n\r\n", "GET / HTTP/1.0\r\nA: none\r\n\r\n" },
	{ "on_request that fails sets nothing",
	  "{ set = { B = '1' } } }\nfunction on_request(request)\n"
	  "request.headers.A = '1' error('no') end\nlocal _ = {",
	  NULL, GET "Host: a\r\n\r\n", GET "B: 1\r\nHost: a\r\n\r\n" },
	{ "on_request cannot reach the framing",
	  "{} }\nfunction on_request(request)\n"
	  "for _, n in ipairs { 'Content-Length', 'transfer_encoding', 'Connection', 'a b', '' } do\n"
	  "assert(not pcall(function() request.headers[n] = '5' end)) end\n"
	  "assert(not pcall(function() request.headers.A = 'x\\r\\ny: z' end))\n"
	  "assert(not pcall(function() request.headers.A = 'x\\0y' end))\n"
	  "assert(not pcall(function() request.headers.Host = nil end))\n"
	  "assert(not pcall(function() request.method = 'PUT' end))\n"
	  "assert(not pcall(function() return request.metod end))\n"
	  "assert(not pcall(function() for i = 1, 17 do request.headers['A' .. i] = 'x' end end))\n"
	  "end\nlocal _ = {",
	  NULL, GET "Host: a\r\nA1: b\r\n\r\n",
	  GET "A1: x\r\nA2: x\r\nA3: x\r\nA4: x\r\nA5: x\r\nA6: x\r\nA7: x\r\nA8: x\r\nA9: x\r\nA10: x\r\nA11: x\r\n"
	      "A12: x\r\nA13: x\r\nA14: x\r\nA15: x\r\nA16: x\r\nHost: a\r\n\r\n" },
	{ "on_request may keep nothing",
	  "{} }\nlocal kept\nfunction on_request(request)\n"
	  "if kept then request.headers.A = tostring(pcall(function() return kept.method end)) end\n"
	  "if kept then kept = nil else kept = request end end\nlocal _ = {",
	  NULL, GET "Host: a\r\n\r\n" GET "Host: a\r\n\r\n", GET "Host: a\r\n\r\n" GET "A: false\r\nHost: a\r\n\r\n" },
};

static struct outcome outcome;

/* Writes a # for each id of 32 hexadecimal digits. */
static void hide_ids(struct outcome *o)
{
	size_t digits = 0, length = 0;

	for (size_t i = 0; i < o->length; i++) {
		bool digit = o->bytes[i] && strchr("0123456789abcdef", o->bytes[i]);

		digits = digit ? digits + 1 : 0;
		o->bytes[length++] = o->bytes[i];
		if (digits == 32) {
			length -= 32;
			o->bytes[length++] = '#';
		}
	}
	o->length = length;
}

/* `node`: more of its keys. */
static struct lun_policy *policy_with(const char *node, const char *http)
{
	char text[4096];
	static struct loaded loaded; /* a hook may complain later */

	snprintf(text, sizeof(text),
		 "node { name = 'n', addresses = { '172.18.0.2' }, pods = { '10.244.0.0/16' }%s }\n"
		 "service 'default/web' { cluster_ips = { '10.96.0.1', 'fd00::1' },\n"
		 "ports = { { port = 80, target_port = 8080 } }, endpoints = { '10.244.0.5' }, http = %s }\n",
		 node, http);
	loaded_init(&loaded);
	if (loaded_text(&loaded, text) < 0)
		fail_msg("%s", loaded.error.text);
	lun_policy_ref(loaded.policy);
	loaded_fini(&loaded);
	return loaded.policy;
}

static struct lun_policy *policy_of(const char *http)
{
	return policy_with("", http);
}

static void check(const struct edit *edit, struct lun_policy *policy, size_t first, size_t step)
{
	size_t length = strlen(edit->client);
	const struct trial trial = {
		.policy = policy, .from = edit->from, .bytes = edit->client, .length = length, .first = first, .step = step
	};

	trial_run(&trial, &outcome);
	if (outcome.status.refused)
		fail_msg("%s: refused at %llu: %s", edit->name, (unsigned long long)outcome.status.offset,
			 outcome.status.text);
	hide_ids(&outcome);
	if (outcome.length != strlen(edit->upstream) || memcmp(outcome.bytes, edit->upstream, outcome.length) != 0)
		fail_msg("%s, cut at %zu, then each %zu: expected\n%s\ngot\n%.*s", edit->name, first, step, edit->upstream,
			 (int)outcome.length, outcome.bytes);
}

static void each_edit_gives_these_bytes(void **state)
{
	(void)state;
	for (size_t i = 0; i < sizeof(edits) / sizeof(edits[0]); i++) {
		struct lun_policy *policy = policy_of(edits[i].http);
		size_t length = strlen(edits[i].client);

		check(&edits[i], policy, length, 1);
		check(&edits[i], policy, 1, 1);
		for (size_t cut = 0; cut < length; cut++)
			check(&edits[i], policy, cut, length);
		lun_policy_unref(policy);
	}
}

/* Where lines were put is counted in the client's bytes; ids differ between requests, and not between runs. */
static void places_and_ids(void **state)
{
	static const char client[] = "GET / HTTP/1.1\r\nHost: a\r\n\r\n\r\nGET / HTTP/1.1\r\nHost: a\r\n\r\n";
	struct lun_policy *policy = policy_of("{ set = { A = '$request_id' } }");
	const struct trial trial = {
		.policy = policy, .bytes = client, .length = sizeof(client) - 1, .first = 1, .step = 7
	};
	char first[128];

	(void)state;
	trial_run(&trial, &outcome);
	assert_int_equal(outcome.status.requests, 2);
	assert_int_equal(outcome.injected, 2);
	assert_int_equal(outcome.injected_at[0], 16);
	assert_int_equal(outcome.injected_at[1], 27 + 2 + 16);
	assert_memory_equal(outcome.bytes + 16, "A: ", 3);
	assert_memory_equal(outcome.bytes + 16 + 37 + 11 + 2 + 16, "A: ", 3);
	assert_memory_not_equal(outcome.bytes + 16, outcome.bytes + 16 + 37 + 11 + 2 + 16, 35);
	memcpy(first, outcome.bytes, sizeof(first));
	trial_run(&trial, &outcome);
	assert_memory_equal(first, outcome.bytes, sizeof(first));
	lun_policy_unref(policy);
}

/* A service without `http` is not read at all. */
static void other_bytes_pass_by(void **state)
{
	static const char client[] = "\n\nSSH-2.0\0\r\r";
	struct lun_policy *policy = policy_of("nil");
	const struct trial trial = { .policy = policy, .bytes = client, .length = sizeof(client), .first = 3, .step = 5 };

	(void)state;
	trial_run(&trial, &outcome);
	assert_false(outcome.status.refused);
	assert_int_equal(outcome.length, sizeof(client));
	assert_memory_equal(outcome.bytes, client, sizeof(client));
	lun_policy_unref(policy);
}

/* What our lines make of a head has a limit of its own. */
static void an_edited_head_has_a_limit(void **state)
{
	static char client[41000];
	struct lun_policy *policy =
		policy_of("{ set = { A = '$http_q$http_q$http_q$http_q', B = '$http_q$http_q$http_q$http_q' } }");
	struct trial trial = { .policy = policy, .bytes = client };
	size_t length = (size_t)sprintf(client, "GET / HTTP/1.1\r\nHost: a\r\n");

	(void)state;
	while (length < 36000)
		length += (size_t)sprintf(client + length, "Q: %08000d\r\n", 0);
	length += (size_t)sprintf(client + length, "\r\n");
	trial.length = trial.first = length;
	trial_run(&trial, &outcome);
	assert_true(outcome.status.refused);
	assert_int_equal(outcome.status.reason, LUN_REASON_http_too_large);
	assert_int_equal(outcome.status.offset, 0);
	assert_int_equal(outcome.length, 0);
	lun_policy_unref(policy);
}

/* What is in front of the head on which the hook fails goes on. */
static void a_failed_hook_may_refuse(void **state)
{
	static const char client[] = GET "Host: a\r\n\r\n" GET "Host: b\r\n\r\n";
	struct lun_policy *policy =
		policy_with(", on_error = 'drop'", "{ set = { A = '1' } } }\n"
						   "function on_request(request)\n"
						   "if request.host == 'b' then error 'no' end end\nlocal _ = {");
	const struct trial trial = {
		.policy = policy, .bytes = client, .length = sizeof(client) - 1, .first = 1, .step = 7
	};

	(void)state;
	trial_run(&trial, &outcome);
	assert_true(outcome.status.refused);
	assert_int_equal(outcome.status.reason, LUN_REASON_policy_error);
	assert_int_equal(outcome.status.offset, sizeof(GET "Host: a\r\n\r\n") - 1);
	assert_int_equal(outcome.length, sizeof(GET "A: 1\r\nHost: a\r\n\r\n") - 1);
	lun_policy_unref(policy);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(each_edit_gives_these_bytes), cmocka_unit_test(places_and_ids),
		cmocka_unit_test(other_bytes_pass_by),         cmocka_unit_test(an_edited_head_has_a_limit),
		cmocka_unit_test(a_failed_hook_may_refuse),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
