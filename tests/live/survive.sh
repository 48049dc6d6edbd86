#!/usr/bin/env bash
# Committed connections outlive the agent: a download goes on after kill -9 and ends with the right bytes; meanwhile new
# connections are dropped, not let through; the next agent takes over without disturbing it.
source "$(dirname "${BASH_SOURCE[0]}")/lib.sh"

# What reaches the client's side addressed to a service left the node untranslated.
client nft 'table inet leak {
	chain input { type filter hook prerouting priority -400; ip daddr 10.96.0.0/12 counter; ip6 daddr fd96::/64 counter; }
}'
leaked() { client nft -j list table inet leak | jq '[.. | .counter? | objects | .packets] | add'; }

agent_start
client curl -s -o "$work/got4" http://10.96.0.10/slow &
download4=$!
client curl -sg -o "$work/got6" http://[fd96::10]/slow &
download6=$!
sleep 1
agent_stop KILL
kill -0 $download4 $download6 || fail "the downloads were over before the agent was killed"
is "$agent_status" 137 "the agent's end"

status=0
client curl -s --max-time 1.5 http://10.96.0.10/ || status=$?
is "$status" 28 "a new connection without an agent: curl"

agent_start
is "$(jq -r 'select(.event == "ready") | .flows' "$agent_log")" 2 "connections that the next agent took over"
client curl -s --max-time 5 http://10.96.0.10/ >/dev/null || fail "no new connection through the next agent"
kill -0 $download4 $download6 || fail "the downloads were over before the next agent came"

agent_stop TERM
is "$agent_status" 0 "SIGTERM, exit status"
status=0
client curl -s --max-time 1.5 http://10.96.0.10/ || status=$?
is "$status" 28 "a new connection after SIGTERM: curl"
kill -0 $download4 $download6 || fail "the downloads were over before the agent stopped"

wait $download4 || fail "the download over IPv4 broke: curl status $?"
wait $download6 || fail "the download over IPv6 broke: curl status $?"
sum=$(sha256sum <"$work/big")
is "$(sha256sum <"$work/got4")" "$sum" "bytes over IPv4"
is "$(sha256sum <"$work/got6")" "$sum" "bytes over IPv6"
is "$(leaked)" 0 "packets that left untranslated"
