#!/usr/bin/env bash
# The programs in examples/ that work on real packets, in the demo's network: embed_live serves, stops, and leaves nothing; node_agent
# follows objects from a pipe, tells whether it is well, and leaves connections alone; through embed_tun nginx gets edited heads, also
# where it is the only way from the laptop to a pod.
set -euo pipefail
cd "${LUNETTE_SOURCE:?}"

skip() { echo "skipped: $*"; exit 77; }
fail() { echo "FAILED: $*"; exit 1; }

[[ $(id -u) -eq 0 ]] || skip "needs root"
unshare -n true 2>/dev/null || skip "may not make network namespaces"
"$LUNETTE" doctor >/dev/null || skip "this kernel cannot commit, see lunette doctor"
source examples/network.sh
programs=${LUNETTE_BUILD:?}/examples

# is WHAT GOT EXPECTED, as a pattern
is() {
	[[ $2 == $3 ]] || fail "$1: expected $3, got $2"
	echo "ok: $1: $2"
}

status_of() {
	local status=0
	"$@" >"$work/out" 2>&1 || status=$?
	echo $status
}

network_up

start node "$work/embed.log" "$programs/embed_live" examples/kind.lua
embed=$!
wait_for grep -q '^serving' "$work/embed.log" || fail "embed does not serve: $(cat "$work/embed.log")"
is "NodePort" "$(laptop curl 172.18.0.2:32329)" 'pod[12] saw 10.244.0.1'
is "cluster IP, IPv6" "$(node curl '[fd00:10:96::b0f1]')" 'pod[12] saw fd00:10:244::1'
is "embed a second time" "$(status_of node "$programs/embed_live" examples/kind.lua)" 1
is "and why" "$(cat "$work/out")" '*queue*4242*'
kill -INT $embed
status=0
wait $embed || status=$?
is "embed stopped, status" $status 0
is "rules left" "$(node nft list ruleset)" ''
is "NodePort without embed: curl" "$(status_of laptop curl 172.18.0.2:32329)" 7
echo 'service "a/b" { endpont = {} }' >"$work/wrong.lua"
is "a wrong policy" "$(status_of node "$programs/embed_live" "$work/wrong.lua")" 1
is "and why" "$(cat "$work/out")" '*wrong.lua:1: *endpont*'
is "no policy" "$(status_of node "$programs/embed_live")" 2

# The second C program of the README, built as a stranger would, and run.
sed -n '/^```c$/,/^```$/p' README.md | awk '/^```c$/ { count++; next } !/^```$/ && count == 2' >"$work/redirect.c"
cc -std=gnu11 "$work/redirect.c" -Iinclude $(pkg-config --cflags libuv) "$LUNETTE_BUILD"/liblunette-live.a "$LUNETTE_BUILD"/liblunette.a \
	$(pkg-config --libs libuv libnetfilter_queue libnetfilter_conntrack libmnl) -lm -fno-lto -o "$work/redirect"
start node "$work/redirect.log" "$work/redirect"
redirect=$!
redirects() { [[ $(laptop curl 172.18.0.2:8080) == 'pod1 saw 10.244.0.1' ]]; }
wait_for redirects || fail "the README's program does not redirect: $(cat "$work/redirect.log")"
echo "ok: the README's program redirects a port"
kill $redirect
wait $redirect || true
node nft flush ruleset

cat >"$work/cluster.lua" <<'END'
node { name = "node", pods = { "10.244.0.0/16" } }
require("lunette.kubernetes").watch("events")
END
mkfifo "$work/events"
exec 5<>"$work/events" # so that it has a reader and a writer as long as this test runs
slice() { # POD'S ADDRESS
	echo '{"type":"ADDED","object":{"kind":"EndpointSlice","addressType":"IPv4","metadata":{"namespace":"default","name":"web-1",
		"labels":{"kubernetes.io/service-name":"web"}},"ports":[{"name":"http","port":80}],"endpoints":[{"addresses":["'"$1"'"]}]}}' >&5
}
health() { node curl "127.0.0.1:9464/$1"; }
answers() { [[ $(laptop curl 10.96.0.10) == "$1 saw"* ]]; }
start node "$work/agent.log" "$programs/node_agent" "$work/cluster.lua" 127.0.0.1:9464
agent=$!
wait_for grep -q '^serving' "$work/agent.log" || fail "node_agent does not serve: $(cat "$work/agent.log")"
is "health" "$(health healthz) $(health readyz)" "ok ready"
echo '{"type":"ADDED","object":{"kind":"Node","metadata":{"name":"node"},"status":{"addresses":[{"type":"InternalIP",
	"address":"172.18.0.2"}]}}}{"type":"ADDED","object":{"kind":"Service","metadata":{"namespace":"default","name":"web"},
	"spec":{"clusterIP":"10.96.0.10","ports":[{"name":"http","port":80}]}}}' >&5
slice 10.244.0.5
wait_for answers pod1 || fail "objects from the pipe: $(cat "$work/agent.log")"
slice 10.244.0.6
wait_for answers pod2 || fail "a changed object: $(cat "$work/agent.log")"
echo '{"type":"ADDED" "no":"JSON"}' >&5
wait_for grep -q 'events' "$work/agent.log" || fail "broken JSON is not told"
is "after broken JSON" "$(laptop curl 10.96.0.10)" 'pod2 saw *'
is "metrics" "$(health metrics | grep 'loads_total{result="success"}')" '*} [1-9]*'
kill -TERM $agent
status=0
wait $agent || status=$?
is "node_agent stopped, status" $status 0
is "what it committed" "$(node conntrack -L -p tcp --orig-dst 10.96.0.10 2>"$work/conntrack.log" | grep -c 10.244.0.6)" '[1-9]*'
is "an address that cannot be had" "$(status_of node "$programs/node_agent" "$work/cluster.lua" 192.0.2.1:9464)" 1
is "and why" "$(cat "$work/out")" '*192.0.2.1:9464*'
node nft flush ruleset

if [[ ! -c /dev/net/tun ]]; then
	echo "no /dev/net/tun: example embed_tun was not tried"
	exit
fi
tun_up "$programs/embed_tun"
said='pod[12] saw 10.244.0.1, on behalf of 172.18.0.1'
is "two requests with a false claim" \
	"$(laptop curl -H 'X-Real-IP: 1.2.3.4' 10.96.176.242/one 10.96.176.242/two | sort -u)" "$said"
head -c 300000 /dev/zero >"$work/body"
is "a large body" "$(laptop curl --data-binary "@$work/body" 10.96.176.242 -H 'X-Real-IP: 1.2.3.4')" "$said"

# The laptop and pod1 have a device each, and nothing between them but the program.
cat >"$work/router.lua" <<'END'
node { name = "router", masquerade_address = { "198.18.2.254", "fd18:2::fe" } }
service "default/web" {
	cluster_ips = { "198.18.1.1", "fd18:1::1" },
	ports       = { { port = 80 } },
	endpoints   = { "198.18.2.1", "fd18:2::1" },
	masquerade  = "always",
	http        = { set = { ["X-Real-IP"] = "$remote_addr" } },
}
END
# device_up PLACE NAME NUMBER: a device of the node's, which the program has open, goes there.
device_up() {
	ip -n "$lab-node" link set "$2" netns "$lab-$1"
	"$1" ip link set "$2" up
	"$1" ip address add "198.18.$3.1/24" dev "$2"
	"$1" ip address add "fd18:$3::1/64" dev "$2" nodad
}
node ip tuntap add clients mode tun
node ip tuntap add servers mode tun
start node "$work/router.log" "$programs/embed_tun" "$work/router.lua" clients servers
router=$!
wait_for grep -q '^routing' "$work/router.log" || fail "embed_tun does not route: $(cat "$work/router.log")"
device_up laptop clients 0
device_up pod1 servers 2
laptop ip route add 198.18.1.0/24 dev clients
laptop ip route add fd18:1::/64 dev clients
is "a router in user space" "$(laptop curl 198.18.1.1)" 'pod1 saw 198.18.2.254, on behalf of 198.18.0.1'
is "IPv6" "$(laptop curl '[fd18:1::1]')" 'pod1 saw fd18:2::fe, on behalf of fd18::1'
is "a large body through it" "$(laptop curl --data-binary "@$work/body" 198.18.1.1)" 'pod1 saw 198.18.2.254, *'
is "a ping of the service" "$(laptop "$LUNETTE_BUILD/tests/helper-probe" ping 198.18.1.1 56)" "56 bytes"
kill -TERM $router
status=0
wait $router || status=$?
is "embed_tun stopped, status" $status 0
is "without it: curl" "$(status_of laptop curl --max-time 1 198.18.1.1)" 28
is "no device" "$(status_of node "$programs/embed_tun" "$work/router.lua" lo)" 1
is "no argument" "$(status_of node "$programs/embed_tun")" 2
