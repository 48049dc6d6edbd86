#!/usr/bin/env bash
# Beliefs about packets that wait in a queue (queue.c), in a network namespace of their own.
set -euo pipefail
skip() { echo "skipped: $*"; exit 77; }
unshare -n true 2>/dev/null || skip "may not make network namespaces"
for program in ip nft iptables-nft; do
	command -v "$program" >/dev/null || skip "$program is not installed"
done
exec unshare -n bash -euo pipefail -s "$LUNETTE_BUILD/tests/helper-queue" <<'INSIDE'
ip link set lo up
ip address add 192.0.2.9/32 dev lo
ip address add 192.0.2.2/32 dev lo
ip link add nowhere type veth peer name nobody
ip link set nowhere up
ip route add 192.0.2.1 dev nowhere
nft 'table inet x {
	chain nat { type nat hook output priority -100; }
	chain check { type filter hook output priority -190; ct status dnat counter; }
	set s { type ipv4_addr; elements = { 10.0.0.1 }; }
}'
iptables-nft -t raw -A OUTPUT -p tcp -d 192.0.2.1 --syn -j NFQUEUE --queue-num 77 2>/dev/null ||
	{ echo "skipped: the kernel has no target NFQUEUE"; exit 77; }
exec "$1"
INSIDE
