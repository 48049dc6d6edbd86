#!/usr/bin/env bash
# Links and addresses change below open connections: an interface that goes down and comes up again costs time and no byte; a
# pod's address that another pod gets receives nothing of the service that does not lead there any more.
source "$(dirname "${BASH_SOURCE[0]}")/lib.sh"

ip netns exec "$lab-pod1" "$LUNETTE_BUILD/tests/helper-datagram" serve pod1 5353 &
started+=($!)
ip netns exec "$lab-pod2" "$LUNETTE_BUILD/tests/helper-datagram" serve pod2 5353 &
started+=($!)
cat >>"$work/policy.lua" <<-EOT
	service "default/first" {
		cluster_ips = { "10.96.0.11" }, endpoints = { "10.244.0.5" },
		ports = {
			{ name = "dns", protocol = "udp", port = 53, target_port = 5353 },
			{ name = "http", port = 80, target_port = 8080 },
		},
	}
EOT
client nft 'table inet leak { chain input { type filter hook prerouting priority -400;
	ip daddr 10.96.0.0/12 counter; ip saddr 10.244.0.0/16 ip daddr 192.168.77.0/24 counter;
}; }'
datagram() { client "$LUNETTE_BUILD/tests/helper-datagram" ask -f 40000 10.96.0.11 53; }

agent_start
client curl -s -o "$work/got" http://10.96.0.11/slow &
download=$!
is "$(datagram)" "1 pod1 10.244.0.1" "a UDP flow"
wait_for test -s "$work/got"

# The routes go with an interface.
ip -n "$lab-node" link set pod1 down
sleep 0.5
ip -n "$lab-node" link set pod1 up
ip -n "$lab-node" route add 10.244.0.5 dev pod1 src 10.244.0.1
ip -n "$lab-node" link set client down
sleep 0.5
ip -n "$lab-node" link set client up
ip -n "$lab-node" route add default via 192.168.77.2
is "$(datagram)" "1 pod1 10.244.0.1" "the UDP flow after links went and came"
wait $download || fail "the download broke: curl status $?"
cmp "$work/big" "$work/got"
echo "ok: a download through links that went and came"

# The first pod goes, another one that has nothing to do with the service gets its address.
client curl -s -o "$work/null" -T "$work/big" --local-port 40009 --limit-rate 500k http://10.96.0.11/sink &
upload=$!
wait_for eval 'node conntrack -L -p tcp --orig-port-src 40009 2>/dev/null | grep -q ESTABLISHED'
sed -i '/"default\/first"/,$s/10.244.0.5/10.244.0.6/' "$work/policy.lua"
reload
ip -n "$lab-node" link delete pod1
other() { ip netns exec "$lab-other" "$@"; }
ip netns add "$lab-other"
ip -n "$lab-other" link set lo up
link_up other 10.244.0.1/32 fd44::1/128 10.244.0.5/32 fd44::5/128
ip -n "$lab-node" route add 10.244.0.5 dev other src 10.244.0.1
ip -n "$lab-other" route add 10.244.0.1 dev eth0
ip -n "$lab-other" route add default via 10.244.0.1
serve_in other
ip netns exec "$lab-other" "$LUNETTE_BUILD/tests/helper-datagram" serve other 5353 &
started+=($!)
other nft 'table inet seen { chain input { type filter hook prerouting priority -400;
	iif eth0 tcp flags & (syn | ack) == syn counter; iif eth0 udp dport 5353 counter;
}; }'
datagram || true # one may be lost
is "$(datagram)" "1 pod2 10.244.0.1" "the UDP flow, whose endpoint has gone"
is "$(client curl -s --max-time 2 http://10.96.0.11/)" "pod2 10.244.0.1" "a new connection"
status=0
wait $upload || status=$?
[[ $status -eq 55 || $status -eq 56 ]] || fail "the upload to the pod that has gone: expected a reset, got curl status $status"
echo "ok: the upload to the pod that has gone was reset by the other one"
is "$(other nft -j list table inet seen | jq '[.. | .counter? | objects | .packets] | add')" 0 \
	"openings and datagrams of the service at the pod that has the address now"
is "$(client nft -j list table inet leak | jq '[.. | .counter? | objects | .packets] | add')" 0 "packets that left untranslated"
