#!/usr/bin/env bash
# Requests that are refused inline: real clients get the response whole, also in the middle of an upload and where it is lost once; one
# that is owed a response, or whose service wants it so, gets a reset; the pod gets a reset and nothing of the request; the log says
# which byte it was.
source "$(dirname "${BASH_SOURCE[0]}")/lib.sh"

cat >"$work/policy.lua" <<-EOT
	node { name = "node", addresses = { "192.168.77.1", "fd77::1" }, pods = { "10.244.0.0/16", "fd44::/64" } }
	for number, refuse in ipairs { "answer", "reset" } do
		service("default/" .. refuse) {
			cluster_ips = { "10.96.0.2" .. number, "fd96::2" .. number }, endpoints = { "10.244.0.5", "fd44::5" },
			ports = { { port = 80, target_port = 8080 } }, http = { headers.forwarded(), { refuse = refuse } },
		}
	end
EOT
agent_start --inline --set-sysctls
twice=(-H 'Content-Length: 1' -H 'Transfer-Encoding: chunked')
none_left() { [[ $(pod1 ss -Htn state established sport = :8080 | wc -l) -eq 0 ]]; }
# answer OPTIONS...: what curl says of an answer, in less than a second, without a second attempt.
answer() { client curl -sg --max-time 5 -o "$work/got" -w '%{http_code} %{exitcode} %{num_connects}' "$@" || true; }

for host in 10.96.0.21 [fd96::21]; do
	is "$(answer "${twice[@]}" -d x "http://$host/")" "400 0 1" "$host: two lengths"
	is "$(answer -H "X: $(head -c 9000 /dev/zero | tr '\0' x)" "http://$host/")" "431 0 1" "$host: a line of 9 kB"
	is "$(answer -H Expect: -H 'Bad name: x' -T "$work/big" "http://$host/put/x")" "400 0 1" "$host: an upload of 8 MB"
	is "$(answer "http://$host/echo")" "200 0 1" "$host: a good request"
	wait_for none_left
done
is "$(client bash -c 'exec 3<>/dev/tcp/10.96.0.21/80; printf "GET / HTTP/1.1\r\nHost: a\r\nA b: c\r\n\r\n" >&3; timeout 5 cat <&3; echo $?' | tr '\r\n' '$ ')" \
	"HTTP/1.1 400 Bad Request$ Connection: close$ Content-Length: 0$ $ 0 " "the response, and the end"
is "$(answer "${twice[@]}" -d x http://10.96.0.22/)" "000 56 1" "where the policy wants a reset"
is "$(client curl -s --max-time 5 -o "$work/got" -w '%{http_code} %{exitcode} ' http://10.96.0.21/echo --next "${twice[@]}" -d x -o "$work/got" \
	-w '%{http_code} %{exitcode}' http://10.96.0.21/ || true)" "200 0 400 0" "behind a good request: a reset, and curl comes again"

# The first response is lost on its way to the client.
client nft 'table ip lossy {
	set seen { type inet_service; flags dynamic; size 1000; }
	chain in {
		type filter hook prerouting priority raw; policy accept;
		tcp sport 80 tcp flags & fin == fin tcp dport != @seen add @seen { tcp dport } counter drop
	}
}'
is "$(answer "${twice[@]}" -d x http://10.96.0.21/)" "400 0 1" "the response is lost once"
[[ $(client nft list table ip lossy | grep -oE 'packets [0-9]+') == "packets 1" ]] || fail "nothing was lost"

# Where responses are edited, it is known when they are over.
client nft delete table ip lossy
cat >>"$work/policy.lua" <<-"EOT"
	service "default/both" {
		cluster_ips = { "10.96.0.23", "fd96::23" }, endpoints = { "10.244.0.5", "fd44::5" }, ports = { { port = 80, target_port = 8080 } },
		http = { headers.forwarded(), { response = { set = { ["X-New"] = "$endpoint" }, remove = { "Server" } } } },
	}
EOT
reload
for host in 10.96.0.23 [fd96::23]; do
	from=$([[ $host == *:* ]] && echo fd77::2 || echo 192.168.77.2)
	is "$(client curl -sg --max-time 5 "http://$host/echo" --next -sg "${twice[@]}" -d x -w '%{http_code} %{num_connects}' "http://$host/" | xargs)" \
		"$from 400 0" "$host: a refused request behind a good one"
	client curl -sgI --max-time 5 "http://$host/big" | tr -d '\r' >"$work/head"
	is "$(grep -cE '^(X-New: (10.244.0.5|\[fd44::5\]):8080|Server:.*)$' "$work/head")" 1 "$host: the response to HEAD is edited"
	for _ in 1 2 3; do
		client curl -sg --max-time 20 -o "$work/down" "http://$host/big" --next -sg -H Expect: -T "$work/big" "http://$host/put/up"
		cmp "$work/big" "$work/down" || fail "$host: what came down"
		cmp "$work/big" "$work/pod1/put/up" || fail "$host: what came up"
	done
	echo "ok: $host: 8 MB up and down"
done
grep -qE 'refused.* at byte [1-9][0-9]*: .*\(http_malformed, answered with 400\)' "$agent_log" || fail "no byte is named: $(cat "$agent_log")"
wait_for none_left

# What the kernel carries is not edited on its way back, and that is said.
agent_stop TERM
status=0
node "$LUNETTE" run -p "$work/policy.lua" 2>"$work/said" || status=$?
grep -qF "default/both:80: its responses are edited, but the kernel carries them past us: expected lunette run --inline" "$work/said" ||
	fail "without --inline it said: $(cat "$work/said")"
is "$status" 2 "edited responses without --inline: exit status"
