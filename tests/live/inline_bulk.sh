#!/usr/bin/env bash
# Inline, long transfers: both ways, both families, in packets that are segmented later; a path whose middle is narrow, whose
# errors reach the true sender; request heads that are edited and outgrow the path; and beside a kernel that tracks connections
# for others.
source "$(dirname "${BASH_SOURCE[0]}")/lib.sh"
probe=$LUNETTE_BUILD/tests/helper-probe
ip netns exec "$lab-pod1" "$probe" serve 5353 &
started+=($!)
head -c 50000000 /dev/urandom >"$work/big"

cat >"$work/policy.lua" <<-EOT
	node { name = "node", addresses = { "192.168.77.1", "fd77::1" }, pods = { "10.244.0.0/16", "fd44::/64" } }
	local endpoints = { "10.244.0.5", "fd44::5" }
	service "default/web" {
		cluster_ips = { "10.96.0.10", "fd96::10" }, endpoints = endpoints, ports = {
			{ name = "http", port = 80, target_port = 8080 }, { name = "dns", protocol = "udp", port = 53, target_port = 5353 },
		},
	}
	service "default/kept" {
		cluster_ips = { "10.96.0.11", "fd96::11" }, endpoints = endpoints, masquerade = "never",
		ports = { { port = 80, target_port = 8080 } },
	}
	service "default/edited" {
		cluster_ips = { "10.96.0.20", "fd96::20" }, endpoints = endpoints, ports = { { port = 80, target_port = 8080 } },
		http = { set = { ["X-Real-IP"] = "\$remote_addr", ["X-Long"] = "$(printf 'y%.0s' {1..700})" } },
	}
EOT

# transfer NAMESPACE URL WHAT: a file there, and one back.
transfer() {
	"$1" curl -sg --max-time 20 -H Expect: -T "$work/big" "$2/put/up" || fail "$3: upload"
	cmp "$work/big" "$work/pod1/put/up" || fail "$3: what came up"
	"$1" curl -sg --max-time 20 -o "$work/down" "$2/big" || fail "$3: download"
	cmp "$work/big" "$work/down" || fail "$3: what came down"
	rm "$work/pod1/put/up" "$work/down"
	echo "ok: $3"
}
transfers() { # WHAT
	local host
	for host in 10.96.0.10 [fd96::10] 10.96.0.11 [fd96::11] 10.96.0.20 [fd96::20]; do transfer client "http://$host" "client to $host, $1"; done
	for host in 10.96.0.10 [fd96::10]; do transfer node "http://$host" "node to $host, $1"; done
}

agent_start --inline --set-sysctls
transfers "wide path"

# A body of unknown length is chunked, and every chunk's line is followed.
for host in 10.96.0.20 [fd96::20]; do
	client curl -sg --max-time 20 -H Expect: -T - "http://$host/put/up" <"$work/big" || fail "chunked upload to $host"
	cmp "$work/big" "$work/pod1/put/up" || fail "what came up in chunks to $host"
	rm "$work/pod1/put/up"
	echo "ok: client to $host, in chunks"
done

# A head grows by 800 bytes.  The path carries 1,500, so one of 1,300 leaves in two packets, which nobody asked to segment; one of
# 6,000 comes in several, which are held.
for from in client node; do
	for host in 10.96.0.20 [fd96::20]; do
		for length in 10 1000 1200 6000; do
			mine=$(head -c "$length" /dev/zero | tr '\0' x)
			$from curl -sg --max-time 5 -H "X-Mine: $mine" "http://$host/echo" >"$work/answer" || fail "no answer to a long head"
			[[ $(<"$work/answer") =~ ^(192.168.77.|fd77::)[12]" $mine"$ ]] || fail "the pod saw '$(cat "$work/answer")'"
			echo "ok: $from to $host, a head with $length bytes of its own"
		done
	done
done

# The node's side of the way to the pod is narrow, and the pod does not know: "fragmentation needed" is made here, about packets
# that were translated.  Where it does not come to the sender, nothing long arrives.
ip -n "$lab-node" link set pod1 mtu 1400
for host in 10.96.0.10 fd96::10 10.96.0.11 fd96::11; do
	for from in client node; do
		url=http://$([[ $host == *:* ]] && echo "[$host]" || echo "$host")
		$from curl -sg --max-time 5 -H Expect: -T "$work/big" "$url/put/up" || fail "$from to $host, narrow path"
		cmp "$work/big" "$work/pod1/put/up"
		ip -n "$lab-$from" route get "$host" | grep -q "mtu 1400" || fail "$from to $host: the path's MTU was not learnt"
		echo "ok: $from to $host, narrow path"
	done
done
ip -n "$lab-node" link set pod1 mtu 1500
for from in client node; do
	ip -n "$lab-$from" route flush cache
	ip -n "$lab-$from" -6 route flush cache
done

# Somebody else's rules use connection tracking, by which fragments come here put together.  What is translated is none of
# its business, and everything else is.
node nft 'table inet other {
	chain forward {
		type filter hook forward priority filter; policy drop;
		meta mark & 0x00600000 == 0x00200000 ct state untracked accept
		ct state new,established accept
	}
	chain postrouting { type nat hook postrouting priority srcnat; policy accept; oif "client" masquerade; }
}'
transfers "beside connection tracking"
for address in 10.96.0.10 fd96::10; do
	is "$(client "$probe" udp $address 53 60000)" "60000 bytes" "client to $address, UDP beside connection tracking"
done
serve_in client
is "$(pod1 curl -sg --max-time 5 http://192.168.77.2:8080/)" "client 192.168.77.1" "whom the other rules masquerade is seen as"
client curl -sg --max-time 5 http://10.244.0.5:8080/ >/dev/null || fail "a connection to no service"
is "$(node conntrack -L -p tcp 2>/dev/null | awk '{ print $5, $6 }' | sort | xargs)" \
	"src=10.244.0.5 dst=192.168.77.2 src=192.168.77.2 dst=10.244.0.5" "the kernel's TCP connections"
