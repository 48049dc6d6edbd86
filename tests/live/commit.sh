#!/usr/bin/env bash
# Connections are committed: both families, from outside, from the node and from pods, to cluster IPs and node ports; the
# right source is seen, and the kernel holds the entry that the policy asked for.
source "$(dirname "${BASH_SOURCE[0]}")/lib.sh"

# ask NAMESPACE URL: the answer, "podN SOURCE".
ask() { "$1" curl -sg --max-time 5 "$2" || echo "no answer ($?)"; }

# saw NAMESPACE URL SOURCE: whatever pod it was, this is the source that it saw.
saw() { is "$(ask "$1" "$2" | sed 's/pod[12] //')" "$3" "$1 $2 is seen as"; }

agent_start
saw client http://10.96.0.10/ 10.244.0.1
saw client http://192.168.77.1:32329/ 10.244.0.1
saw client http://[fd96::10]/ fd44::1
saw client http://[fd77::1]:32329/ fd44::1
saw node http://10.96.0.10/ 10.244.0.1
saw node http://192.168.77.1:32329/ 10.244.0.1
saw node http://[fd96::10]/ fd44::1
saw node http://[fd77::1]:32329/ fd44::1

# A pod keeps its address toward the other one, and is masqueraded toward itself.
for url in http://10.96.0.10/ http://[fd96::10]/; do ask pod1 $url; ask pod1 $url; done | sort >"$work/pods"
is "$(paste -sd' ' "$work/pods")" "pod1 10.244.0.1 pod1 fd44::1 pod2 10.244.0.5 pod2 fd44::5" "pod1 to its own service"

# Round robin spreads evenly.
is "$(for _ in {1..10}; do ask client http://10.96.0.10/; done | cut -d' ' -f1 | sort | uniq -c | xargs)" \
	"5 pod1 5 pod2" "ten connections"

# An opening that carries data, longer than what is copied of it.
sysctl_of client net.ipv4.tcp_fastopen=5
client curl -s --tcp-fastopen -H "X-Long: $(printf 'x%.0s' {1..500})" http://10.96.0.10/ | grep -q ^pod ||
	fail "no answer to an opening with data"
echo "ok: an opening with data"

# The kernel's entry of one connection: DNAT, masquerade, our mark.
client curl -s --local-port 40000 http://10.96.0.10/ >"$work/answer"
pod=$(cut -d' ' -f1 "$work/answer"); address=10.244.0.${pod/pod1/5}; address=${address/pod2/6}
entry=$(node conntrack -L -p tcp --orig-port-src 40000 2>/dev/null)
grep -q "src=192.168.77.2 dst=10.96.0.10 sport=40000 dport=80 src=$address dst=10.244.0.1 sport=8080" <<<"$entry" ||
	fail "unexpected entry: $entry"
grep -q "mark=$((0x4c000000))" <<<"$entry" || fail "not our mark: $entry"
echo "ok: entry $entry"

# Two clients with the same port toward the same endpoint: the kernel finds another port for one of them.
cat >"$work/policy.lua" <<-EOT
	node { name = "node", addresses = { "192.168.77.1" }, pods = { "10.244.0.0/16" } }
	local ports = { { port = 80, target_port = 8080 } }
	service "default/one" { cluster_ips = { "10.96.0.10" }, endpoints = { "10.244.0.5" }, ports = ports }
	service "default/two" { cluster_ips = { "10.96.0.11" }, endpoints = { "10.244.0.5" }, ports = ports }
	service "default/none" { cluster_ips = { "10.96.0.12" }, endpoints = {}, ports = ports }
EOT
reload
ip -n "$lab-client" address add 192.168.77.3/24 dev eth0
client curl -s --local-port 41000 -o "$work/one" http://10.96.0.10/slow &
one=$!
sleep 0.3
client curl -s --interface 192.168.77.3 --local-port 41000 -o "$work/two" http://10.96.0.11/slow
wait $one
cmp "$work/big" "$work/one" && cmp "$work/big" "$work/two"
echo "ok: two connections with one source port to one endpoint"

# No endpoint: refused at once, not a silence; from outside and from the node.
for from in client node; do
	status=0
	$from curl -s --max-time 5 http://10.96.0.12/ || status=$?
	is "$status" 7 "$from to a service without endpoints: curl"
done

# What no service wants is left alone.
pod2 curl -s --max-time 5 http://10.244.0.5:8080/ | grep -qx "pod1 10.244.0.6" || fail "pod to pod"
is "$(node conntrack -L --mark 0x4c000000/0xfc000000 2>/dev/null | grep -c 'dst=10.244.0.5 .*dport=8080 src' || true)" 0 \
	"entries of ours for traffic that is none of ours"

# Addresses of the service range that no service has, and what a script says of any other connection.
cat >"$work/policy.lua" <<-EOT
	node {
		name = "node", addresses = { "192.168.77.1", "fd77::1" }, pods = { "10.244.0.0/16" },
		service_ranges = { "10.96.0.0/12", "fd96::/112" }, intercept = "all",
	}
	service "default/web" {
		type = "NodePort", cluster_ips = { "10.96.0.10", "fd96::10" }, endpoints = { "10.244.0.5", "fd44::5" },
		ports = { { port = 80, target_port = 8080, node_port = 32329 } },
	}
	function on_flow(flow)
		if flow.destination_port == 32329 then return accept() end
		if flow.destination_port == 8081 then return reject("no") end
		if flow.destination_port == 8082 then return dnat("10.244.0.6:8080") end
	end
EOT
reload

# curl_says STATUS NAMESPACE URL WHAT
curl_says() {
	local status=0
	"$2" curl -sg --max-time 1 -o "$work/answer" "$3" || status=$?
	is "$status" "$1" "$4: curl"
}
for from in client node; do
	curl_says 0 $from http://10.96.0.10/ "$from to the service"
	curl_says 0 $from http://[fd96::10]/ "$from to the service"
	curl_says 28 $from http://10.96.9.9/ "$from to an address that no service has"
	curl_says 28 $from http://[fd96::99]/ "$from to an address that no service has"
	curl_says 7 $from http://10.96.0.10:81/ "$from to a port that the service has not"
	curl_says 7 $from http://192.168.77.1:32329/ "$from to the node port, which the script leaves alone, where nothing listens"
	curl_says 0 $from http://10.244.0.5:8080/ "$from to a pod, left alone"
	curl_says 7 $from http://10.244.0.5:8081/ "$from to a port that the script rejects"
	curl_says 0 $from http://10.244.0.5:8082/ "$from to a port that the script sends elsewhere"
	is "$(cut -d' ' -f1 "$work/answer")" pod2 "which is"
done
[[ $(node conntrack -L --mark 0x4d000000/0xff000000 2>/dev/null | grep -c 'dst=10.244.0.5 .*dport=8080 src=10.244.0.5') -ge 2 ]] ||
	fail "no entries marked as left alone"

# Endpoints on the node itself: a connection from the node passes twice, out and in over lo.  One of them is the very address
# that is asked for, which leaves nothing to translate.
serve_in node
cat >"$work/policy.lua" <<-EOT
	node { name = "node", addresses = { "192.168.77.1" }, pods = { "10.244.0.0/16" } }
	service "default/host" {
		type = "NodePort", cluster_ips = { "10.96.0.30" }, external_ips = { "192.168.77.1" }, endpoints = { "192.168.77.1" },
		ports = { { port = 8080, node_port = 32330 } },
	}
EOT
reload
for from in client node pod1; do
	for url in http://10.96.0.30:8080/ http://192.168.77.1:32330/ http://192.168.77.1:8080/; do
		is "$(ask $from $url | cut -d' ' -f1)" node "$from to $url, served on the node"
	done
done
