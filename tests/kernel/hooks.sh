#!/usr/bin/env bash
# Beliefs about the kernel's hooks, with packets and without an agent.
source "$(dirname "${BASH_SOURCE[0]}")/../live/lib.sh"

# The entry of a connection from a port to 10.96.0.10:80 that is translated to the first pod.
entry() {
	node conntrack -I -p tcp -s 192.168.77.2 -d 10.96.0.10 --sport "$1" --dport 80 --state SYN_SENT -t 60 -g 10.244.0.5:8080 \
		>/dev/null 2>&1 || fail "conntrack -I"
}
connect() { client curl -s --max-time 1 --local-port "$1" http://10.96.0.10/ >/dev/null; }

entry 1500
! connect 1500 || fail "an entry translates although no rule uses conntrack"
echo "ok: an entry is not looked up where no rule uses conntrack and NAT"

node nft 'table inet x {
	chain nat { type nat hook postrouting priority 100; }
	chain check { type filter hook prerouting priority -190; ct status dnat counter; }
}'
entry 1501
connect 1501 || fail "an entry does not translate"
echo "ok: it is, and translates, once a match on ct and a nat chain exist"

node nft add rule inet x check ip daddr 10.96.0.10 tcp dport 80 ct status ! dnat reject with tcp reset
status=0
connect 1502 || status=$?
is "$status" 7 "reject with a reset in prerouting: curl"

node nft 'table inet y {
	chain output { type filter hook output priority -305; oif lo tcp dport 9 meta mark set 0x1; }
	chain input { type filter hook prerouting priority -305; iif lo meta mark 0x1 counter; }
}'
status=0
node curl -s --max-time 1 http://192.168.77.1:9/ || status=$?
is "$status" 7 "a closed port of our own: curl"
is "$(node nft -j list chain inet y input | jq '[.. | .counter? | objects | .packets] | add')" 1 "packets that kept their mark over lo"
