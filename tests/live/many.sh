#!/usr/bin/env bash
# Very many connections, MANY_FLOWS of them (100,000): an agent that starts takes them over, lists and counts them; an
# opening forged on the addresses and ports of each ends none; and others are served meanwhile.
source "$(dirname "${BASH_SOURCE[0]}")/lib.sh"

flows=${MANY_FLOWS:-100000}
[[ $(node sysctl -n net.netfilter.nf_conntrack_max) -gt $((flows + 10000)) ]] || skip "the kernel's table has no room for $flows"
# Nobody is there who could answer what is forged.
pod1 nft 'table inet mute { chain input { type filter hook prerouting priority -400; ip saddr 198.18.0.0/15 drop; }; }'
stats() { "$LUNETTE" stats --control "$work/control" --json | jq "$1"; }
alive() { node conntrack -L -p tcp --orig-dst 10.96.0.10 --state ESTABLISHED 2>/dev/null | grep -c 'src=198\.1[89]\.'; }
serves() { client curl -s --max-time 3 http://10.96.0.10/ | grep -q ^pod || fail "the agent does not serve $1"; }

agent_start --flow-limit $((flows * 2))
agent_stop KILL # its rules are there
is "$(node "$LUNETTE_BUILD/tests/helper-many" open "$flows")" "$flows" "entries made"
started_at=$(date +%s%N)
agent_start --flow-limit $((flows * 2))
echo "ok: the next agent serves after $((($(date +%s%N) - started_at) / 1000000)) ms"
is "$(stats 'select(.summary) | .summary.adopted')" "$flows" "connections that it took over"
is "$(stats 'select(.endpoint == "10.244.0.5:8080") | .flows')" "$flows" "connections of the endpoint"
is "$("$LUNETTE" flows --control "$work/control" --json --source 198.18.0.0/15 | jq -s '[.[] | select(.orig)] | length')" "$flows" \
	"connections listed"
serves "with so many"

client "$LUNETTE_BUILD/tests/helper-forge_syn" series "$flows" 10.96.0.10 80 &
forger=$!
for _ in {1..5}; do serves "under forged openings"; done
wait $forger
serves "after them"
seen=$(stats 'select(.summary) | .summary | .queued + .queue_full + .socket_full')
[[ $seen -ge $flows ]] || fail "only $seen packets came to the queue"
echo "ok: forged openings that were looked at: $(stats 'select(.summary) | .summary.queued') of $seen"
is "$(alive)" "$flows" "connections in the kernel's table"
[[ $(stats 'select(.summary) | .summary.flows') -ge $flows ]] || fail "the agent lost some: $(stats 'select(.summary) | .summary.flows')"

is "$("$LUNETTE" flows --control "$work/control" --json --source 198.18.0.0/16 --end | jq 'select(.summary) | .summary.flows')" "$flows" \
	"connections ended"
is "$(alive)" 0 "connections in the kernel's table then"
serves "after all that"
