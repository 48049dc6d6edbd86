#!/usr/bin/env bash
# The kernel's table of connections is full: what opens is dropped and counted, what is open goes on, nothing leaves
# untranslated; when there is room again, everything works.
source "$(dirname "${BASH_SOURCE[0]}")/lib.sh"

most=$(node sysctl -n net.netfilter.nf_conntrack_max)
[[ $most -le 2000000 ]] || skip "a table of $most entries is too large to be filled here"
ip netns exec "$lab-pod1" "$LUNETTE_BUILD/tests/helper-datagram" serve pod1 5353 &
started+=($!)
cat >>"$work/policy.lua" <<-EOT
	service "default/dns" {
		cluster_ips = { "10.96.0.11" }, endpoints = { "10.244.0.5" }, ports = { { protocol = "udp", port = 53, target_port = 5353 } },
	}
EOT
client nft 'table inet leak { chain input { type filter hook prerouting priority -400; ip daddr 10.96.0.0/12 counter; }; }'
datagram() { client "$LUNETTE_BUILD/tests/helper-datagram" ask "$@" || echo "status $?"; }

agent_start
client curl -s -o "$work/got" http://10.96.0.10/slow &
download=$!
is "$(datagram -f 40000 10.96.0.11 53)" "1 pod1 10.244.0.1" "a UDP flow"
wait_for eval 'node conntrack -L -p tcp --orig-dst 10.96.0.10 2>/dev/null | grep -q ESTABLISHED'

node "$LUNETTE_BUILD/tests/helper-many" fill $((most + 1000)) >"$work/made"
[[ $(cat "$work/made") -gt $((most - 1000)) ]] || fail "the table could not be filled: $(cat "$work/made")"
status=0; client curl -s --max-time 1.5 http://10.96.0.10/ || status=$?
is "$status" 28 "a connection while the table is full: curl"
is "$(datagram -f 40001 10.96.0.11 53)" "status 1" "a new UDP flow while the table is full"
is "$(datagram -f 40000 10.96.0.11 53)" "1 pod1 10.244.0.1" "the known UDP flow while the table is full"
grep -q 'dropped.*its table is full' "$agent_log" || fail "no word of the full table: $(cat "$agent_log")"
[[ $(grep -c 'its table is full' "$agent_log") -le 4 ]] || fail "too many words of the full table"

node conntrack -D -p udp --orig-dst 192.0.2.1 >/dev/null 2>&1
client curl -s --max-time 5 http://10.96.0.10/ | grep -q ^pod || fail "no answer when there is room again"
is "$(datagram -f 40001 10.96.0.11 53)" "1 pod1 10.244.0.1" "a new UDP flow when there is room again"
wait $download || fail "the download broke: curl status $?"
cmp "$work/big" "$work/got"
is "$(client nft -j list table inet leak | jq '[.. | .counter? | objects | .packets] | add')" 0 "packets that left untranslated"
