#!/usr/bin/env bash
# Inline, every packet is translated by the agent: the same requests get the same answers as in commit mode, TCP, UDP and
# SCTP, both families, from outside, from the node and from pods; the kernel's connection tracking is not used; and
# nothing is left behind.
source "$(dirname "${BASH_SOURCE[0]}")/lib.sh"
probe=$LUNETTE_BUILD/tests/helper-probe
for pod in pod1 pod2; do
	ip netns exec "$lab-$pod" "$probe" serve 5353 &
	started+=($!)
	ip netns exec "$lab-$pod" "$LUNETTE_BUILD/tests/helper-datagram" serve $pod 5354 &
	started+=($!)
	ip netns exec "$lab-$pod" "$LUNETTE_BUILD/tests/helper-sctp" serve $pod &
	started+=($!)
done
serve_in node
for pod in 5 6; do wait_for client "$LUNETTE_BUILD/tests/helper-datagram" ask 10.244.0.$pod 5354; done

# What it needs of the system is named, and set only if that is asked for.
settings() { node sysctl -a 2>/dev/null | grep -E 'ip_forward =|accept_local|rp_filter|all.forwarding'; }
# refused WHAT [COMMAND]...: it does not start, and says so.
refused() {
	local status=0
	node "${@:2}" "$LUNETTE" run --inline -p "$work/policy.lua" 2>"$work/said" || status=$?
	is "$status" 3 "start, $1: exit status"
	grep -qF "$1" "$work/said" || fail "expected '$1', it said: $(cat "$work/said")"
	node nft list tables | grep -q lunette && fail "a table is left behind"
	return 0
}
sysctl_of node net.ipv4.ip_forward=0 net.ipv6.conf.all.forwarding=0 net.ipv4.conf.all.rp_filter=1 net.ipv4.conf.client.rp_filter=1
settings >"$work/before"
refused "needs \`sysctl -w net.ipv4.ip_forward=1 net.ipv4.conf.all.accept_local=1 "
for name in all.rp_filter=0 client.rp_filter=0 net.ipv6.conf.all.forwarding=1; do
	grep -qF "$name" "$work/said" || fail "$name is not named: $(cat "$work/said")"
done
ip -n "$lab-node" link set lo down
refused "the loopback interface is down"
refused "a packet socket needs CAP_NET_RAW" setpriv --bounding-set -net_raw --inh-caps -net_raw
ip -n "$lab-node" link set lo up

# Every kind of policy, and what each client gets; the status is curl's.
cat >"$work/policy.lua" <<-EOT
	node {
		name = "node", addresses = { "192.168.77.1", "fd77::1" }, pods = { "10.244.0.0/16", "fd44::/64" },
		service_ranges = { "10.96.0.0/12", "fd96::/112" }, intercept = "all",
	}
	local both = { "10.244.0.5", "10.244.0.6", "fd44::5", "fd44::6" }
	local ports = { { port = 80, target_port = 8080, node_port = 32329 } }
	service "default/web" {
		type = "NodePort", cluster_ips = { "10.96.0.10", "fd96::10" }, balance = "round_robin", ports = ports, endpoints = both,
	}
	service "default/kept" {
		cluster_ips = { "10.96.0.11", "fd96::11" }, masquerade = "never", balance = "round_robin", endpoints = both,
		ports = { { port = 80, target_port = 8080 } },
	}
	service "default/udp" {
		cluster_ips = { "10.96.0.13", "fd96::13" }, balance = "round_robin", endpoints = both,
		ports = { { protocol = "udp", port = 53, target_port = 5354 }, { protocol = "udp", port = 54, target_port = 9 } },
	}
	service "default/sctp" {
		cluster_ips = { "10.96.0.14", "fd96::14" }, balance = "round_robin", endpoints = both,
		ports = { { protocol = "sctp", port = 2905, target_port = 2906 } },
	}
	service "default/none" {
		cluster_ips = { "10.96.0.12", "fd96::12" }, endpoints = {}, ports = { { port = 80 }, { protocol = "udp", port = 53 } },
	}
	service "default/host" {
		cluster_ips = { "10.96.0.30" }, external_ips = { "192.168.77.1" }, endpoints = { "192.168.77.1" },
		ports = { { port = 8080 } },
	}
	function on_flow(flow)
		if flow.destination_port == 8081 then return reject("no") end
		if flow.destination_port == 8082 then return dnat("10.244.0.6:8080", { masquerade = true }) end
		if flow.destination_port == 8083 then return drop("no") end
	end
EOT
urls=(http://{10.96.0.10,[fd96::10],10.96.0.11,[fd96::11],10.96.0.12,[fd96::12]}/ http://{192.168.77.1,[fd77::1]}:32329/
	http://10.96.0.10:81/ http://10.96.9.9/ http://10.96.0.30:8080/ http://192.168.77.1:8080/
	http://10.244.0.5:808{0,1,2,3}/ http://[fd44::5]:8080/)
answers() {
	local from url status question
	for from in client node pod1; do
		for question in datagram:{10.96.0.13:53,fd96::13:53,10.96.0.13:54,10.96.0.12:53,fd96::12:53} sctp:{10.96.0.14,fd96::14}:2905; do
			url=${question#*:}
			status=0
			"$from" "$LUNETTE_BUILD/tests/helper-${question%%:*}" ask "${url%:*}" "${url##*:}" >"$work/answer" 2>&1 || status=$?
			echo "$from $question $status $(cat "$work/answer")"
		done
		for url in "${urls[@]}"; do
			status=0
			"$from" curl -sg --max-time 0.4 -o "$work/answer" "$url" || status=$?
			echo "$from $url $status $([[ $status -ne 0 ]] || cat "$work/answer")"
		done
	done
}
# A redirect, which a pod's connection to itself draws, uses up what the kernel allows in ICMP errors to that pod.
sysctl_of node net.ipv4.ip_forward=1 net.ipv6.conf.all.forwarding=1 net.ipv4.conf.{all,pod1}.send_redirects=0
agent_start --flush
answers >"$work/commit"
agent_stop TERM
sysctl_of node net.ipv4.ip_forward=0 net.ipv6.conf.all.forwarding=0
agent_start --inline --set-sysctls
answers >"$work/inline"
diff "$work/commit" "$work/inline" || fail "commit mode (<) and inline mode (>) differ"
is "$(awk '{ print $3 }' "$work/inline" | sort | uniq -c | xargs)" "42 0 7 28 9 3 14 7" "answers of both modes, by exit status"
for line in "client http://10.96.0.10/ 0 pod1 10.244.0.1" "client http://[fd96::11]/ 0 pod1 fd77::2" \
	"client http://[fd77::1]:32329/ 0 pod2 fd44::1" "node http://192.168.77.1:32329/ 0 pod2 10.244.0.1" \
	"pod1 http://10.96.0.10/ 0 pod1 10.244.0.1" "pod1 http://[fd96::10]/ 0 pod1 fd44::1"; do
	grep -qxF "$line" "$work/inline" || fail "no '$line' in: $(cat "$work/inline")"
done

# Two clients with the same port toward the same endpoint: one of them gets another port.
ip -n "$lab-client" address add 192.168.77.3/24 dev eth0
client curl -s --local-port 41000 --limit-rate 5M -o "$work/one" http://10.244.0.5:8082/big &
one=$!
sleep 0.1
client curl -s --interface 192.168.77.3 --local-port 41000 --limit-rate 5M -o "$work/two" http://10.244.0.5:8082/big
wait $one
cmp "$work/big" "$work/one" && cmp "$work/big" "$work/two"
echo "ok: two connections with one source port to one endpoint"

# UDP, in one piece and in many; what is refused, and by whom; pings of all lengths, which no service wants.
cat >"$work/policy.lua" <<-EOT
	node { name = "node", addresses = { "192.168.77.1", "fd77::1" }, pods = { "10.244.0.0/16", "fd44::/64" } }
	local both = { "10.244.0.5", "10.244.0.6", "fd44::5", "fd44::6" }
	service "default/dns" {
		type = "NodePort", cluster_ips = { "10.96.0.10", "fd96::10" }, endpoints = both, ports = {
			{ name = "dns", protocol = "udp", port = 53, target_port = 5353, node_port = 32353 },
			{ name = "closed", protocol = "udp", port = 54, target_port = 5454 },
		},
	}
	service "default/none" {
		cluster_ips = { "10.96.0.12", "fd96::12" }, endpoints = {}, ports = { { protocol = "udp", port = 53 } },
	}
EOT
reload
for from in client node pod1; do
	for address in 10.96.0.10 fd96::10; do
		for size in 10 1472 3000 60000; do
			is "$($from "$probe" udp $address 53 $size)" "$size bytes" "$from to $address, UDP"
		done
		is "$($from "$probe" udp $address 54 10)" refused "$from to $address, a port that the pod has closed"
	done
	for address in 10.96.0.12 fd96::12; do
		is "$($from "$probe" udp $address 53 10)" refused "$from to $address, no endpoint"
	done
	for address in 10.244.0.6 fd44::6; do
		is "$($from "$probe" ping $address 56) $($from "$probe" ping $address 5000)" "56 bytes 5000 bytes" "$from pings $address"
	done
done
for address in 192.168.77.1 fd77::1; do
	is "$(client "$probe" udp $address 32353 3000)" "3000 bytes" "client to $address, UDP node port"
done
is "$(client "$probe" udp 10.96.0.10 53 65507)" "65507 bytes" "the longest datagram, in fragments"
is "$(node "$probe" udp 10.96.0.10 53 65507)" silence "the longest datagram, which the queue cannot give whole"
grep -q "too long for the queue" "$agent_log" || fail "which is not said"

is "$(node cat /proc/net/nf_conntrack | wc -l)" 0 "entries in the kernel's table"
agent_stop TERM
is "$agent_status" 0 "SIGTERM, exit status"
is "$(node nft list tables | grep -c lunette || true)" 0 "tables of ours"
is "$(node iptables-nft -t raw -S; node iptables-legacy -t raw -S)" "$(printf -- '-P PREROUTING ACCEPT\n-P OUTPUT ACCEPT\n%.0s' 1 2)" "iptables"
settings | diff "$work/before" - || fail "sysctls before (<) and after (>) differ"
echo "ok: sysctls are as they were"
