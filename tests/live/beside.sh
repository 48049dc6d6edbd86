#!/usr/bin/env bash
# Beside the rules of others, as Docker, kube-proxy and firewalld write them: NAT and marks of their own, a FORWARD chain that
# drops what nobody lets pass, what is invalid first.  Both are served, mark bits are what --marks says, and at the end theirs
# are as they were.
source "$(dirname "${BASH_SOURCE[0]}")/lib.sh"
for program in iptables-nft iptables-nft-restore iptables-nft-save; do
	command -v $program >/dev/null || skip "$program is not installed"
done

node iptables-nft-restore <<-EOT
	*mangle
	:PREROUTING ACCEPT
	-A PREROUTING -m conntrack --ctstate INVALID -j DROP
	-A PREROUTING -i client -j MARK --set-xmark 0x1/0xffff
	-A PREROUTING -j CONNMARK --restore-mark --mask 0xff0000
	COMMIT
	*nat
	:PREROUTING ACCEPT
	:OUTPUT ACCEPT
	:POSTROUTING ACCEPT
	:KUBE-SERVICES -
	:KUBE-MARK-MASQ -
	:KUBE-POSTROUTING -
	-A PREROUTING -j KUBE-SERVICES
	-A OUTPUT -j KUBE-SERVICES
	-A POSTROUTING -j KUBE-POSTROUTING
	-A KUBE-SERVICES -d 10.98.0.1/32 -p tcp --dport 80 -j KUBE-MARK-MASQ
	-A KUBE-SERVICES -d 10.98.0.1/32 -p tcp --dport 80 -j DNAT --to-destination 10.244.0.6:8080
	-A KUBE-SERVICES -d 10.96.0.10/32 -p tcp --dport 80 -j DNAT --to-destination 10.244.0.99:1
	-A KUBE-MARK-MASQ -j MARK --or-mark 0x4000
	-A KUBE-POSTROUTING -m mark ! --mark 0x4000/0x4000 -j RETURN
	-A KUBE-POSTROUTING -j MARK --xor-mark 0x4000
	-A KUBE-POSTROUTING -j MASQUERADE --random-fully
	COMMIT
	*filter
	:FORWARD DROP
	:KUBE-FORWARD -
	-A FORWARD -j KUBE-FORWARD
	-A FORWARD -m conntrack --ctstate DNAT -j ACCEPT
	-A FORWARD -m conntrack --ctstate RELATED,ESTABLISHED -j ACCEPT
	-A KUBE-FORWARD -m conntrack --ctstate INVALID -j DROP
	-A KUBE-FORWARD -m mark --mark 0x4000/0x4000 -j ACCEPT
	COMMIT
EOT
theirs() { # without counters, and what an empty raw table looks like
	node iptables-nft-save 2>/dev/null | sed 's/ \[.*\]//' | grep -vE '^#|LUNETTE|^\*raw|^:(PREROUTING|OUTPUT) ACCEPT|^COMMIT'
}
asks() { "$1" curl -s --max-time 2 "http://$2/" || echo "status $?"; }
theirs >"$work/theirs"
is "$(asks client 10.98.0.1)" "pod2 10.244.0.1" "their service, before"
is "$(asks client 10.244.0.5:8080)" "status 28" "a pod's own address, which their FORWARD drops"

marks=0x1000000,0x2000000,0x4000000
"$LUNETTE" rules -p "$work/policy.lua" --marks $marks >"$work/rules"
grep -q '0x01000000' "$work/rules" && ! grep -qE '0x00[124]00000' "$work/rules" || fail "other marks: $(cat "$work/rules")"
for wrong in 0x1,0x2 0x1,0x2,0x4,0x8 1,2,x -1,2,4 0x1,0x2,0x100000000 ''; do
	status=0
	"$LUNETTE" rules -p "$work/policy.lua" --marks "$wrong" 2>"$work/said" || status=$?
	is "$status" 2 "--marks $wrong: exit status"
	grep -q 'lunette rules: --marks.*expected hexadecimal bits' "$work/said" || fail "it said: $(cat "$work/said")"
done
status=0
"$LUNETTE" rules -p "$work/policy.lua" --marks 0x1,0x1,0x4 2>"$work/said" || status=$?
is "$status $(cat "$work/said")" "2 lunette: marks: expected three different bits" "the same mark twice"

agent_start --marks $marks
for from in client node pod1; do # they say, too, where 10.96.0.10 leads; what is committed goes first
	[[ $(asks $from 10.96.0.10) == pod[12]\ * ]] || fail "ours, from $from: $(asks $from 10.96.0.10)"
	[[ $(asks $from 10.98.0.1) == pod2\ * ]] || fail "theirs, from $from: $(asks $from 10.98.0.1)"
done
echo "ok: services of both, from the client, the node and a pod"
is "$(asks client 10.244.0.5:8080)" "status 28" "what their FORWARD drops"
is "$(node conntrack -L -p tcp --orig-dst 10.96.0.10 2>/dev/null | grep -c 'src=10.244.0.99')" 0 "entries by their rule for our address"
theirs | diff "$work/theirs" - || fail "their rules are others now"
agent_stop KILL
is "$(asks client 10.98.0.1)" "pod2 10.244.0.1" "theirs, without the agent"
agent_start --marks $marks --flush
is "$(asks client 10.96.0.10 | cut -c 1-3)" "pod" "ours, after a new start"
agent_stop TERM
theirs | diff "$work/theirs" - || fail "their rules are others at the end"
is "$(node nft list tables | grep -c lunette)" 0 "tables of ours at the end"
is "$(asks client 10.98.0.1)" "pod2 10.244.0.1" "theirs, at the end"
