#!/usr/bin/env bash
# Edits of requests on connections that the kernel carries: the pod sees the headers, whoever tries to spoof them does not get
# through, and long transfers arrive as they were sent; answers never come to the agent.
source "$(dirname "${BASH_SOURCE[0]}")/lib.sh"
head -c 100000000 /dev/urandom >"$work/big"

cat >"$work/policy.lua" <<-EOT
	node { name = "node", addresses = { "192.168.77.1", "fd77::1" }, pods = { "10.244.0.0/16", "fd44::/64" } }
	local endpoints = { "10.244.0.5", "fd44::5" }
	service "default/edited" {
		type = "NodePort", cluster_ips = { "10.96.0.20", "fd96::20" }, endpoints = endpoints,
		ports = { { port = 80, target_port = 8080, node_port = 32329 } }, http = headers.forwarded(),
	}
	service "default/long" {
		cluster_ips = { "10.96.0.21", "fd96::21" }, endpoints = endpoints, ports = { { port = 80, target_port = 8080 } },
		http = { set = { ["X-Real-IP"] = "\$remote_addr", ["X-Long"] = "$(printf 'y%.0s' {1..700})" } },
	}
EOT
agent_start --set-sysctls

# edited: how many packets came to be edited
edited() { "$LUNETTE" stats --control "$work/control" --json | jq 'select(.summary).summary.edited'; }

for host in 10.96.0.20 [fd96::20]; do
	seen=$([[ $host == *:* ]] && echo fd77::2 || echo 192.168.77.2)
	is "$(client curl -sg --max-time 5 -H 'X-Real-IP: 6.6.6.6' -H 'X-Mine: a' "http://$host/echo")" "$seen a" "client to $host, one request"
	# One connection: each head moves the numbers of those behind it.
	printf "url = \"http://$host/echo?%d\"\n" {1..200} >"$work/urls"
	client curl -sg --max-time 20 -H 'x-real-ip: 6.6.6.6' -K "$work/urls" >"$work/answers" || fail "requests on one connection"
	is "$(sort "$work/answers" | uniq -c | xargs)" "200 $seen" "client to $host, 200 requests on one connection"
done
is "$(client curl -s --max-time 5 http://192.168.77.1:32329/echo | xargs)" "192.168.77.2" "through a node port"
is "$(node curl -s --max-time 5 http://10.96.0.20/echo | xargs)" "192.168.77.1" "from the node"

# transfer HOST: up and down on one connection, which is edited before and behind it.
transfer() {
	client curl -sg --max-time 60 -H Expect: -T "$work/big" "http://$1/put/up" --next -o "$work/down" "http://$1/big" \
		--next "http://$1/echo" >"$work/answer" || fail "$1: transfer"
	cmp "$work/big" "$work/pod1/put/up" || fail "$1: what came up"
	cmp "$work/big" "$work/down" || fail "$1: what came down"
	rm "$work/pod1/put/up" "$work/down"
	echo "ok: $1, 100 MB up and down"
}
transfer 10.96.0.20
transfer [fd96::20]

# What outgrows the path leaves in two packets; heads that come in several are held.
for host in 10.96.0.21 [fd96::21]; do
	for length in 10 1000 1200 6000; do
		mine=$(head -c "$length" /dev/zero | tr '\0' x)
		client curl -sg --max-time 5 -H "X-Mine: $mine" "http://$host/echo" "http://$host/echo" >"$work/answers" ||
			fail "no answer to a long head"
		[[ $(<"$work/answers") =~ ^(192.168.77.|fd77::)2" $mine"$'\n'(192.168.77.|fd77::)2" $mine"$ ]] ||
			fail "the pod saw '$(cat "$work/answers")'"
		echo "ok: $host, two heads with $length bytes of their own"
	done
	client curl -sg --max-time 20 -H Expect: -T - "http://$host/put/up" <"$work/big" || fail "chunked upload to $host"
	cmp "$work/big" "$work/pod1/put/up" || fail "what came up in chunks to $host"
	rm "$work/pod1/put/up"
	echo "ok: $host, 100 MB in chunks"
done

# Of an answer nothing comes to the agent, not even what acknowledges it.
before=$(edited)
client curl -sg --max-time 60 -o "$work/down" http://10.96.0.20/big
is "$(($(edited) - before))" 1 "packets to the agent for a download of 100 MB"
