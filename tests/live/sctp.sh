#!/usr/bin/env bash
# SCTP is committed: an association's INIT is decided, the rest is carried; an INIT on an association that is open changes
# nothing; one that is over makes room.
source "$(dirname "${BASH_SOURCE[0]}")/lib.sh"

sctp=$LUNETTE_BUILD/tests/helper-sctp
for pod in pod1 pod2; do
	ip netns exec "$lab-$pod" "$sctp" serve $pod &
	started+=($!)
done
cat >"$work/policy.lua" <<-EOT
	node { name = "node", addresses = { "192.168.77.1", "fd77::1" }, pods = { "10.244.0.0/16", "fd44::/64" } }
	local ports = { { protocol = "sctp", port = 2905, node_port = 32905, target_port = 2906 } }
	service "default/sigtran" {
		type = "NodePort", cluster_ips = { "10.96.0.10", "fd96::10" }, balance = "round_robin", ports = ports,
		endpoints = { "10.244.0.5", "10.244.0.6", "fd44::5", "fd44::6" },
	}
	service "default/none" { cluster_ips = { "10.96.0.12" }, endpoints = {}, ports = { { protocol = "sctp", port = 2905 } } }
EOT
ask() { "$1" "$sctp" ask "${@:2}" || echo "status $?"; }
queued() { node cat /proc/net/netfilter/nfnetlink_queue | awk '$1 == 4242 { print $8 }'; }
entry() { node conntrack -L -o id -p sctp --orig-port-src "$1" 2>/dev/null; }
client nft 'table inet leak { chain input { type filter hook prerouting priority -400; ip daddr 10.96.0.0/12 counter; }; }'

agent_start
port=41000
for from in client node; do
	for to in "10.96.0.10 2905" "192.168.77.1 32905" "fd96::10 2905" "fd77::1 32905"; do
		source=10.244.0.1; [[ $to == *:* ]] && source=fd44::1
		is "$(ask $from -f $((port++)) $to | sed 's/pod[12] //')" $source "$from to $to is seen as"
	done
done
is "$(queued)" 8 "packets queued, of eight associations"
is "$(ask client 10.96.0.12 2905)" "status 3" "to a service without endpoints"

# INITs on an open association, forged or of a client that restarts: the entry stays, and so does the endpoint.  (The kernel
# takes the new verification tag, and would do so without us.)
first=$(ask client -f 42000 -k 10.96.0.10 2905)
before=$(entry 42000 | grep -o 'src=.*')
[[ $before == *ASSURED* ]] || fail "no open association: $(entry 42000)"
for _ in {1..5}; do client "$sctp" init 42000 10.96.0.10 2905; done
is "$(ask client -f 42000 -k 10.96.0.10 2905)" "$first" "a client that restarts, after forged INITs"
is "$(entry 42000 | grep -o 'src=.*')" "$before" "the entry of an open association after INITs"

# Over: the same ports again at once.
first=$(ask client -f 43000 10.96.0.10 2905)
second=$(ask client -f 43000 10.96.0.10 2905)
[[ $first == "pod"* && $second == "pod"* && $first != "$second" ]] || fail "the same ports again: $first, $second"
echo "ok: the same ports again: $first, $second"

# Somebody deletes the entry: what comes then is dropped, until the next INIT.
client "$sctp" ask -f 44000 -w 500 10.96.0.10 2905 >"$work/lost" &
lost=$!
wait_for eval 'entry 44000 | grep -q ESTABLISHED'
node conntrack -D -p sctp --orig-port-src 44000 >/dev/null 2>&1
status=0; wait $lost || status=$?
is "$status" 1 "data after the entry was deleted"
[[ $(ask client -f 44000 10.96.0.10 2905) == pod* ]] || fail "the next INIT does not heal it"
is "$(client nft -j list table inet leak | jq '[.. | .counter? | objects | .packets] | add')" 0 "packets that left untranslated"
