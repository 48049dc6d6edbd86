#!/usr/bin/env bash
# `lunette top`: what it says of services, endpoints, clients and flows is what runs, at the rate at which it runs; on a terminal keys
# change what is seen, and the terminal is given back whatever ends it.  And filters in libpcap's language, which `lunette flows` has too;
# and what the README shows of a running agent.
source "$(dirname "${BASH_SOURCE[0]}")/lib.sh"
command -v script >/dev/null || skip "script is not installed"

once() { LC_ALL=C "$LUNETTE" top --control "$work/control" --once --interval 1 "$@"; }
# count EXPRESSION: how many flows fit
count() { "$LUNETTE" flows --control "$work/control" --json "$@" | jq -r 'select(.summary) | .summary.flows'; }

cat >>"$work/policy.lua" <<-'EOT'
	service "default/two" { cluster_ips = { "10.96.0.20" }, ports = { { port = 80, target_port = 8080 } }, endpoints = { "10.244.0.6" } }
EOT
sysctl_of node net.netfilter.nf_conntrack_acct=1
agent_start
client curl -s --local-port 40001 -o /dev/null 'http://10.96.0.20/slower?[1-4]' & # one connection, of a minute
started+=($!)
for port in 40002 40003; do client curl -s --local-port $port -o /dev/null http://10.96.0.10/; done
wait_for eval '[[ $(count) -eq 3 && $(count "state TIME_WAIT") -eq 2 ]]'

# Filters: libpcap's words and ours, with its precedence; what is wrong is named.
counts() { is "$(count "$2")" "$1" "flows: $2"; }
counts 3 'tcp dst port 80'
counts 2 'state TIME_WAIT and dst host 10.96.0.10'
counts 2 'not (state established or udp)'
counts 1 'service default/two'
counts 1 'service default/two:80 and (endpoint 10.244.0.6:8080 or age 3600)'
counts 0 'age 3600'
counts 3 'src net 192.168.77.0/24 and not src host 192.168.77.3'
counts 2 'src port 40002 or 40003'
counts 3 'tcp[tcpflags] & tcp-syn != 0'
is "$(count --service default/web 'src port 40002')" 1 "an option and an expression"
refused() { # TEXT ARGUMENT...
	local status=0
	"$LUNETTE" "${@:2}" --control "$work/control" >"$work/said" 2>&1 || status=$?
	[[ $status -eq 2 ]] && grep -qF -- "$1" "$work/said" || fail "${*:2}: $status $(cat "$work/said")"
}
refused "filter: state SLEEPING: expected a state such as ESTABLISHED" flows 'tcp and state SLEEPING'
refused "filter: age : expected seconds" top 'tcp and age'
refused "filter tcp prt 80: " flows 'tcp prt 80'
refused "filter ether host 2:0:0:0:0:1: " flows 'ether host 2:0:0:0:0:1'
refused "--sort size: not one of its keys" top --sort size
refused "--interval 0: expected seconds, 1 at least" top --interval 0

# One look: a download of 500 kB/s, its service, endpoint and client, and what is not known.
title='^lunette top: 3 connections, 0 new/s, [0-9.]+k? packets/s, [0-9.]+k bytes/s; 2 services$'
wait_for eval 'once >"$work/said"; grep -qE "$title" "$work/said"' # on a slow machine the kernel is not asked each second
cat "$work/said"
grep -qE '^service +>conns +new/s +pkts/s +bytes/s$' "$work/said" || fail "the head"
grep -qE '^default/web:http +2 +0 +0 +0 #{25}$' "$work/said" || fail "an idle service"
grep -qE '^default/two:80 +1 +0 +[0-9.]+k? +[0-9.]+k #{13}$' "$work/said" || fail "a service"
[[ $(awk '{ if (length($0) > most) most = length($0) } END { print most }' "$work/said") -le 80 ]] || fail "wider than 80 columns"
is "$(once --by endpoint --sort bytes | sed -n 3p | cut -d ' ' -f 1-3)" "10.244.0.6:8080  default/two:80" "the endpoint of most bytes"
once --by source --json 'state ESTABLISHED' >"$work/said"
is "$(jq -r 'select(.source) | "\(.source) \(.flows)"' "$work/said")" "192.168.77.2 1" "a client"
rate=$(jq -s '(map(select(.source))[0].bytes | add) / (map(select(.summary))[0].summary.interval_ms)' "$work/said")
[[ ${rate%.*} -ge 100 && ${rate%.*} -le 1500 ]] || fail "500 kB/s are told as $rate kB/s"

# On a terminal of 80 columns.  What was written to it is in $work/screen.
terminal() { # COMMAND...: begins it; its keys are written to 9
	rm -f "$work/keys" "$work/screen"
	mkfifo "$work/keys"
	: >"$work/screen"
	SHELL=/bin/sh LC_ALL=C.UTF-8 script -qfec "stty rows 12 cols 80; stty -g >$work/before; $*; echo \"status \$?\"; stty -g >$work/after" \
		"$work/screen" <"$work/keys" >/dev/null 2>&1 &
	terminal=$!
	started+=("$terminal")
	exec 9>"$work/keys"
}
# keys TEXT PATTERN: presses keys; then this is seen
keys() {
	local before
	before=$(wc -c <"$work/screen")
	printf "$1" >&9
	for _ in {1..100}; do
		tail -c +$((before + 1)) "$work/screen" | sed 's/\x1b\[[0-9;?]*[A-Za-z]/\n/g' >"$work/seen"
		grep -qE -- "$2" "$work/seen" && return
		sleep 0.1
	done
	fail "after $(printf %q "$1") there is no '$2': $(cat "$work/seen")"
}
given_back() { # STATUS WHAT
	wait_for test -s "$work/after"
	exec 9>&-
	wait "$terminal" || true
	grep -q "status $1" "$work/screen" || fail "$2: $(tail -5 "$work/screen")"
	cmp -s "$work/before" "$work/after" || fail "$2: the terminal is not as it was"
	grep -q $'\x1b\[?25h\x1b\[?1049l' "$work/screen" || fail "$2: the screen is not given back"
	rm "$work/after"
	echo "ok: the terminal after $2"
}
top="$LUNETTE top --control $work/control --interval 1"
terminal "$top"
keys '' '^default/two:80 +1 +0 +[0-9.]+k? +[0-9.]+k .*█'
keys b '^service +conns +new/s +pkts/s +>bytes/s$'
keys n '^service +>conns '
keys '\033[B\n' '^of service default/two:80$'
grep -qE '^10.244.0.6:8080  default/two:80 +1 ' "$work/seen" || keys '' '^10.244.0.6:8080  default/two:80 +1 '
keys '\n' '^of service default/two:80, endpoint 10.244.0.6:8080$'
keys '\n' '^tcp 192.168.77.2:40001 10.96.0.20:80 +1 '
keys '\177' '^192.168.77.2 +1 '
keys '\033' '^of service default/two:80$'
keys '\033' '^default/web:http '
keys f '^tcp 192.168.77.2:4000[123] '
keys c '^source +>conns '
keys '\032' $'^$' # ^Z
pid=$(pgrep -f "^$top") || fail "it is gone"
wait_for grep -q '^State:.*T' "/proc/$pid/status"
tail -c 20 "$work/screen" | grep -q '1049l' || fail "the screen is not given back to who stopped it"
kill -CONT "$pid"
keys e '^endpoint +>conns '
keys q ''
given_back 0 q
for end in '\003' TERM; do
	terminal "$top"
	keys '' '^default/two:80 '
	[[ $end != [A-Z]* ]] || kill -"$end" "$(pgrep -f "^$top")"
	[[ $end == [A-Z]* ]] || printf "$end" >&9
	given_back 0 "$(printf %q "$end")"
done
terminal "$top"
keys '' '^default/two:80 '
agent_stop KILL
given_back 3 "the agent's end"
grep -q 'lunette: the agent broke off its answer' "$work/screen" || fail "not a word: $(tail -3 "$work/screen")"

# What the kernel does not count is not told.
sysctl_of node net.netfilter.nf_conntrack_acct=0
agent_start --flush
client curl -s -o /dev/null http://10.96.0.20/
once | grep -qE '^default/two:80 +[12] +0 +- +- #' || fail "what is not known is told: $(once)"

# What the README's tour says of a running agent.
lunette() { timeout 10 "$LUNETTE" "$@" --control "$work/control"; }
sed -n '/^```sh live$/,/^```$/p' "$LUNETTE_SOURCE/README.md" | sed '1d;$d' >"$work/tour"
[[ $(wc -l <"$work/tour") -ge 4 ]] || fail "the README has no tour any more"
client curl -s -o /dev/null http://10.96.0.10/
while read -r line; do
	eval "$line" >"$work/said" </dev/null &
	shown=$!
	while kill -0 $shown 2>/dev/null; do client curl -s -o /dev/null --max-time 1 http://10.96.0.10/; done
	wait $shown || fail "$line"
	[[ -s $work/said ]] || fail "nothing said by: $line"
	echo "ok: $line: $(wc -l <"$work/said") lines"
done <"$work/tour"
agent_stop TERM
