#!/usr/bin/env bash
# Each write to and each read from the kernel fails once in turn (preload/netlink.c).  An agent that starts either bears it or says in
# one line what failed; with one that serves everybody is served, at the next try at the latest, and no packet waits for ever.
source "$(dirname "${BASH_SOURCE[0]}")/lib.sh"

countdown() { printf "\\x$(printf %02x "$1")\0\0\0" 1<>"$work/countdown$2"; } # the first byte is the least
left() { od -An -tu1 -N1 "$work/countdown$1" | tr -d ' '; }
agent_under=$(with_library netlink)

# start NUMBER: an agent, in a namespace of its own, whose call of that number fails, until it serves or ends.  What it said is in
# $work/start.NUMBER, its status and what is left to count in $work/ended.NUMBER.
start() {
	local pid status=0
	countdown "$1" ".$1"
	NETLINK_COUNTDOWN=$work/countdown.$1 unshare -n $agent_under "$LUNETTE" run -p "$work/policy.lua" --control "$work/control.$1" \
		--json >"$work/start.$1" 2>&1 &
	pid=$!
	for _ in {1..300}; do
		grep -q ready "$work/start.$1" || kill -0 $pid 2>/dev/null || break
		! grep -q ready "$work/start.$1" || break
		sleep 0.05
	done
	echo "$(grep -c ready "$work/start.$1") $(left ".$1")" >"$work/ended.$1"
	kill -TERM $pid 2>/dev/null || true
	wait $pid || status=$?
	echo "$status" >>"$work/ended.$1"
}

# Behind the sixteenth there are only reads of what the rules' watch is told, all alike.
served=0 refused=0
for ((number = 1; number <= 16; number++)); do
	start $number &
	((number % 4)) || wait $(jobs -p | tail -4)
done
for ((number = 1; number <= 16; number++)); do
	{ read -r ready rest; read -r status; } <"$work/ended.$number"
	is "$rest" 0 "call $number at a start failed, left" >/dev/null
	case $ready$status in
	10) served=$((served + 1)) ;;
	03) is "$(wc -l <"$work/start.$number")" 1 "lines" >/dev/null; refused=$((refused + 1)) ;;
	*) fail "call $number at a start: ready $ready, status $status: $(cat "$work/start.$number")" ;;
	esac
done
[[ $refused -ge 5 && $served -ge 5 ]] || fail "$served starts bore it, $refused said so"
echo "ok: of 16 calls at a start each failed once: $served times it was borne, $refused times said"

# Traffic that takes every way: a connection, one whose requests are edited, a new UDP flow, one that is ended.
ip netns exec "$lab-pod1" "$LUNETTE_BUILD/tests/helper-datagram" serve pod1 5353 &
started+=($!)
cat >>"$work/policy.lua" <<-EOT
	service "default/edited" {
		cluster_ips = { "10.96.0.20" }, endpoints = { "10.244.0.5" }, ports = { { port = 80, target_port = 8080 } },
		http = { set = { ["X-Mine"] = "a" } },
	}
	service "default/dns" {
		cluster_ips = { "10.96.0.11" }, endpoints = { "10.244.0.5" }, ports = { { protocol = "udp", port = 53, target_port = 5353 } },
	}
EOT
client nft 'table inet leak { chain input { type filter hook prerouting priority -400; iif eth0 ip daddr 10.96.0.0/12 counter; }; }'
connection() { client curl -s --max-time 5 http://10.96.0.10/ | grep -q '^pod'; }
request() { [[ $(client curl -s --max-time 5 http://10.96.0.20/echo) == " a" ]]; }
datagram() {
	for _ in 1 2; do client "$LUNETTE_BUILD/tests/helper-datagram" ask -f "$1" 10.96.0.11 53 >"$work/null" && return; done
	return 1
}
countdown 0 .agent
export NETLINK_COUNTDOWN=$work/countdown.agent
agent_start
for ((number = 1; number <= 100; number++)); do
	countdown "$number" .agent
	connection & asked=($!)
	request & asked+=($!)
	datagram $((30000 + number)) & asked+=($!)
	for job in "${asked[@]}"; do wait "$job" || fail "call $number: somebody was not served"; done
	"$LUNETTE" flows --control "$work/control" --source 192.168.77.2 --protocol udp --end >"$work/null"
	[[ $(left .agent) -eq 0 ]] || break
done
[[ $number -gt 10 && $number -lt 100 ]] || fail "$number calls under traffic"
echo "ok: of $number calls under traffic each failed once, and everybody was served"
countdown 0 .agent
is "$(client nft -j list table inet leak | jq '[.. | .counter? | objects | .packets] | add')" 0 "packets that left untranslated"
connection && request && datagram 40000 || fail "not all are served in the end"
is "$(node awk '{ sum += $3 } END { print sum }' /proc/net/netfilter/nfnetlink_queue)" 0 "packets that wait for ever"
