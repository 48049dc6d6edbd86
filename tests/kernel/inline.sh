#!/usr/bin/env bash
# Beliefs that inline mode is built on, with packets and without an agent.
source "$(dirname "${BASH_SOURCE[0]}")/../live/lib.sh"
inject=$LUNETTE_BUILD/tests/helper-inject
probe=$LUNETTE_BUILD/tests/helper-probe

# counted NAMESPACE TABLE: what its only counter says, "packets bytes".
counted() { "$1" nft -j list table inet "$2" | jq -r '[.. | .counter? | objects | .packets] | add'; }

node nft 'table inet x {
	chain x {
		type filter hook prerouting priority -290;
		iif lo meta mark 0x5 counter notrack
	}
}'
is "$(client "$probe" ping 10.244.0.5 56)" "56 bytes" "ping"
is "$(node conntrack -C)" 0 "a rule with notrack alone: connections tracked"

# What is sent into lo by a packet socket is forwarded like anything that arrives: with its mark, one hop older, from any source.
pod1 nft 'table inet y {
	chain y {
		type filter hook prerouting priority -400;
		ip saddr { 203.0.113.9, 192.168.77.1 } ip ttl 63 meta length <= 1040 counter
	}
}'
node "$inject" 203.0.113.9 10.244.0.5 0x5
is "$(counted node x) $(counted pod1 y)" "1 1" "a foreign packet sent into lo: with its mark, and arrived"
ip -n "$lab-node" link set pod1 mtu 1040 gso_max_segs 1
node "$inject" 203.0.113.9 10.244.0.5 0x5 1000
is "$(counted pod1 y)" 4 "3,000 bytes that must not be fragmented, over a path of 1,040, to be segmented by 1,000: arrived"
ip -n "$lab-node" link set pod1 mtu 1500

# The source of what arrives may be an address of this host only if the kernel is told so, strict filters take no other either.
node nft 'table inet z {
	chain z { type filter hook prerouting priority -290; iif client ip daddr 10.96.0.10 ip saddr set 10.244.0.1 ip daddr set 10.244.0.5; }
	chain f { type filter hook forward priority 0; ip saddr 10.244.0.1 ip daddr 10.244.0.5 counter; }
}'
arrives() { # WHAT EXPECTED
	local before
	before=$(counted node z)
	client "$probe" udp 10.96.0.10 9 10 >/dev/null
	is "$(($(counted node z) - before))" "$2" "$1: packets forwarded"
}
arrives "a source of our own" 0
sysctl_of node net.ipv4.conf.all.accept_local=1
arrives "with accept_local" 1
sysctl_of node net.ipv4.conf.client.rp_filter=1
arrives "with accept_local and a strict filter" 0
sysctl_of node net.ipv4.conf.client.rp_filter=2
arrives "with accept_local and a loose filter" 1
