#!/usr/bin/env bash
# `lunette http`: raw bytes in, raw bytes out, the verdict as exit status, text and JSON; the same for each --split.
set -euo pipefail

policy=${LUNETTE_SOURCE:?}/tests/policies/http.lua
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
cd "$folder"

fail() {
	echo "FAILED: $*" >&2
	exit 1
}

# expect STATUS ARGUMENT...: runs http with what is on stdin, into `out` and `err`.
expect() {
	local status=0
	"${LUNETTE:?}" http -p "$policy" "${@:2}" >out 2>err || status=$?
	((status == $1)) || fail "status $status, not $1, of http ${*:2}: $(cat err)"
}

same() { # FILE BYTES
	printf "$2" >wanted
	cmp wanted "$1" || fail "$1 is not as expected: $(cat -A "$1")"
}

# answers STATUS SERVICE BYTES WANTED JSON: for pieces of every size, whole included.
answers() {
	local split
	printf "$3" >in
	for split in 0 1 2 3 7 17 1000000; do
		expect "$1" --service "$2" --json --split $split <in
		same out "$4"
		same err "$5\n"
	done
	expect "$1" --service "$2" --json <in
	same out "$4"
	same err "$5\n"
}

get='GET / HTTP/1.1\r\nHost: a\r\n'
ours='X-Real-IP: 192.0.2.1\r\nX-Forwarded-For: 192.0.2.1\r\nX-Forwarded-Host: a\r\nX-Forwarded-Port: 80\r\n'
ours+='X-Forwarded-Proto: http\r\nX-Forwarded-Scheme: http\r\nX-Scheme: http\r\nX-Request-ID: 7\r\n'
edited="GET / HTTP/1.1\r\n${ours}Host: a\r\n"
good='{"refused":false,"offset":null,"reason":null,"requests":'

answers 0 default/web '' '' "${good}0,\"injected_at\":[]}"
answers 0 default/web "${get}x-request-id: 7\r\nX-Real-IP: 6.6.6.6\r\n\r\n" "$edited\r\n" "${good}1,\"injected_at\":[16]}"
answers 0 default/web "${get}X-Request-ID: 7\r\n\r\n${get}Content-Length: 3\r\nX-Request-ID: 7\r\n\r\nabc" \
	"$edited\r\n${edited}Content-Length: 3\r\n\r\nabc" "${good}2,\"injected_at\":[16,60]}"
answers 0 default/read "$get\r\n" "$get\r\n" "${good}1,\"injected_at\":[]}"
answers 0 default/other 'anything\n\0at all' 'anything\n\0at all' "${good}0,\"injected_at\":[]}"

answers 0 default/moved 'GET /api/x?/api HTTP/1.1\r\nHost: a\r\n\r\n' 'GET /v2/x?/api HTTP/1.1\r\nHost: a\r\n\r\n' \
	"${good}1,\"injected_at\":[]}"
answers 0 default/announced 'anything\n\0at all' 'PROXY TCP4 192.0.2.1 10.96.0.6 40000 80\r\nanything\n\0at all' \
	"${good}0,\"injected_at\":[]}"

# What went on before a refusal is written; the offset is in the client's bytes.
answers 2 default/web "${get}X-Request-ID: 7\r\n\r\nGET / HTTP/1.1\r\nX: y\r\n\r\n" "$edited\r\n" \
	'{"refused":true,"offset":66,"reason":"no Host","requests":1,"injected_at":[16]}'
answers 2 default/read "${get}Content-Length: 2\r\nContent-Length: 2\r\n\r\nab" '' \
	'{"refused":true,"offset":44,"reason":"a second Content-Length","requests":0,"injected_at":[]}'
answers 2 default/read "${get}Transfer-Encoding: chunked\r\n\r\n3\r\nabcX" "${get}Transfer-Encoding: chunked\r\n\r\n3\r\nabc" \
	'{"refused":true,"offset":61,"reason":"a chunk'"'"'s data that goes on behind its end","requests":1,"injected_at":[]}'
answers 2 default/read 'PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n' '' \
	'{"refused":true,"offset":4,"reason":"the preface of HTTP/2","requests":0,"injected_at":[]}'

# What is not complete is kept back, and that is no refusal.
answers 0 default/read "$get\r\n$get" "$get\r\n" \
	'{"refused":false,"offset":27,"reason":"a head or trailer section that is not complete","requests":1,"injected_at":[]}'
answers 0 default/read "${get}Upgrade: x\r\n\r\nopaque" "${get}Upgrade: x\r\n\r\n" \
	'{"refused":false,"offset":39,"reason":"bytes that wait for the answer to the request in front of them","requests":1,"injected_at":[]}'

expect 0 --service default/read --answer 101 < <(printf "${get}Upgrade: x\r\n\r\nopaque")
same out "${get}Upgrade: x\r\n\r\nopaque"
expect 2 --service default/read --answer 200 < <(printf "${get}Upgrade: x\r\n\r\n\001")
same out "${get}Upgrade: x\r\n\r\n"

# Without --json.
expect 2 --service default/read < <(printf 'GET /\r\n')
same err 'lunette: refused at byte 5: no version: HTTP/0.9 (http_malformed)\n'
expect 2 --service default/read < <(printf 'GET /%08192d' 0)
same err 'lunette: refused at byte 8192: a line of more than 8 kB (http_too_large)\n'
expect 0 --service default/read < <(printf 'GET')
same err 'lunette: kept back at byte 0: a head or trailer section that is not complete (http_incomplete)\n'
expect 0 --service default/read < <(printf "$get\r\n")
same err ''

# Who asks, where, and what it is passed on to.
place() { # ARGUMENTS WANTED
	# shellcheck disable=SC2086 # several arguments
	expect 0 --service default/place$1 < <(printf "$get\r\n")
	same out "GET / HTTP/1.1\r\nA: $2\r\nHost: a\r\n\r\n"
}
place '' '192.0.2.1:40000 10.96.0.4:80 10.244.0.5:8080'
place ' --from 10.1.1.1:7' '10.1.1.1:7 10.96.0.4:80 10.244.0.5:8080'
place ' --from [2001:db8::1]:7' '2001:db8::1:7 fd00:96::4:80 [fd00:244::5]:8080'
place ':admin' '192.0.2.1:40000 10.96.0.4:81 10.244.0.5:81'
place ':81' '192.0.2.1:40000 10.96.0.4:81 10.244.0.5:81'

# An id for each request, the same in each run but for another seed.
expect 0 --service default/web --seed 5 < <(printf "$get\r\n$get\r\n")
grep -oE 'X-Request-ID: [0-9a-f]{32}' out >ids
(($(sort -u ids | wc -l) == 2)) || fail "ids: $(cat ids)"
expect 0 --service default/web --seed 5 < <(printf "$get\r\n$get\r\n")
grep -oE 'X-Request-ID: [0-9a-f]{32}' out | cmp - ids
expect 0 --service default/web < <(printf "$get\r\n$get\r\n")
grep -qFf ids out && fail "the seed has no say"

# Much of it: a chunked body of 20 MB.
{
	printf "${get}Transfer-Encoding: chunked\r\n\r\n"
	for ((i = 0; i < 20; i++)); do
		printf '100000;x="y"\r\n'
		head -c 1048576 /dev/zero
		printf '\r\n'
	done
	printf '0\r\n\r\n'
} >in
expect 0 --service default/read <in
cmp in out

wrong() { # WHAT ARGUMENT...
	expect 2 "${@:2}" </dev/null
	grep -qF -- "$1" err || fail "http ${*:2} says: $(cat err)"
	[[ ! -s out ]] || fail "http ${*:2} prints"
}
wrong 'no service, expected --service NAME'
wrong 'the policy has no service "default/nothing" with a TCP port' --service default/nothing
wrong 'the policy has no service "default/dns" with a TCP port' --service default/dns
wrong 'the policy has no service "default/web:82" with a TCP port' --service default/web:82
wrong '--from 10.1.1.1: expected 192.0.2.1:40000 or [2001:db8::1]:40000' --service default/web --from 10.1.1.1
wrong '--split x: expected a number from 0 to' --service default/web --split x
wrong '--answer 99: expected a status from 100 to 999' --service default/web --answer 99
wrong 'unexpected argument in' --service default/web in
status=0
"$LUNETTE" http -p "$policy" --service default/read <in >/dev/full 2>err || status=$?
((status == 3)) || fail "a full disk gives status $status"
