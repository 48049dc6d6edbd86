#!/usr/bin/env bash
# An endpoint that does not answer: a SYN that comes for the third time goes to another one, and only then; where there is no
# other one it goes on waiting; a connection that was answered is not moved, whoever repeats its SYN.
source "$(dirname "${BASH_SOURCE[0]}")/lib.sh"

cat >>"$work/policy.lua" <<-EOT
	service "default/one" {
		cluster_ips = { "10.96.0.12" }, endpoints = { "10.244.0.5" }, ports = { { port = 80, target_port = 8080 } },
	}
EOT
# counter NAME
counter() { "$LUNETTE" stats --control "$work/control" --json | jq "select(.summary) | .summary.$1"; }
entry() { node conntrack -L -o id -p tcp --orig-port-src "$1" 2>/dev/null | grep -o ' id=.*'; }
client nft 'table inet leak { chain input { type filter hook prerouting priority -400; ip daddr 10.96.0.0/12 counter; }; }'

agent_start
client curl -s --local-port 41000 -o "$work/got" http://10.96.0.12/slow &
download=$!
wait_for test -s "$work/got"
answered=$(entry 41000)

pod1 nft 'table inet mute { chain input { type filter hook prerouting priority -400; tcp dport 8080 tcp flags syn drop; }; }'
for port in 40001 40002 40003 40004; do # half of them to each pod
	client curl -s --local-port $port --max-time 8 -w '%{time_total}\n' http://10.96.0.10/ >"$work/answer$port" &
	eval "request$port=$!"
done
client curl -s --local-port 40005 --max-time 15 http://10.96.0.12/ >"$work/answer40005" &
waiting=$!
late=0
for port in 40001 40002 40003 40004; do
	pid=request$port
	wait "${!pid}" || fail "port $port: curl status $?"
	is "$(head -1 "$work/answer$port")" "pod2 10.244.0.1" "who answers port $port"
	late=$((late + $(awk 'NR == 2 { print ($1 >= 1.5 && $1 < 7) }' "$work/answer$port")))
done
is "$late" 2 "connections that waited for the third SYN, two seconds and not one"
[[ $(counter moved) -ge 2 ]] || fail "moved: $(counter moved)"

# The only endpoint comes back, and the connection is opened by a later SYN.
pod1 nft delete table inet mute
wait $waiting || fail "a service with one endpoint: curl status $?"
is "$(cat "$work/answer40005")" "pod1 10.244.0.1" "the endpoint that came back"

client "$LUNETTE_BUILD/tests/helper-forge_syn" 192.168.77.2 41000 10.96.0.12 80 20
is "$(entry 41000)" "$answered" "the entry of a connection that was answered"
wait $download || fail "the download broke: curl status $?"
cmp "$work/big" "$work/got"
is "$(client nft -j list table inet leak | jq '[.. | .counter? | objects | .packets] | add')" 0 "packets that left untranslated"
