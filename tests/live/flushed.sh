#!/usr/bin/env bash
# Somebody else takes the agent's firewall rules away, all or one of them: they are back at once, and that is logged.  What
# others do to rules of their own, reloads, and sets whose elements expire are no reason.  Where another rule keeps the
# kernel's hooks, nobody notices anything.
source "$(dirname "${BASH_SOURCE[0]}")/lib.sh"

ip netns exec "$lab-pod1" "$LUNETTE_BUILD/tests/helper-datagram" serve pod1 5353 &
started+=($!)
cat >>"$work/policy.lua" <<-EOT
	service "default/dns" {
		cluster_ips = { "10.96.0.11" }, endpoints = { "10.244.0.5" },
		ports = { { protocol = "udp", port = 53, target_port = 5353 } },
	}
EOT
datagram() { client "$LUNETTE_BUILD/tests/helper-datagram" ask -f 40000 10.96.0.11 53; }
restored() { "$LUNETTE" stats --control "$work/control" --json | jq 'select(.summary) | .summary.rules_restored'; }
serves() { client curl -s --max-time 3 http://10.96.0.10/ | grep -q ^pod || fail "the agent does not serve after: $1"; }
# The rules as they are, without what changes by itself.
rules() {
	node nft -s list table inet lunette | sed '/set committed[46]/,/^\t}/{/elements/,/}$/d}'
	for program in iptables-nft ip6tables-nft; do node $program -t raw -S 2>/dev/null || true; done
}
# The kernel can queue by nft, or iptables-nft does it: only then are its rules ours.
queued_by() { node iptables-nft -t raw -S 2>/dev/null | grep -q LUNETTE; }

# taken COMMAND...: it takes rules away, and they come back.
taken() {
	local before
	before=$(restored)
	node "$@"
	wait_for eval "[[ \$(restored) -gt $before ]]"
	rules | diff "$work/rules" - || fail "other rules than before, after: $*"
	serves "$*"
	[[ $(grep -c 'somebody else took' "$agent_log") -eq $(restored) ]] || fail "not logged: $*"
	echo "ok: $*"
	sleep 1 # once a second
}

sysctl_of node net.netfilter.nf_conntrack_udp_timeout=4 # its element lives for two seconds
agent_start
serves "the start"
rules >"$work/rules"

# Others' business.
node nft 'table inet other { chain nat { type nat hook postrouting priority 90; }
	chain check { type filter hook prerouting priority -180; ct status dnat counter; };
	set s { type ipv4_addr; elements = { 10.0.0.1 }; }; }'
node nft flush set inet other s
node iptables-nft -t raw -A PREROUTING -p 99 -j DROP
node iptables-nft -t raw -D PREROUTING -p 99 -j DROP
datagram >"$work/null"
wait_for eval '! node nft list set inet lunette committed4 | grep -q 10.96.0.11'
reload
serves "a reload"
sleep 0.3
is "$(restored)" 0 "times that rules were restored when nothing was taken"

# All of ours, while another rule keeps the hooks of conntrack and NAT: no connection breaks.
client curl -s -o "$work/got" http://10.96.0.10/slow &
download=$!
wait_for test -s "$work/got"
taken nft delete table inet lunette
taken nft flush chain inet lunette failsafe
taken nft flush set inet lunette services4
if queued_by; then
	taken iptables-nft -t raw -F LUNETTE
	taken ip6tables-nft -t raw -F
fi
wait $download || fail "the download broke: curl status $?"
cmp "$work/big" "$work/got"
echo "ok: a download meanwhile"

# Everything of everybody: a connection that is silent in that moment goes on.
datagram >"$work/null"
taken nft flush ruleset
is "$(datagram)" "1 pod1 10.244.0.1" "a UDP flow after that"

# Again and again: not more than once a second, and right in the end.
before=$(restored)
for _ in {1..15}; do node nft flush ruleset; sleep 0.1; done
sleep 1
[[ $(restored) -ge $((before + 2)) && $(restored) -le $((before + 5)) ]] || fail "restored $(($(restored) - before)) times"
rules | diff "$work/rules" - || fail "other rules than before after many flushes"
serves "many flushes"
echo "ok: many flushes, restored $(($(restored) - before)) times"
agent_stop TERM
is "$agent_status" 0 "exit status"
node nft delete table inet lunette

# Inline, likewise.
agent_start --inline --set-sysctls
rules >"$work/rules"
taken nft flush ruleset
agent_stop TERM
