#!/usr/bin/env bash
# UDP is committed: both families, from outside, from the node and from pods; after its first packets a flow is known to the
# kernel and comes to nobody's queue; what is not translated is dropped, and heals.
source "$(dirname "${BASH_SOURCE[0]}")/lib.sh"

datagram=$LUNETTE_BUILD/tests/helper-datagram
serve_datagrams() { ip netns exec "$lab-$1" "$datagram" serve "$1" "${@:2}" & started+=($!); }
serve_datagrams pod1 5353
serve_datagrams pod2 5353
cat >"$work/policy.lua" <<-EOT
	node { name = "node", addresses = { "192.168.77.1", "fd77::1" }, pods = { "10.244.0.0/16", "fd44::/64" } }
	local ports = { { name = "dns", protocol = "udp", port = 53, node_port = 32353, target_port = 5353 } }
	service "default/dns" {
		type = "NodePort", cluster_ips = { "10.96.0.10", "fd96::10" }, balance = "round_robin", ports = ports,
		endpoints = { "10.244.0.5", "10.244.0.6", "fd44::5", "fd44::6" }, timeouts = { udp = "1h" },
	}
	service "default/none" { cluster_ips = { "10.96.0.12", "fd96::12" }, endpoints = {}, ports = { { protocol = "udp", port = 53 } } }
EOT

# ask NAMESPACE ARGUMENT...: what `datagram ask` says, or "status N".
ask() { "$1" "$datagram" ask "${@:2}" || echo "status $?"; }
# packets that were ever queued
queued() { node cat /proc/net/netfilter/nfnetlink_queue | awk '$1 == 4242 { print $8 }'; }
# saw NAMESPACE SOURCE ADDRESS PORT: whatever pod it was, this is the source that it saw.
saw() { is "$(ask "$1" "${@:3}" | sed 's/1 pod[12] //')" "$2" "$1 to $3 is seen as"; }
known() { node nft -j list set inet lunette "committed$1" | jq '[.. | .elem? | arrays | length] | add // 0'; }

client nft 'table inet leak { chain input {
	type filter hook prerouting priority -400; ip daddr 10.96.0.0/12 counter; ip6 daddr fd96::/64 counter; }; }'
leaked() { client nft -j list table inet leak | jq '[.. | .counter? | objects | .packets] | add'; }

sysctl_of node net.netfilter.nf_conntrack_udp_timeout=4 # a flow is known for half of it
agent_start
grep -q "default/dns:dns: connections to 10.96.0.10:53 have the kernel's timeouts" "$agent_log" || fail "no word of timeouts"
for address in 10.96.0.10 192.168.77.1 fd96::10 fd77::1; do
	port=53; [[ $address == *.77.* || $address == fd77* ]] && port=32353
	source=10.244.0.1; [[ $address == *:* ]] && source=fd44::1
	saw client $source $address $port
	saw node $source $address $port
done
for address in 10.96.0.10 fd96::10; do ask pod1 $address 53; ask pod1 $address 53; done | cut -d' ' -f2- | sort >"$work/pods"
is "$(paste -sd' ' "$work/pods")" "pod1 10.244.0.1 pod1 fd44::1 pod2 10.244.0.5 pod2 fd44::5" "pod1 to its own service"

# The kernel's entry.
pod=$(ask client -f 40000 10.96.0.10 53 | cut -d' ' -f2); address=10.244.0.${pod/pod1/5}; address=${address/pod2/6}
entry=$(node conntrack -L -p udp --orig-port-src 40000 2>/dev/null)
grep -q "src=192.168.77.2 dst=10.96.0.10 sport=40000 dport=53 src=$address dst=10.244.0.1 sport=5353" <<<"$entry" ||
	fail "unexpected entry: $entry"
grep -q "mark=$((0x4c000000))" <<<"$entry" || fail "not our mark: $entry"
echo "ok: entry $entry"

# Many packets of a new flow at once: each is answered, all by one pod; what comes later is not queued.
for address in 10.96.0.10 fd96::10; do
	got=$(ask client -f 40001 -n 50 $address 53)
	[[ $got == "50 pod"* && $got != *$'\n'* ]] || fail "50 packets at once to $address: $got"
	before=$(queued)
	got=$(ask client -f 40001 -n 100 $address 53)
	[[ $got == "100 pod"* && $got != *$'\n'* ]] || fail "100 packets of a known flow to $address: $got"
	is "$(queued)" "$before" "packets queued, after 100 of a known flow to $address"
done
[[ $(known 4) -gt 0 && $(known 6) -gt 0 ]] || fail "the kernel's sets are empty"

# A flow that is silent for longer than it is known stays with its endpoint while the kernel has its entry.
got=$(ask client -n 3 -g 2500 10.96.0.10 53)
[[ $got == "3 pod"* ]] || fail "with gaps of 2.5 s: $got"
echo "ok: with gaps of 2.5 s: $got"

# Nothing there: refused at once.
for from in client node; do
	for address in 10.96.0.12 fd96::12; do is "$(ask $from $address 53)" "status 3" "$from to $address without endpoints"; done
done

# Somebody deletes the entry: one packet is lost, the next one is decided anew.  A stray entry in the way goes.
for address in 10.96.0.10 fd96::10; do
	got=$(ask client -f 40002 $address 53)
	[[ $got == "1 pod"* ]] || fail "no answer: $got"
	node conntrack -D -p udp --orig-port-src 40002 --orig-dst $address >/dev/null 2>&1
	is "$(ask client -f 40002 $address 53)" "status 1" "to $address after the entry was deleted"
	got=$(ask client -f 40002 $address 53)
	[[ $got == "1 pod"* ]] || fail "it does not heal: $got"
	echo "ok: the next one: $got"
done
node conntrack -I -p udp -s 192.168.77.2 -d 10.96.0.10 --sport 40003 --dport 53 -t 300 -g 10.244.0.99:53 >/dev/null 2>&1
got=$(ask client -f 40003 10.96.0.10 53)
[[ $got == "1 pod"* ]] || fail "a stray entry is not replaced: $got"
echo "ok: a stray entry is replaced"

# Two clients with one port toward one endpoint: the kernel finds another port for one of them.
ip -n "$lab-client" address add 192.168.77.3/24 dev eth0
client ip route replace 10.96.0.13 via 192.168.77.1 src 192.168.77.3
cat >>"$work/policy.lua" <<-EOT
	service "default/one" { cluster_ips = { "10.96.0.11", "10.96.0.13" }, endpoints = { "10.244.0.5" }, ports = ports }
EOT
sed -i 's/, node_port = 32353//; s/type = "NodePort", //' "$work/policy.lua"
reload
is "$(ask client -f 41000 10.96.0.11 53)" "1 pod1 10.244.0.1" "the first with port 41000"
is "$(ask client -f 41000 10.96.0.13 53)" "1 pod1 10.244.0.1" "the second with port 41000"

# The agent dies: known flows go on, as long as they are not silent; new ones wait.
client "$datagram" ask -n 20 -g 200 10.96.0.10 53 >"$work/alive" &
alive=$!
sleep 0.3
agent_stop KILL
is "$(ask client 10.96.0.10 53)" "status 1" "a new flow without an agent"
wait $alive || fail "a known flow broke when the agent died: $(cat "$work/alive")"
[[ $(wc -l <"$work/alive") -eq 1 ]] || fail "a known flow changed its endpoint: $(cat "$work/alive")"
echo "ok: a known flow goes on without an agent: $(cat "$work/alive")"
agent_start
got=$(ask client 10.96.0.10 53)
[[ $got == "1 pod"* ]] || fail "no answer through the next agent: $got"

# With every destination intercepted, the first answer of a flow comes to the queue too, and by a port that the kernel chose.
serve_datagrams node 5300
cat >"$work/policy.lua" <<-EOT
	node { name = "node", addresses = { "192.168.77.1", "fd77::1" }, pods = { "10.244.0.0/16" }, intercept = "all" }
	local ports = { { protocol = "udp", port = 53, target_port = 5353 } }
	service "default/dns" { cluster_ips = { "10.96.0.10", "fd96::10" }, endpoints = { "10.244.0.5", "fd44::5" }, ports = ports }
	service "default/one" { cluster_ips = { "10.96.0.11" }, endpoints = { "10.244.0.5" }, ports = ports }
	function on_flow(flow)
		if flow.destination_port == 5301 then return reject("no") end
		if flow.destination_port == 5302 then return dnat("10.244.0.6:5353") end
		if flow.destination_port == 5303 then return drop("no") end
	end
EOT
reload
for from in client node; do
	for address in 10.96.0.10 fd96::10; do
		got=$(ask $from -f 42000 -n 20 $address 53)
		[[ $got == "20 pod1 "* ]] || fail "$from to the service, all intercepted: $got"
		before=$(queued)
		got=$(ask $from -f 42000 -n 20 $address 53)
		[[ $got == "20 pod1 "* ]] || fail "$from to the service again, all intercepted: $got"
		is "$(queued)" "$before" "$from: packets queued, after a known flow and its answers"
	done
	is "$(ask $from 192.168.77.1 5300)" "1 node $([[ $from == client ]] && echo 192.168.77.2 || echo 192.168.77.1)" "$from, left alone"
	is "$(ask $from 10.244.0.5 5353 | cut -d' ' -f1,2)" "1 pod1" "$from to a pod, left alone"
	is "$(ask $from 10.244.0.5 5301)" "status 3" "$from, rejected by the script"
	is "$(ask $from 10.244.0.5 5302 | cut -d' ' -f1,2)" "1 pod2" "$from, sent elsewhere by the script"
	is "$(ask $from 10.244.0.5 5303)" "status 1" "$from, dropped by the script"
done
is "$(ask client -f 43000 10.96.0.11 53)" "1 pod1 10.244.0.1" "the first with port 43000, all intercepted"
is "$(ask client -f 43000 10.96.0.10 53)" "1 pod1 10.244.0.1" "the second with port 43000, all intercepted"
is "$(leaked)" 0 "packets that left untranslated"
! grep -E '"level":"(error|warning)"' "$work"/agent*.log | grep -vE "no ready endpoint|have the kernel's timeouts" || fail "the agent complains"
