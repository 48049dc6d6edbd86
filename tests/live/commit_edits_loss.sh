#!/usr/bin/env bash
# Edits of requests on connections that the kernel carries, while every Nth packet is lost: on the way to the agent, behind it, and
# on the way back.  Packets are not put together anywhere, so that heads come in pieces and bodies with holes.
source "$(dirname "${BASH_SOURCE[0]}")/lib.sh"
command -v iptables-nft >/dev/null || skip "iptables-nft is not installed"
head -c 8000000 /dev/urandom >"$work/big"

cat >"$work/policy.lua" <<-EOT
	node { name = "node", addresses = { "192.168.77.1" }, pods = { "10.244.0.0/16" } }
	service "default/edited" {
		cluster_ips = { "10.96.0.20" }, endpoints = { "10.244.0.5" }, ports = { { port = 80, target_port = 8080 } },
		http = { set = { ["X-Real-IP"] = "\$remote_addr", ["X-Long"] = "$(printf 'y%.0s' {1..700})" } },
	}
EOT
for name in client pod1; do ip -n "$lab-$name" link set eth0 gso_max_segs 1 gro_max_size 1 2>/dev/null || ip -n "$lab-$name" link set eth0 gso_max_segs 1; done
agent_start --set-sysctls

# lose NAMESPACE CHAIN N: every Nth TCP packet of web traffic, but for openings, which take a second to come again
lose() {
	"$1" iptables-nft -t raw -A "$2" -p tcp ! --tcp-flags SYN SYN -m multiport --ports 80,8080 \
		-m statistic --mode nth --every "$3" --packet 0 -j DROP
}
lose node PREROUTING 23
lose pod1 PREROUTING 31
lose client PREROUTING 37

mine=$(head -c 6000 /dev/zero | tr '\0' x)
for _ in {1..20}; do printf 'url = "http://10.96.0.20/echo"\n'; done >"$work/urls"
client curl -s --max-time 60 -H "X-Mine: $mine" -K "$work/urls" >"$work/answers" || fail "requests in pieces"
is "$(grep -cx "192.168.77.2 $mine" "$work/answers")" 20 "heads of several packets on one connection"
client curl -s --max-time 60 -H Expect: -T "$work/big" http://10.96.0.20/put/up --next -o "$work/down" http://10.96.0.20/big \
	--next --max-time 60 http://10.96.0.20/echo >"$work/answer" || fail "transfer"
cmp "$work/big" "$work/pod1/put/up" || fail "what came up"
cmp "$work/big" "$work/down" || fail "what came down"
echo "ok: 8 MB up and down, and a request"
head -c 500000 "$work/big" | client curl -s --max-time 60 -H Expect: -T - http://10.96.0.20/put/up || fail "chunks"
head -c 500000 "$work/big" | cmp - "$work/pod1/put/up" || fail "what came up in chunks"
echo "ok: a body in chunks"
for part in node pod1 client; do
	[[ $("$part" iptables-nft -t raw -L PREROUTING -vxn | awk '/statistic/ { print $1 }') -gt 50 ]] || fail "$part lost nothing"
done
