#!/usr/bin/env bash
# The PROXY header, in both modes: both versions and families reach a server that demands it, with and without edited heads behind it,
# and in front of long transfers; a server that speaks first has it, too; and it comes again where it was lost.
source "$(dirname "${BASH_SOURCE[0]}")/lib.sh"

# Served in pod1: 8081 tells what the header said, and says nothing to who sends none; 8082 speaks first, of the header that it got.
cat >"$work/proxy.conf" <<-EOT
	daemon off; master_process off; user root; pid $work/pod1/proxy.pid; error_log $work/pod1/error.log;
	events {}
	http {
		access_log off; client_body_temp_path $work/pod1/body2; proxy_temp_path $work/pod1/p2;
		fastcgi_temp_path $work/pod1/f2; uwsgi_temp_path $work/pod1/u2; scgi_temp_path $work/pod1/s2;
		server {
			listen 8081 proxy_protocol; listen [::]:8081 proxy_protocol;
			location = / {
				default_type text/plain;
				return 200 "\$proxy_protocol_addr>\$proxy_protocol_server_addr:\$proxy_protocol_server_port by \$remote_addr \$http_x_mine\n";
			}
			location = /big { alias $work/big; }
			location /put/ { root $work/pod1; dav_methods PUT; create_full_put_path on; client_max_body_size 0; }
		}
	}
EOT
pod1 nginx -c "$work/proxy.conf" -e "$work/pod1/error.log" &
started+=($!)
pod1 perl -MIO::Socket::IP -e '
	$server = IO::Socket::IP->new(LocalAddr => "::", LocalPort => 8082, Listen => 5, V6Only => 0) or die;
	while ($client = $server->accept) { $line = <$client>; print $client "220 $line"; close $client }
' &
started+=($!)
for port in 8081 8082; do wait_for pod1 bash -c "ss -ltn | grep -q :$port"; done

services=
for version in 1 2; do
	for http in nil '{ set = { ["X-Mine"] = "$remote_addr" } }'; do
		number=$((10 * version)) && [[ $http == nil ]] || number=$((10 * version + 1))
		services+="
			service 'default/web$number' {
				cluster_ips = { '10.96.0.$number', 'fd96::$number' }, endpoints = { '10.244.0.5', 'fd44::5' },
				ports = { { port = 80, target_port = 8081 }, { port = 25, target_port = 8082 } },
				masquerade = 'always', proxy_protocol = $version, http = $http,
			}"
	done
done
cat >"$work/policy.lua" <<-EOT
	node { name = "node", addresses = { "192.168.77.1", "fd77::1" }, pods = { "10.244.0.0/16", "fd44::/64" } }
	$services
EOT
asks() { # URL WANTED
	is "$(client curl -sg --max-time 5 "$1")" "$2" "client to $1"
}
edited() { "$LUNETTE" stats --control "$work/control" --json | jq 'select(.summary).summary.edited'; }

for mode in commit inline; do
	echo "-- $mode"
	options=(--flush --set-sysctls) && [[ $mode == commit ]] || options+=(--inline)
	agent_start "${options[@]}"
	for version in 1 2; do
		asks http://10.96.0.${version}0/ "192.168.77.2>10.96.0.${version}0:80 by 10.244.0.1 "
		asks http://10.96.0.${version}1/ "192.168.77.2>10.96.0.${version}1:80 by 10.244.0.1 192.168.77.2"
		asks "http://[fd96::${version}0]/" "fd77::2>fd96::${version}0:80 by fd44::1 "
		asks "http://[fd96::${version}1]/" "fd77::2>fd96::${version}1:80 by fd44::1 fd77::2"
	done

	before=$(edited)
	for host in 10.96.0.10 [fd96::20] 10.96.0.21 [fd96::11]; do
		client curl -sg --max-time 20 -H Expect: -T "$work/big" "http://$host/put/up" || fail "$host: upload"
		cmp "$work/big" "$work/pod1/put/up" || fail "$host: what came up"
		client curl -sg --max-time 20 -o "$work/down" "http://$host/big" || fail "$host: download"
		cmp "$work/big" "$work/down" || fail "$host: what came down"
		rm "$work/pod1/put/up" "$work/down"
		echo "ok: $host, 8 MB up and down"
		if [[ $mode == commit && $host == [fd96::20] ]]; then
			[[ $(($(edited) - before)) -lt 100 ]] || fail "$(($(edited) - before)) packets of what is not edited came to the agent"
			echo "ok: once the header is there, the kernel carries what is not edited"
		fi
	done

	for address in 10.96.0.10 fd96::10; do
		said=$(client bash -c "exec 3<>/dev/tcp/$address/25; timeout 5 cat <&3")
		[[ $said == "220 PROXY TCP"?" "*" $address "*" 25"$'\r' ]] || fail "the server that speaks first said '$said'"
		echo "ok: a server that speaks first, at $address"
	done

	# The first packet with payload of each connection is lost on its way to the pod.  That is the header.
	pod1 nft 'table inet lossy
	delete table inet lossy
	table inet lossy {
		set seen { type inet_service; flags dynamic; size 1000; }
		chain in {
			type filter hook prerouting priority raw; policy accept;
			tcp dport { 8081, 8082 } tcp flags & psh == psh tcp sport != @seen add @seen { tcp sport } counter drop
		}
	}'
	for host in 10.96.0.10 10.96.0.21 [fd96::20]; do
		from=$([[ $host == *:* ]] && echo fd77::2 || echo 192.168.77.2)
		[[ $(client curl -sg --max-time 10 "http://$host/") == "$from>"* ]] || fail "$host: the header was lost for good"
		echo "ok: $host, where the header is lost once"
	done
	said=$(client bash -c "exec 3<>/dev/tcp/10.96.0.10/25; timeout 5 cat <&3")
	[[ $said == "220 PROXY TCP4 "* ]] || fail "the server that speaks first said '$said', where the header is lost once"
	echo "ok: a server that speaks first, where the header is lost once"
	[[ $(pod1 nft list table inet lossy | grep -oE 'packets [0-9]+' | tail -1) == "packets 4" ]] || fail "nothing was lost"
	pod1 nft delete table inet lossy
	agent_stop TERM
	is "$agent_status" 0 "the agent's exit status"
done
