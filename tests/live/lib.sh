# lib.sh - a small network in namespaces, for the tests with real packets; sourced by them.
#
#	client 192.168.77.2 ---- 192.168.77.1 node 10.244.0.1 ---- pod1 10.244.0.5
#	       fd77::2                fd77::1      fd44::1    \--- pod2 10.244.0.6   (fd44::5, fd44::6)
#
# Each pod has a web server on port 8080 that says which pod it is and which source it saw.  The agent runs in the node.  The
# node's default route goes to the client, so what leaves untranslated is seen there.  Everything is removed at the end.
set -euo pipefail

skip() { echo "skipped: $*"; exit 77; }

[[ $(id -u) -eq 0 ]] || skip "needs root"
unshare -n true 2>/dev/null || skip "may not make network namespaces"
for program in ip nginx curl conntrack nft jq; do
	command -v "$program" >/dev/null || skip "$program is not installed"
done
"$LUNETTE" doctor --json >/dev/null || skip "this kernel cannot commit, see lunette doctor"

lab=lun$$
work=$(mktemp -d)
started=() # processes to end

cleanup() {
	local status=$? pid name
	for pid in "${started[@]}"; do kill "$pid" 2>/dev/null && kill -CONT "$pid" 2>/dev/null || true; done
	for pid in "${started[@]}"; do wait "$pid" 2>/dev/null || true; done
	for name in $(ip netns list | grep -o "^$lab-[a-z0-9]*"); do
		ip netns pids "$name" | xargs -r kill -KILL 2>/dev/null || true # a background command that a function began, for one
		ip netns delete "$name"
	done
	[[ $status -eq 0 || $status -eq 77 ]] || sed 's/^/agent: /' "$work"/agent*.log 2>/dev/null || true
	rm -rf "$work"
}
trap cleanup EXIT
trap 'exit 1' INT TERM

fail() { echo "FAILED: $*"; exit 1; }

# is GOT EXPECTED WHAT
is() {
	[[ $1 == "$2" ]] || fail "$3: expected '$2', got '$1'"
	echo "ok: $3: $1"
}

client() { ip netns exec "$lab-client" "$@"; }
node() { ip netns exec "$lab-node" "$@"; }
pod1() { ip netns exec "$lab-pod1" "$@"; }
pod2() { ip netns exec "$lab-pod2" "$@"; }

# Waits until a command succeeds, ten seconds at most.
wait_for() {
	for _ in {1..100}; do
		"$@" >/dev/null 2>&1 && return
		sleep 0.1
	done
	fail "waited in vain for: $*"
}

sysctl_of() { ip netns exec "$lab-$1" sysctl -qw "${@:2}"; }

# link_up NAMESPACE ADDRESSES OF THE NODE'S SIDE AND OF THE OTHER ONE
link_up() {
	ip -n "$lab-node" link add "$1" type veth peer name eth0 netns "$lab-$1"
	ip -n "$lab-node" link set "$1" up
	ip -n "$lab-$1" link set eth0 up
	ip -n "$lab-node" address add "$2" dev "$1"
	ip -n "$lab-node" -6 address add "$3" dev "$1" nodad
	ip -n "$lab-$1" address add "$4" dev eth0
	ip -n "$lab-$1" -6 address add "$5" dev eth0 nodad
}

network_up() {
	local name
	for name in client node pod1 pod2; do
		ip netns add "$lab-$name"
		ip -n "$lab-$name" link set lo up
	done
	link_up client 192.168.77.1/24 fd77::1/64 192.168.77.2/24 fd77::2/64
	link_up pod1 10.244.0.1/32 fd44::1/128 10.244.0.5/32 fd44::5/128
	link_up pod2 10.244.0.1/32 fd44::1/128 10.244.0.6/32 fd44::6/128
	for name in pod1:5 pod2:6; do
		ip -n "$lab-node" route add "10.244.0.${name#*:}" dev "${name%:*}" src 10.244.0.1
		ip -n "$lab-node" -6 route add "fd44::${name#*:}" dev "${name%:*}" src fd44::1
		ip -n "$lab-${name%:*}" route add 10.244.0.1 dev eth0
		ip -n "$lab-${name%:*}" route add default via 10.244.0.1
		ip -n "$lab-${name%:*}" -6 route add fd44::1 dev eth0
		ip -n "$lab-${name%:*}" -6 route add default via fd44::1
	done
	ip -n "$lab-client" route add default via 192.168.77.1
	ip -n "$lab-client" -6 route add default via fd77::1
	ip -n "$lab-node" route add default via 192.168.77.2
	ip -n "$lab-node" -6 route add default via fd77::2
	sysctl_of node net.ipv4.ip_forward=1 net.ipv6.conf.all.forwarding=1
}

# serve_in POD: a web server; / tells who it is and whom it saw, /big is a file of 8 MB, /slow the same in 8 s, /slower in 16 s;
# what is put to /put/ is in $work/POD/put/, and to /sink nowhere; /echo tells the headers X-Real-IP and X-Mine.
serve_in() {
	mkdir -p "$work/$1"
	[[ -e $work/big ]] || head -c 8000000 /dev/urandom >"$work/big"
	cat >"$work/$1.conf" <<-EOT
		daemon off; master_process off; user root; pid $work/$1/pid; error_log $work/$1/error.log;
		events { worker_connections 4096; }
		http {
			access_log off; client_body_temp_path $work/$1/body; proxy_temp_path $work/$1/proxy;
			fastcgi_temp_path $work/$1/fastcgi; uwsgi_temp_path $work/$1/uwsgi; scgi_temp_path $work/$1/scgi;
			keepalive_requests 1000000; lingering_time 300s;
			server {
				listen 8080 reuseport backlog=4096; listen [::]:8080 reuseport backlog=4096;
				location = / { default_type text/plain; return 200 "$1 \$remote_addr\n"; }
				location = /big { alias $work/big; }
				location = /slow { alias $work/big; limit_rate 1000k; }
				location = /slower { alias $work/big; limit_rate 500k; }
				location /put/ { root $work/$1; dav_methods PUT; create_full_put_path on; client_max_body_size 0; }
				location = /sink { client_max_body_size 0; return 200; }
				location = /echo { default_type text/plain; return 200 "\$http_x_real_ip \$http_x_mine\n"; }
			}
		}
	EOT
	ip netns exec "$lab-$1" nginx -c "$work/$1.conf" -e "$work/$1/error.log" &
	started+=($!)
	wait_for "$1" curl -sf -o "$work/null" http://127.0.0.1:8080/
}

# The policy of most tests.
write_policy() {
	cat >"$work/policy.lua" <<-EOT
		node { name = "node", addresses = { "192.168.77.1", "fd77::1" }, pods = { "10.244.0.0/16", "fd44::/64" } }
		service "default/web" {
			type = "NodePort", cluster_ips = { "10.96.0.10", "fd96::10" }, balance = "round_robin",
			ports = { { name = "http", port = 80, node_port = 32329, target_port = 8080 } },
			endpoints = { "10.244.0.5", "10.244.0.6", "fd44::5", "fd44::6" },
		}
	EOT
}

# with_library NAME: a command that starts another one with live/preload/NAME.c.
with_library() { echo env ASAN_OPTIONS=verify_asan_link_order=0 "LD_PRELOAD=$LUNETTE_BUILD/tests/preload-$1.so"; }

# agent_start [OPTION]...: starts the agent in the node, by the command $agent_under, and waits until it serves; its process is $agent.
agent_count=0
agent_under=
agent_start() {
	agent_log=$work/agent$((++agent_count)).log
	ip netns exec "$lab-node" $agent_under "$LUNETTE" run -p "$work/policy.lua" --json --control "$work/control" "$@" 2>"$agent_log" &
	agent=$!
	started+=("$agent")
	wait_for grep -q '"event":"ready"' "$agent_log"
}

# reload [EVENT]: has the agent load its policy again, and waits for the line that says so.
reload() {
	local event=${1:-'"event":"reloaded"'} before
	before=$(grep -c "$event" "$agent_log" || true)
	kill -HUP "$agent"
	for _ in {1..100}; do
		[[ $(grep -c "$event" "$agent_log" || true) -eq $before ]] || return 0
		sleep 0.1
	done
	fail "no '$event' after SIGHUP"
}

# agent_stop SIGNAL: ends it and waits; its status is in $agent_status.
agent_stop() {
	kill -s "$1" "$agent"
	agent_status=0
	wait "$agent" 2>/dev/null || agent_status=$?
}

network_up
serve_in pod1
serve_in pod2
write_policy
