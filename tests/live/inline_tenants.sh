#!/usr/bin/env bash
# Inline, tenants: two clients with the same address on two interfaces, told apart by bits of the packet mark, reach the same
# service from the same port at the same time, each with pods of its own.
source "$(dirname "${BASH_SOURCE[0]}")/lib.sh"

ip netns add "$lab-twin"
ip -n "$lab-node" link add twin type veth peer name eth0 netns "$lab-twin"
ip -n "$lab-node" link set twin up
ip -n "$lab-twin" link set eth0 up
ip -n "$lab-twin" address add 192.168.77.2/24 dev eth0
ip -n "$lab-twin" route add default via 192.168.77.1
ip -n "$lab-node" address add 192.168.77.1/32 dev twin
ip -n "$lab-node" rule add fwmark 0x20/0xf0 lookup 102
ip -n "$lab-node" route add 192.168.77.2 dev twin table 102
ip -n "$lab-node" route add 10.244.0.6 dev pod2 table 102

# Interfaces make tenants by a rule in front of ours; what is made on the node itself has none.
node nft 'table ip tenants {
	chain prerouting {
		type filter hook prerouting priority -310;
		iifname { client, pod1 } meta mark set 0x10
		iifname { twin, pod2 } meta mark set 0x20
	}
}'
cat >"$work/policy.lua" <<-EOT
	node { name = "node", addresses = { "192.168.77.1" } }
	service "default/web" { cluster_ips = { "10.96.0.10" }, endpoints = {}, ports = { { port = 80 } } }
	function on_flow(flow)
		if flow.tenant == 1 then return dnat("10.244.0.5:8080", { masquerade = true }) end
		if flow.tenant == 2 then return dnat("10.244.0.6:8080", { masquerade = true }) end
	end
EOT

for wrong in 0x500 0x1ffff 0x100000; do
	status=0
	node "$LUNETTE" run --inline --tenant-mask $wrong -p "$work/policy.lua" 2>"$work/said" || status=$?
	is "$status $(grep -c 'expected at most 16 neighbouring bits' "$work/said")" "2 1" "--tenant-mask $wrong"
done

agent_start --inline --set-sysctls --tenant-mask 0xf0
twin() { ip netns exec "$lab-twin" "$@"; }
for name in client twin; do
	"$name" curl -s --max-time 10 --local-port 40000 --limit-rate 8M -o "$work/$name.big" http://10.96.0.10/big &
	started+=($!)
	declare "$name=$!"
done
wait "$client"; wait "$twin"
cmp "$work/big" "$work/client.big" && cmp "$work/big" "$work/twin.big"
echo "ok: both at the same time, from the same address and port"
is "$(client curl -s --max-time 5 http://10.96.0.10/)" "pod1 10.244.0.1" "the client's pod"
is "$(twin curl -s --max-time 5 http://10.96.0.10/)" "pod2 10.244.0.1" "its twin's pod"
status=0
node curl -s --max-time 5 -o "$work/null" http://10.96.0.10/ || status=$?
is "$status" 7 "the node, a tenant without pods: curl"
