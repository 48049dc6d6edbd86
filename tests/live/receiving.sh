#!/usr/bin/env bash
# A client that only receives hears at once that its connection was ended: a download breaks with a reset, whether `lunette flows
# --end` did it or a deadline, over IPv4 and IPv6, from outside, from the node and from a pod.  Others go on.
source "$(dirname "${BASH_SOURCE[0]}")/lib.sh"

client nft 'table inet leak { chain input { type filter hook prerouting priority -400; ip daddr 10.96.0.0/12 counter; }; }'
downloads=()
# download CLIENT ADDRESS NAME
download() {
	"$1" curl -sg --max-time 20 -o "$work/got-$3" "http://$2/slower" &
	downloads+=($!)
	wait_for test -s "$work/got-$3"
}
# broke NUMBER WHAT: that download ended with a reset.
broke() {
	local status=0
	wait "${downloads[$1]}" || status=$?
	is "$status" 56 "$2: curl"
}

sed -i 's/endpoints = {/drain = "1s", &/' "$work/policy.lua"
agent_start
download client 10.96.0.10 a
download client '[fd96::10]' b
download node 10.96.0.10 c
download pod1 '[fd96::10]' d
download client 192.168.77.1:32329 e
wait_for eval '[[ $("$LUNETTE" flows --control "$work/control" --json --state ESTABLISHED | jq "select(.summary) | .summary.flows") -eq 5 ]]'
started_at=$SECONDS
for source in fd77::2 192.168.77.1 fd44::5; do "$LUNETTE" flows --control "$work/control" --source $source --end >"$work/null"; done
broke 1 "a download over IPv6"
broke 2 "one from the node"
broke 3 "one of a pod, over IPv6"
"$LUNETTE" flows --control "$work/control" --destination 192.168.77.1:32329 --end >"$work/null"
broke 4 "one by a node port"
kill -0 "${downloads[0]}" || fail "one that was not ended broke"
sed -i 's/endpoints = { .*/endpoints = {},/' "$work/policy.lua"
reload
broke 0 "one past the deadline of its endpoint"
[[ $((SECONDS - started_at)) -lt 8 ]] || fail "that took $((SECONDS - started_at)) s"
is "$(client nft -j list table inet leak | jq '[.. | .counter? | objects | .packets] | add')" 0 "packets that left untranslated"
