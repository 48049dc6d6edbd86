#!/usr/bin/env bash
# The kernel as oracle (oracle.c), in a network namespace of its own.  Arguments: how many sequences, and the first seed.
set -euo pipefail
skip() { echo "skipped: $*"; exit 77; }
unshare -n true 2>/dev/null || skip "may not make network namespaces"
for program in ip nft; do
	command -v "$program" >/dev/null || skip "$program is not installed"
done
[[ -e /dev/net/tun ]] || skip "there is no /dev/net/tun"

exec unshare -n bash -euo pipefail -s "${LUNETTE_BUILD:-build/release}/tests/helper-oracle" "$@" <<'INSIDE'
skip() { echo "skipped: $*"; exit 77; }
sysctl_set() { echo "$2" >"/proc/sys/net/$1"; }
for device in client server; do
	ip tuntap add dev "$device" mode tun || skip "no TUN devices"
	ip link set dev "$device" addrgenmode none up
done
nft -f - <<RULES || skip "no nf_conntrack, or no NAT, in nftables"
table inet oracle {
	chain opinion {
		type filter hook forward priority 0
		ct state new ip dscp set 1
		ct state new ip6 dscp set 1
		ct state established ip dscp set 2
		ct state established ip6 dscp set 2
		ct state related ip dscp set 3
		ct state related ip6 dscp set 3
		ct state invalid ip dscp set 4
		ct state invalid ip6 dscp set 4
		ct state untracked ip dscp set 5
		ct state untracked ip6 dscp set 5
	}
	chain to_endpoint {
		type nat hook prerouting priority -100
		ip daddr { 10.96.0.1, 10.96.0.2 } meta l4proto { tcp, udp, sctp } th dport 80 dnat ip to 10.2.2.2:8080
		ip6 daddr { fd96::1, fd96::2 } meta l4proto { tcp, udp, sctp } th dport 80 dnat ip6 to [fd02::2]:8080
	}
	chain from_node {
		type nat hook postrouting priority 100
		ct status dnat ct original ip daddr 10.96.0.2 snat ip to 10.244.0.1
		ct status dnat ct original ip6 daddr fd96::2 snat ip6 to fd44::1
	}
}
RULES
for family in ipv4 ipv6; do
	sysctl_set "$family/conf/all/forwarding" 1
done
sysctl_set ipv4/conf/all/rp_filter 0
sysctl_set ipv4/conf/default/rp_filter 0
for device in client server; do
	sysctl_set "ipv4/conf/$device/rp_filter" 0
done
# Fragments whose others are lost must not wait for those to come: packets have 16-bit numbers, which seconds use up.
sysctl_set ipv4/ipfrag_time 1
sysctl_set netfilter/nf_conntrack_frag6_timeout 1
sysctl_set netfilter/nf_conntrack_checksum 1
sysctl_set netfilter/nf_conntrack_tcp_ignore_invalid_rst 0
ip link set dev lo up
ip route add default dev client
ip route add 10.2.0.0/16 dev server
ip route add 10.96.0.0/16 dev server
ip -6 route add default dev client
ip -6 route add fd02::/32 dev server
ip -6 route add fd96::/32 dev server
exec "$@"
INSIDE
