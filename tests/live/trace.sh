#!/usr/bin/env bash
# `lunette trace --live`: the next packets that fit are explained, in both modes, as they come; several may ask; who goes away, or
# asks badly, harms nobody; and nothing is left when nobody asks.
source "$(dirname "${BASH_SOURCE[0]}")/lib.sh"
command -v perl >/dev/null || skip "perl is not installed"

cat >>"$work/policy.lua" <<-'EOT'
	service "default/shut" { cluster_ips = { "10.96.0.13" }, ports = { { port = 80 } }, endpoints = { "10.244.0.5" } }
	function on_flow(flow) if flow.service == "default/shut" then return drop("not today") end end
EOT
request() { client curl -s --max-time 5 -o /dev/null "http://10.96.0.10/" "$@"; }
# trace FILE OPTION...: asks in the background, and waits until the agent has heard it; its process is $!
trace() {
	"$LUNETTE" trace --live --control "$work/control" "${@:2}" >"$1" 2>"$1.err" &
	started+=($!)
	wait_for eval '[[ $(ss -xH state established src "$work/control" | awk "\$3 == 0" | wc -l) -ge ${asking:-1} ]]'
	sleep 0.2 # the line is read in the turn of the loop that follows
}
finished() { wait "$1" || fail "trace failed: $(cat "$2.err")"; }

for mode in commit inline; do
	options=(--flush)
	[[ $mode == commit ]] || options=(--inline --set-sysctls)
	agent_start "${options[@]}"

	trace "$work/one" --filter 'tcp dst port 80 and dst host 10.96.0.10'
	client curl -s --max-time 1 http://10.96.0.13/ && fail "what is dropped was answered"
	[[ ! -s $work/one ]] || fail "$mode: what does not fit was explained: $(cat "$work/one")"
	request
	finished "$!" "$work/one"
	cat "$work/one"
	grep -qE '^tcp 192.168.77.2:[0-9]+ 10.96.0.10:80$' "$work/one" || fail "$mode: no query"
	grep -qE '^  service +default/web:http, reached by cluster_ip +policy.lua:2$' "$work/one" || fail "$mode: no service"
	grep -qE '^  => dnat  tcp (192.168.77.1|10.244.0.1):[0-9]+ 10.244.0.[56]:8080$' "$work/one" || fail "$mode: no result"
	grep -qE '^     50.0 %  10.244.0.6:8080$' "$work/one" || fail "$mode: no endpoints"

	# Two ask, for the same and for something else.
	trace "$work/drop" --json --filter 'dst host 10.96.0.13'
	first=$!
	asking=2 trace "$work/all" --json --count 3
	second=$!
	client curl -s --max-time 1 http://10.96.0.13/ && fail "what is dropped was answered"
	request
	request
	finished "$first" "$work/drop"
	finished "$second" "$work/all"
	is "$(jq -r 'select(.query) | "\(.result) \(.reason) \(.steps[-1].at)"' "$work/drop")" "drop not today policy.lua:8" "$mode: a drop"
	is "$(jq -s 'length' "$work/all") $(tail -1 "$work/all")" '4 {"summary":{"packets":3}}' "$mode: three packets, and a summary"
	grep -qF "$(head -1 "$work/drop")" "$work/all" ||
		fail "$mode: not seen by both: $(cat "$work/drop" "$work/all")"

	# Who goes away is noticed at once, and takes nothing with it.
	trace "$work/gone" --filter 'udp port 1'
	kill "$!"
	wait "$!" 2>/dev/null || true
	perl -MIO::Socket::UNIX -e '
		for (1 .. 40) {
			my $s = IO::Socket::UNIX->new(Peer => $ARGV[0]) or die;
			print $s "{\"command\":\"trace\",\"count\":1000}\n", $_ % 2 ? "more of it\n" x 1000 : "";
		}' "$work/control" 2>/dev/null || true
	request
	wait_for eval '[[ $(ss -xH state established src "$work/control" | wc -l) -eq 0 ]]'
	is "$("$LUNETTE" flows --control "$work/control" --json | jq -r 'select(.summary).summary.flows')" 4 "$mode: connections"
	agent_stop TERM
	is "$agent_status" 0 "$mode: exit status"
done

agent_start --flush
refused() { # TEXT OPTION...
	local status=0
	"$LUNETTE" trace --live --control "$work/control" "${@:2}" 2>"$work/said" || status=$?
	[[ $status -eq 2 ]] && grep -qF -- "$1" "$work/said" || fail "${*:2}: $status $(cat "$work/said")"
}
refused "filter tcp prt 80: " --filter 'tcp prt 80'
refused "--count" --count 1001
refused "which has its policy" -p "$work/policy.lua"
refused "which has its policy" tcp 10.0.0.1:1 10.0.0.2:2
trace "$work/stopped" --count 5
last=$!
agent_stop TERM
status=0
wait "$last" || status=$?
is "$status $(cat "$work/stopped.err")" "3 lunette: the agent broke off its answer" "an agent that stops"
