#!/usr/bin/env bash
# Beliefs about clients whose connection the kernel has forgotten (prompt.c), in a network namespace of their own.
set -euo pipefail
skip() { echo "skipped: $*"; exit 77; }
unshare -n true 2>/dev/null || skip "may not make network namespaces"
for program in ip nft conntrack; do
	command -v "$program" >/dev/null || skip "$program is not installed"
done
exec unshare -n bash -euo pipefail -s "$LUNETTE_BUILD/tests/helper-prompt" <<'INSIDE'
ip link set lo up
ip address add 192.0.2.2/32 dev lo
ip address add 192.0.2.9/32 dev lo
ip -6 address add fd77::2/128 dev lo nodad
ip -6 address add fd77::9/128 dev lo nodad
ip route add 10.96.0.0/16 dev lo src 192.0.2.2
ip -6 route add fd96::/64 dev lo src fd77::2
nft 'table inet x {
	chain nat {
		type nat hook output priority -100;
		ip daddr 10.96.0.10 tcp flags & (syn | ack) == syn dnat ip to 192.0.2.9:8080
		ip6 daddr fd96::10 tcp flags & (syn | ack) == syn dnat ip6 to [fd77::9]:8080
	}
	chain end { type filter hook output priority -190; meta mark 7 tcp flags & (syn | rst) == 0 reject with tcp reset; }
}'
exec "$1"
INSIDE
