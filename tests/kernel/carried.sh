#!/usr/bin/env bash
# Beliefs about what the kernel does with connections that it carries by an entry that was made for it: with packets, and
# without an agent.
source "$(dirname "${BASH_SOURCE[0]}")/../live/lib.sh"

# entry PORT: that of a connection from a port to 10.96.0.10:80, translated to the first pod, to end in a minute.
entry() {
	node conntrack -I -p tcp -s 192.168.77.2 -d 10.96.0.10 --sport "$1" --dport 80 --state SYN_SENT -t 60 -g 10.244.0.5:8080 \
		>/dev/null 2>&1 || fail "conntrack -I"
}
entry_of() { node conntrack -L -p tcp --orig-port-src "$1" 2>/dev/null; }
forge() { client "$LUNETTE_BUILD/tests/helper-forge_syn" 192.168.77.2 "$1" 10.96.0.10 80 64 "${@:2}"; }
client nft 'table inet leak { chain input { type filter hook prerouting priority -400; ip daddr 10.96.0.0/12 counter; }; }'
leaked() { client nft -j list table inet leak | jq '[.. | .counter? | objects | .packets] | add'; }
node nft 'table inet x {
	chain nat_out { type nat hook postrouting priority 100; }
	chain nat_in { type nat hook prerouting priority -100; }
	chain check { type filter hook prerouting priority -190; ct status dnat counter; }
}'

# A connection that is open, by an entry with the liberal flag, which `conntrack -I` sets.
entry 1600
client curl -s --local-port 1600 -o "$work/got" http://10.96.0.10/slow &
download=$!
wait_for eval 'entry_of 1600 | grep -q ESTABLISHED'
[[ $(entry_of 1600 | awk '{ print $3 }') -gt 100000 ]] || fail "its timeout: $(entry_of 1600)"
echo "ok: the timeout that an entry is made with is replaced when the state changes"
forge 1600
entry_of 1600 | grep -q 'ESTABLISHED.*ASSURED' || fail "the entry after forged SYNs: $(entry_of 1600)"
echo "ok: a SYN on an open connection's addresses and ports leaves its entry as it is"
forge 1600 ack
is "$(leaked)" 0 "segments outside of the window that left untranslated, with the liberal flag"
wait $download || fail "the download broke: curl status $?"
cmp "$work/big" "$work/got"
echo "ok: its bytes are right after all that"

node nft add rule inet x nat_in ip daddr 10.96.0.10 tcp dport 80 dnat ip to 10.244.0.5:8080
client curl -s --local-port 1601 -o "$work/got" http://10.96.0.10/slow &
download=$!
started+=($download)
wait_for eval 'entry_of 1601 | grep -q ESTABLISHED'
forge 1601 ack
[[ $(leaked) -gt 0 ]] || fail "segments outside of the window are translated without the liberal flag"
echo "ok: without the liberal flag they leave untranslated"

# Sets that the packets fill.
node nft 'table inet y {
	set s { type ipv4_addr . inet_service; flags dynamic,timeout; }
	chain fill {
		type filter hook prerouting priority -190
		ip saddr 192.168.77.2 udp dport 7 update @s { ip saddr . udp sport timeout 2s }
	}
	chain read { type filter hook prerouting priority -305; ip saddr . udp sport @s counter; }
}'
node nft monitor >"$work/told" &
started+=($!)
sleep 0.3
for _ in 1 2; do client perl -MIO::Socket::INET -e 'IO::Socket::INET->new(Proto => "udp", LocalPort => 4711,
	PeerAddr => "192.168.77.1:7")->send("x")'; done
is "$(node nft -j list chain inet y read | jq '[.. | .counter? | objects | .packets] | add')" 1 \
	"packets that found what the one before them put into a set, before conntrack"
wait_for eval '! node nft list set inet y s | grep -q 4711'
node nft add table inet end
wait_for grep -q 'table inet end' "$work/told"
! grep -q 4711 "$work/told" || fail "told: $(cat "$work/told")"
echo "ok: what packets put into a set, and what expires there, is told to nobody"
