#!/usr/bin/env bash
# More openings than the queue holds: the agent is stopped (SIGSTOP) under a flood of SYNs.  What finds the queue full is dropped
# and counted, what is carried goes on, and after it everybody is served; nothing leaves untranslated.
source "$(dirname "${BASH_SOURCE[0]}")/lib.sh"

ip netns exec "$lab-pod1" "$LUNETTE_BUILD/tests/helper-datagram" serve pod1 5353 &
started+=($!)
cat >>"$work/policy.lua" <<-EOT
	service "default/dns" {
		cluster_ips = { "10.96.0.11" }, endpoints = { "10.244.0.5" },
		ports = { { protocol = "udp", port = 53, target_port = 5353 } },
	}
EOT
client nft 'table inet leak { chain input { type filter hook prerouting priority -400; ip daddr 10.96.0.0/12 counter; }; }'
pod1 nft 'table inet mute { chain input { type filter hook prerouting priority -400; ip saddr 198.18.0.0/15 drop; }; }'
pod2 nft 'table inet mute { chain input { type filter hook prerouting priority -400; ip saddr 198.18.0.0/15 drop; }; }'
datagram() { client "$LUNETTE_BUILD/tests/helper-datagram" ask "$@" 10.96.0.11 53 || echo "status $?"; }
counter() { "$LUNETTE" stats --control "$work/control" --json | jq "select(.summary) | .summary.$1"; }
flood=40000

agent_start --flow-limit 200000
client curl -s -o "$work/got" http://10.96.0.10/slow &
download=$!
wait_for test -s "$work/got"
is "$(datagram -f 40000)" "1 pod1 10.244.0.1" "a UDP flow"
kill -STOP "$agent"
client "$LUNETTE_BUILD/tests/helper-forge_syn" series $flood 10.96.0.10 80
is "$(datagram -f 40000)" "1 pod1 10.244.0.1" "the UDP flow while the queue is full"
is "$(datagram -f 40001)" "status 1" "a new UDP flow then"
client curl -s --max-time 10 http://10.96.0.10/ >"$work/answer" & # its SYN comes again
late=$!
sleep 0.5
kill -CONT "$agent"

wait $late || fail "a connection that began while the queue was full: curl status $?"
is "$(datagram -f 40001)" "1 pod1 10.244.0.1" "a new UDP flow when the agent is back"
lost=$(counter 'queue_full + .summary.socket_full')
[[ $lost -ge $((flood / 4)) ]] || fail "lost: $lost of $flood"
[[ $(counter queued) -ge $((flood - lost)) ]] || fail "queued: $(counter queued), lost: $lost, of $flood"
echo "ok: of $flood openings $lost found the queue full, the others were committed: $(counter committed)"
wait $download || fail "the download broke: curl status $?"
cmp "$work/big" "$work/got"
is "$(client nft -j list table inet leak | jq '[.. | .counter? | objects | .packets] | add')" 0 "packets that left untranslated"
