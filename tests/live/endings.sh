#!/usr/bin/env bash
# A reload that takes an endpoint away ends the UDP flows to it at once, and only those; TCP connections drain, until the
# deadline that the policy may give them.  The same holds for an agent that starts with another policy than the one before it.
source "$(dirname "${BASH_SOURCE[0]}")/lib.sh"

datagram=$LUNETTE_BUILD/tests/helper-datagram
for pod in pod1 pod2; do
	ip netns exec "$lab-$pod" "$datagram" serve $pod 5353 5354 &
	started+=($!)
done
# policy ENDPOINTS [KEYS]: of a service with a TCP and a UDP port; a second one has always the same.
policy() {
	cat >"$work/policy.lua" <<-EOT
		node { name = "node", addresses = { "192.168.77.1" }, pods = { "10.244.0.0/16" } }
		service "default/web" {
			cluster_ips = { "10.96.0.10", "fd96::10" }, balance = "round_robin", endpoints = { $1 }, ${2:-}
			ports = {
				{ name = "http", port = 80, target_port = 8080 },
				{ name = "dns", protocol = "udp", port = 53, target_port = 5353 },
			},
		}
		service "default/other" {
			cluster_ips = { "10.96.0.11" }, endpoints = { "10.244.0.5" },
			ports = { { protocol = "udp", port = 53, target_port = 5353 } },
		}
	EOT
}
both='"10.244.0.5", "10.244.0.6", "fd44::5", "fd44::6"' second='"10.244.0.6", "fd44::6"'
ask() { client "$datagram" ask "$@" || echo "status $?"; }

# Ten flows to each address, half of them to each pod, and ten to pod1 by the other service.
open_flows() { # FIRST PORT
	for ((port = $1; port < $1 + 10; port++)); do
		for address in 10.96.0.10 fd96::10 10.96.0.11; do ask -f $port $address 53 >>"$work/asked"; done
	done
}
# check ADDRESS POD EXPECTED
check() { is "$(node conntrack -L -f ipv$([[ $1 == *:* ]] && echo 6 || echo 4) -p udp --orig-dst "$1" 2>/dev/null | grep -c "src=$2 " || true)" "$3" \
	"UDP flows to $1 at $2"; }
check_all() { # EXPECTED at pod1
	check 10.96.0.10 10.244.0.5 "$1"; check fd96::10 fd44::5 "$1"
	check 10.96.0.10 10.244.0.6 5; check fd96::10 fd44::6 5; check 10.96.0.11 10.244.0.5 10
}

policy "$both"
agent_start
open_flows 40001
client curl -s -o "$work/got1" http://10.96.0.10/slow & first=$!
client curl -s -o "$work/got2" http://10.96.0.10/slow & second_download=$!
wait_for eval 'test -s "$work/got1" && test -s "$work/got2"'
check_all 5
reload
check_all 5

policy "$second"
reload
check_all 0
for port in 40001 40002; do ask -f $port 10.96.0.10 53 >/dev/null; ask -f $port fd96::10 53 >/dev/null; done # one of them is lost
for port in 40001 40002; do
	is "$(ask -f $port 10.96.0.10 53)" "1 pod2 10.244.0.1" "the flow from port $port after the reload"
	is "$(ask -f $port fd96::10 53 | cut -d' ' -f2)" "pod2" "the flow from port $port after the reload"
done

# The agent is away while the endpoint comes and goes.
policy "$both"
reload
node conntrack -D -p udp >/dev/null 2>&1 || true
agent_stop KILL
agent_start
open_flows 41001
agent_stop KILL
policy "$second"
agent_start
check 10.96.0.10 10.244.0.5 0; check fd96::10 fd44::5 0; check 10.96.0.11 10.244.0.5 10

wait $first || fail "a download broke: curl status $?"
wait $second_download || fail "a download broke: curl status $?"
cmp "$work/big" "$work/got1" && cmp "$work/big" "$work/got2"
echo "ok: TCP drains"

# A client that goes on sending when its connection was ended is told so by a reset.
node conntrack -D -p tcp >/dev/null 2>&1 || true
for family in 4 6; do
	address=$([[ $family -eq 4 ]] && echo 10.96.0.10 || echo '[fd96::10]')
	policy "$both" 'drain = "1s",'
	reload
	for upload in 1 2; do
		client curl -s --max-time 20 --limit-rate 2000k -T "$work/big" "http://$address/sink" & uploads[upload]=$!
	done
	wait_for eval '[[ $(node conntrack -L -f "ipv$family" -p tcp 2>/dev/null | grep -c ESTABLISHED) -eq 2 ]]'
	policy "$second" 'drain = "1s",'
	reload
	over=0
	for upload in 1 2; do
		status=0
		wait "${uploads[upload]}" || status=$?
		[[ $status -eq 0 || $status -eq 55 || $status -eq 56 ]] || fail "IPv$family: an upload ended with curl's status $status"
		over=$((over + (status == 0)))
	done
	is "$over" 1 "IPv$family: uploads that were not ended"
	wait_for eval '[[ -z $(pod1 ss -Htn state established "sport = :8080") ]]'
	node conntrack -D -f "ipv$family" -p tcp >/dev/null 2>&1 || true
done
