#!/usr/bin/env bash
# Where neither nft nor iptables-nft can queue, iptables-legacy does.
source "$(dirname "${BASH_SOURCE[0]}")/lib.sh"

# finds NAME: does doctor say that it is there?
finds() { "$LUNETTE" doctor --json | jq -se --arg name "$1" 'any(.[]; .name == $name and .ok)' >/dev/null; }
finds iptables_legacy || skip "no iptables-legacy here"
! finds nft_queue || skip "nft can queue here, nobody asks iptables"

cat >>"$work/policy.lua" <<-EOT
	service "default/dns" {
		cluster_ips = { "10.96.0.10", "fd96::10" }, endpoints = { "10.244.0.5", "fd44::5" },
		ports = { { protocol = "udp", port = 53, target_port = 5353 } },
	}
EOT
printf '#!/bin/sh\nexit 1\n' >"$work/broken"
chmod +x "$work/broken"
cat >"$work/without" <<-EOT
	mount --bind "$work/broken" "$(readlink -f "$(command -v iptables-nft)")"
	exec "\$@"
EOT
ip netns exec "$lab-node" unshare -m sh "$work/without" "$LUNETTE" run -p "$work/policy.lua" --json --flush 2>"$work/agent.log" &
agent=$! agent_log=$work/agent.log
started+=("$agent")
wait_for grep -q '"event":"ready"' "$agent_log"

is "$(node iptables-legacy -t raw -S LUNETTE | tail -1)" "-A LUNETTE -j NFQUEUE --queue-num 4242" "the rule"
client curl -s --max-time 2 http://10.96.0.10/ | grep -q ^pod || fail "no answer over IPv4"
client curl -sg --max-time 2 http://[fd96::10]/ | grep -q ^pod || fail "no answer over IPv6"
echo "ok: it serves TCP"
ip netns exec "$lab-pod1" "$LUNETTE_BUILD/tests/helper-datagram" serve pod1 5353 &
started+=($!)
for address in 10.96.0.10 fd96::10; do
	is "$(client "$LUNETTE_BUILD/tests/helper-datagram" ask -n 20 $address 53 | cut -d' ' -f1,2)" "20 pod1" "UDP to $address"
done

# Somebody else takes the rules away: they come back, and that is logged; what others add is no reason.
node iptables-legacy -t raw -A OUTPUT -p 99 -j DROP
for taken in iptables-legacy:"-t raw -F" ip6tables-legacy:"-t raw -F LUNETTE" iptables-legacy:"-t mangle -F"; do
	before=$(grep -c 'somebody else took' "$agent_log" || true)
	node ${taken%%:*} ${taken#*:}
	wait_for eval "[[ \$(grep -c 'somebody else took' '$agent_log') -eq $((before + 1)) ]]"
	client curl -s --max-time 3 http://10.96.0.10/ | grep -q ^pod || fail "no answer over IPv4 after $taken"
	client curl -sg --max-time 3 http://[fd96::10]/ | grep -q ^pod || fail "no answer over IPv6 after $taken"
	echo "ok: ${taken/:/ }"
done
is "$(grep -c 'somebody else took' "$agent_log")" 3 "times that rules were restored"

agent_stop TERM
is "$agent_status" 0 "SIGTERM, exit status"
is "$(node iptables-legacy -t raw -S; node ip6tables-legacy -t raw -S)" "$(printf -- '-P PREROUTING ACCEPT\n-P OUTPUT ACCEPT\n%.0s' 1 2)" \
	"rules after --flush"
