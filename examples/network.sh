# network.sh - the network of a one-node `kind` cluster in network namespaces; sourced, not run.
#
#	laptop 172.18.0.1 ----------- 172.18.0.2 node 10.244.0.1 ---+--- pod1 10.244.0.5
#	       fc00:f853:ccd:e793::1  fc00:f853:ccd:e793::2         `--- pod2 10.244.0.6   (fd00:10:244::5 and ::6)
#
# `laptop COMMAND...`, `node COMMAND...` and so on run a command there.  In each pod an nginx says which pod it is and
# whom it saw: "pod1 saw 10.244.0.1", followed by ", on behalf of 172.18.0.1" where a request has the header X-Real-IP.
# Everything is removed when the script ends, however it ends.

lab=lunette$$      # what the names of the namespaces begin with
work=$(mktemp -d)  # for files
started=()         # processes to end

network_down() {
	local pid place
	for pid in "${started[@]}"; do kill "$pid" 2>/dev/null || true; done
	for pid in "${started[@]}"; do wait "$pid" 2>/dev/null || true; done
	for place in laptop node pod1 pod2; do ip netns delete "$lab-$place" 2>/dev/null || true; done
	rm -rf "$work"
}
trap network_down EXIT # bash runs it for signals, too

laptop() { ip netns exec "$lab-laptop" "$@"; }
node() { ip netns exec "$lab-node" "$@"; }
pod1() { ip netns exec "$lab-pod1" "$@"; }
pod2() { ip netns exec "$lab-pod2" "$@"; }

# start PLACE LOG COMMAND...: in the background; its process is $!.
start() {
	ip netns exec "$lab-$1" "${@:3}" >"$2" 2>&1 </dev/null &
	started+=($!)
}

# Waits until a command succeeds; false after ten seconds.
wait_for() {
	for _ in {1..200}; do
		"$@" >"$work/waited" 2>&1 && return
		sleep 0.05
	done
	return 1
}

# curl takes its options from here, not from whoever runs this: quiet, patient for five seconds, no proxy.
printf '%s\n' silent show-error 'max-time = 5' 'noproxy = *' >"$work/.curlrc"
export CURL_HOME=$work

# link PLACE INTERFACE ADDRESSES: a cable from an interface of the node to eth0 there; each end has the addresses that
# follow, first the node's.
link() {
	ip -n "$lab-node" link add "$2" type veth peer name eth0 netns "$lab-$1"
	ip -n "$lab-node" address add "$3" dev "$2"
	ip -n "$lab-node" address add "$4" dev "$2" nodad
	ip -n "$lab-$1" address add "$5" dev eth0
	ip -n "$lab-$1" address add "$6" dev eth0 nodad
	ip -n "$lab-node" link set "$2" up
	ip -n "$lab-$1" link set eth0 up
}

# The laptop is the node's way out, and, unlike in kind, has a route to cluster IPs.
laptop_up() {
	link laptop eth0 172.18.0.2/16 fc00:f853:ccd:e793::2/64 172.18.0.1/16 fc00:f853:ccd:e793::1/64
	ip -n "$lab-node" route add default via 172.18.0.1
	ip -n "$lab-node" route add default via fc00:f853:ccd:e793::1
	ip -n "$lab-laptop" route add 10.96.0.0/12 via 172.18.0.2
}

# pod_up POD NUMBER: as kind's CNI plugin does it, a cable for each pod, with host routes.
pod_up() {
	link "$1" "veth$2" 10.244.0.1/32 fd00:10:244::1/128 "10.244.0.$2/32" "fd00:10:244::$2/128"
	ip -n "$lab-node" route add "10.244.0.$2" dev "veth$2" src 10.244.0.1
	ip -n "$lab-node" route add "fd00:10:244::$2" dev "veth$2" src fd00:10:244::1
	ip -n "$lab-$1" route add 10.244.0.1 dev eth0
	ip -n "$lab-$1" route add fd00:10:244::1 dev eth0
	ip -n "$lab-$1" route add default via 10.244.0.1
	ip -n "$lab-$1" route add default via fd00:10:244::1
	nginx_up "$1"
}

nginx_up() {
	local folder=$work/$1
	mkdir "$folder"
	cat >"$folder/nginx.conf" <<-END
		daemon off; master_process off; user root; pid $folder/pid; error_log $folder/error.log;
		events {}
		http {
			access_log off; client_body_temp_path $folder/body; proxy_temp_path $folder/proxy;
			fastcgi_temp_path $folder/fastcgi; uwsgi_temp_path $folder/uwsgi; scgi_temp_path $folder/scgi;
			map \$http_x_real_ip \$client { "" ""; default ", on behalf of \$http_x_real_ip"; }
			default_type text/plain;
			server { listen 80; listen [::]:80; return 200 "$1 saw \$remote_addr\$client\n"; }
		}
	END
	start "$1" "$folder/log" nginx -c "$folder/nginx.conf" -e "$folder/error.log"
	wait_for "$1" curl 127.0.0.1 || { cat "$folder"/*log; return 1; }
}

network_up() {
	local place
	for place in laptop node pod1 pod2; do
		ip netns add "$lab-$place"
		ip -n "$lab-$place" link set lo up
	done
	node sysctl -qw net.ipv4.ip_forward=1 net.ipv6.conf.all.forwarding=1
	laptop_up
	pod_up pod1 5
	pod_up pod2 6
}

# agent_up PROGRAM [OPTION]...: starts `lunette run` with kind.lua in the node, and waits until it serves; its process
# is $agent.
agent_up() {
	start node "$work/agent.log" "$1" run -p examples/kind.lua "${@:2}"
	agent=$!
	wait_for grep -q ready "$work/agent.log" || { cat "$work/agent.log"; return 1; }
}

# tun_up PROGRAM: example embed_tun takes over default/nginx-headers in the node.  What goes to its cluster IP is routed into
# a TUN device; so is what comes from nginx in the pods, although its destination, the masquerade address, is the node's
# own.
tun_up() {
	node ip tuntap add tun0 mode tun
	node sysctl -qw net.ipv4.conf.tun0.accept_local=1 net.ipv4.conf.tun0.rp_filter=0
	node ip link set tun0 up
	node ip route add 10.96.176.242 dev tun0
	node ip route add default dev tun0 table 100
	node ip rule add pref 10 iif veth5 ipproto tcp sport 80 lookup 100
	node ip rule add pref 11 iif veth6 ipproto tcp sport 80 lookup 100
	node ip rule add pref 20 lookup local
	node ip rule delete pref 0
	start node "$work/tun.log" "$1" examples/kind.lua tun0
}
