#!/usr/bin/env bash
# What carrying connections costs: wrk against nginx, client - node - endpoint in namespaces of its own.
#
#	bench/live.sh [--json] [--rounds N] [--seconds N] [--connections N] [--setups direct,nft,commit,inline]
#	bench/live.sh --events [--json] [--rounds N] [--seconds N] [--connections N]
#
#	direct   routed, no translation, no connection tracking
#	nft      the same DNAT as a plain nft rule with a map
#	nft-10000   the same with 10,000 services in the map
#	commit   lunette run
#	inline   lunette run --inline
#	accept   the same, to the endpoint itself: every packet passes the queue and is left alone
#	bare     the least that a queue costs (bench/queue_loop.c): what accept is measured by
#	commit-edits, inline-edits   commit and inline, with http = headers.forwarded()
#	nginx, haproxy               a proxy on the node that adds the same headers
#
# Rounds go over all set-ups in turn, so that a drift of the machine hits all alike; figures are medians, and so are the ratios, of
# rounds.  With keep-alive, 32 connections or N: requests/s, latency, CPU seconds of the whole machine per million requests;
# without, new connections/s; and one download and upload.  --events tells instead what it would cost to listen to the kernel's table
# of connections (bench/event_loop.c) under "commit": new connections/s, and CPU milliseconds per 1,000 of them, of the machine and of
# the listener alone.  Nothing else should run meanwhile.  The program is that of the
# environment variable LUNETTE, or build/release/bin/lunette.
set -euo pipefail

json=false events=false rounds=7 seconds=3 connections=32 setups=direct,nft,commit,inline
while [[ $# -gt 0 ]]; do
	case $1 in
	--json) json=true ;;
	--events) events=true ;;
	--rounds | --seconds | --connections | --setups)
		[[ $# -gt 1 ]] || { echo "$1 needs a value" >&2; exit 2; }
		declare "${1#--}=$2"
		shift
		;;
	--help | -h) sed -n '2,/^set/{/^set/d;s/^# \{0,1\}//p}' "$0"; exit 0 ;;
	*) echo "unknown argument $1, see $0 --help" >&2; exit 2 ;;
	esac
	shift
done
for setup in ${setups//,/ }; do
	[[ $setup =~ ^(direct|nft|nft-10000|commit|inline|commit-edits|inline-edits|nginx|haproxy|accept|bare)$ ]] ||
		{ echo "unknown set-up $setup, see $0 --help" >&2; exit 2; }
	[[ $setup != haproxy ]] || command -v haproxy >/dev/null || { echo "skipped: haproxy is not installed"; exit 77; }
done
[[ $rounds =~ ^[1-9][0-9]*$ && $seconds =~ ^[1-9][0-9]*$ && $connections =~ ^[1-9][0-9]*$ ]] ||
	{ echo "--rounds, --seconds and --connections expect numbers" >&2; exit 2; }

here=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
export LUNETTE=${LUNETTE:-$here/build/release/bin/lunette}
command -v wrk >/dev/null || { echo "skipped: wrk is not installed"; exit 77; }
source "$here/tests/live/lib.sh"

# Ports are used again at once: no entry shall wait for two minutes, in this namespace.
for state in time_wait close; do node sysctl -qw "net.netfilter.nf_conntrack_tcp_timeout_$state=1" 2>/dev/null || true; done
sysctl_of client net.ipv4.ip_local_port_range="1024 65000"
rm "$work/big"; truncate -s 300000000 "$work/big"

cat >"$work/policy.lua" <<-EOT
	node { name = "node", addresses = { "192.168.77.1" }, pods = { "10.244.0.0/16", "192.168.77.0/24" } }
	service "default/web" {
		cluster_ips = { "10.96.0.10" }, endpoints = { "10.244.0.5" }, ports = { { port = 80, target_port = 8080 } },
	}
	service "default/edited" {
		cluster_ips = { "10.96.0.20" }, endpoints = { "10.244.0.5" }, ports = { { port = 80, target_port = 8080 } },
		http = headers.forwarded(),
	}
EOT
cat >"$work/wrk.lua" <<-'EOT'
	done = function(summary, latency)
		local errors = summary.errors
		io.write(string.format("RESULT %d %d %d %d %d\n", summary.requests, summary.duration, latency:percentile(50),
			latency:percentile(99), errors.connect + errors.read + errors.status + errors.timeout))
	end
EOT

direct_up() { url=http://10.244.0.6:8080; }
direct_down() { :; }
nft_up() {
	url=http://10.96.0.10
	{
		cat <<-'EOT'
			table ip plain {
				map services { type ipv4_addr . inet_service : ipv4_addr . inet_service; }
				chain prerouting { type nat hook prerouting priority dstnat; dnat to ip daddr . tcp dport map @services; }
				chain output { type nat hook output priority -100; dnat to ip daddr . tcp dport map @services; }
				chain postrouting { type nat hook postrouting priority srcnat; }
			}
		EOT
		echo 'add element ip plain services { 10.96.0.10 . 80 : 10.244.0.5 . 8080 }'
		for ((i = 1; i < ${1:-1}; i++)); do
			echo "add element ip plain services { 10.97.$((i / 250)).$((i % 250)) . 80 : 10.244.0.5 . 8080 }"
		done
	} | node nft -f -
}
nft_down() { node nft delete table ip plain; }
nft-10000_up() { nft_up 10000; }
nft-10000_down() { nft_down; }
commit_up() { url=http://10.96.0.10; agent_start --flush --set-sysctls --flow-limit 262144; }
commit_down() { agent_stop TERM; }
inline_up() { url=http://10.96.0.10; agent_start --inline --set-sysctls --flow-limit 262144; }
inline_down() { agent_stop TERM; }
commit-edits_up() { commit_up; url=http://10.96.0.20; }
commit-edits_down() { commit_down; }
inline-edits_up() { inline_up; url=http://10.96.0.20; }
inline-edits_down() { inline_down; }

# A proxy on the node, as many processes as there are processors, with the headers that headers.forwarded() sets.
nginx_up() {
	url=http://192.168.77.1:8081
	cat >"$work/proxy.conf" <<-EOT
		daemon off; worker_processes auto; user root; pid $work/proxy.pid; error_log $work/proxy.log; worker_rlimit_nofile 65536;
		events { worker_connections 16384; }
		http {
			access_log off; client_max_body_size 0; keepalive_requests 1000000000;
			client_body_temp_path $work/proxy.body; proxy_temp_path $work/proxy.temp; fastcgi_temp_path $work/proxy.fastcgi;
			uwsgi_temp_path $work/proxy.uwsgi; scgi_temp_path $work/proxy.scgi;
			upstream pod { server 10.244.0.5:8080; keepalive 320; keepalive_requests 1000000000; }
			server {
				listen 8081 reuseport backlog=4096;
				location / {
					proxy_pass http://pod; proxy_http_version 1.1; proxy_buffering off; proxy_request_buffering off;
					proxy_set_header Host \$http_host; proxy_set_header Connection "";
					proxy_set_header X-Request-ID \$request_id; proxy_set_header X-Real-IP \$remote_addr;
					proxy_set_header X-Forwarded-For \$remote_addr; proxy_set_header X-Forwarded-Host \$http_host;
					proxy_set_header X-Forwarded-Port \$server_port; proxy_set_header X-Forwarded-Proto \$scheme;
					proxy_set_header X-Forwarded-Scheme \$scheme; proxy_set_header X-Scheme \$scheme;
				}
			}
		}
	EOT
	ip netns exec "$lab-node" nginx -c "$work/proxy.conf" -e "$work/proxy.log" &
	proxy=$!
	started+=("$proxy")
	wait_for client curl -sf -o "$work/null" "$url/"
}
nginx_down() {
	kill "$proxy"
	wait "$proxy" 2>/dev/null || true
}
haproxy_up() {
	url=http://192.168.77.1:8082
	cat >"$work/haproxy.cfg" <<-EOT
		global
			maxconn 4096
		defaults
			mode http
			timeout connect 5s
			timeout client 60s
			timeout server 60s
			http-reuse always
		frontend clients
			bind :8082
			http-request set-header X-Request-ID %[uuid()]
			http-request set-header X-Real-IP %[src]
			http-request set-header X-Forwarded-For %[src]
			http-request set-header X-Forwarded-Host %[req.hdr(host)]
			http-request set-header X-Forwarded-Port %[dst_port]
			http-request set-header X-Forwarded-Proto http
			http-request set-header X-Forwarded-Scheme http
			http-request set-header X-Scheme http
			default_backend pod
		backend pod
			server pod1 10.244.0.5:8080
	EOT
	ip netns exec "$lab-node" haproxy -db -f "$work/haproxy.cfg" >"$work/haproxy.log" 2>&1 &
	proxy=$!
	started+=("$proxy")
	wait_for client curl -sf -o "$work/null" "$url/"
}
haproxy_down() { nginx_down; }
accept_up() { inline_up; url=http://10.244.0.6:8080; }
accept_down() { inline_down; }
bare_up() {
	url=http://10.244.0.6:8080
	node iptables-nft -t raw -A PREROUTING -j NFQUEUE --queue-num 4242 --queue-bypass
	ip netns exec "$lab-node" "$(dirname "$LUNETTE")/../bench/queue_loop" 4242 >"$work/loop.said" &
	loop=$!
	started+=("$loop")
	wait_for grep -q ready "$work/loop.said"
}
bare_down() {
	kill "$loop"
	wait "$loop" 2>/dev/null || true
	node iptables-nft -t raw -F PREROUTING
}

# Seconds of CPU that the machine spent so far, whatever for.
cpu() { awk -v hz="$(getconf CLK_TCK)" '/^cpu / { print ($2 + $3 + $4 + $7 + $8) / hz }' /proc/stat; }

# load OPTION...: "requests microseconds p50 p99 errors"
load() { client wrk -t1 -c"$connections" -d "${seconds}s" -s "$work/wrk.lua" "$@" "$url/" | awk '/^RESULT/ { print $2, $3, $4, $5, $6 }'; }

# One round of one set-up: "keepalive_rps p50 p99 cps down_gbps cpu up_gbps"
measure() {
	local before after requests time p50 p99 errors new new_time down up
	client wrk -t1 -c"$connections" -d 1s "$url/" >/dev/null
	before=$(cpu)
	read -r requests time p50 p99 errors < <(load)
	after=$(cpu)
	[[ $errors -eq 0 ]] || echo "$1: $errors errors with keep-alive" >&2
	read -r new new_time _ _ errors < <(load -H "Connection: close")
	[[ $errors -eq 0 ]] || echo "$1: $errors errors without keep-alive" >&2
	down=$(client curl -s -o /dev/null -w '%{speed_download}' "$url/big")
	up=$(client curl -s -o /dev/null -H Expect: -w '%{speed_upload}' -T "$work/big" "$url/sink")
	awk -v r="$requests" -v t="$time" -v p50="$p50" -v p99="$p99" -v n="$new" -v nt="$new_time" -v d="$down" -v u="$up" \
		-v cpu="$(awk "BEGIN { print $after - $before }")" \
		'BEGIN { print r / t * 1e6, p50, p99, n / nt * 1e6, d * 8 / 1e9, cpu / r * 1e6, u * 8 / 1e9 }'
}

middle() { sort -g | awk '{ v[NR] = $1 } END { print (v[int((NR + 1) / 2)] + v[int(NR / 2) + 1]) / 2 }'; }
median() { cut -d' ' -f"$2" "$work/$1.rounds" | middle; }

# Milliseconds of CPU that a process spent so far.
cpu_of() { awk -v hz="$(getconf CLK_TCK)" '{ sub(/.*\) /, ""); print ($12 + $13) * 1000 / hz }' "/proc/$1/stat"; }

# One round with a listener to one kind of event, or "none": "cps machine_ms listener_ms", the latter two per 1,000 connections.
measure_events() {
	local before listener=self requests time _
	if [[ $1 != none ]]; then
		ip netns exec "$lab-node" "$(dirname "$LUNETTE")/../bench/event_loop" "$1" >"$work/events.said" &
		listener=$!
		started+=("$listener")
		wait_for grep -q ready "$work/events.said"
	fi
	before=$(cpu)
	read -r requests time _ < <(load -H "Connection: close")
	awk -v r="$requests" -v t="$time" -v cpu="$(awk "BEGIN { print $(cpu) - $before }")" \
		-v own="$([[ $listener == self ]] && echo 0 || cpu_of "$listener")" 'BEGIN { print r / t * 1e6, cpu / r * 1e6, own / r * 1e3 }'
	[[ $listener != self ]] || return 0
	kill "$listener"
	wait "$listener"
	grep -q ' 0 times' "$work/events.said" || echo "$1: $(tail -1 "$work/events.said")" >&2
}

bench_events() {
	local kinds=(none new update destroy) kind
	commit_up
	client wrk -t1 -c"$connections" -d 1s "$url/" >/dev/null
	for ((round = 1; round <= rounds; round++)); do
		for kind in "${kinds[@]}"; do measure_events "$kind" >>"$work/$kind.rounds"; done
	done
	commit_down
	$json || printf '%-10s %10s %14s %22s %23s\n' events cps 'of no events' 'cpu_ms_per_kconn, all' 'cpu_ms_per_kconn, own'
	for kind in "${kinds[@]}"; do
		if $json; then
			jq -cn --arg kind "$kind" --argjson cps "$(median "$kind" 1)" --argjson all "$(median "$kind" 2)" \
				--argjson own "$(median "$kind" 3)" '{ events: $kind, cps: ($cps | round), cpu_ms_per_kconn: $all,
				listener_ms_per_kconn: $own }'
		else
			printf '%-10s %10.0f %14s %22.1f %23.2f\n' "$kind" "$(median "$kind" 1)" "$(ratio "$kind" none 1 3)" \
				"$(median "$kind" 2)" "$(median "$kind" 3)"
		fi
	done
}

# Median over the rounds of one figure as a part of another's in the same round; figures are so many a round.
ratio() {
	printf '%.3f' "$(paste -d' ' "$work/$1.rounds" "$work/$2.rounds" | awk -v f="$3" -v n="${4:-7}" '{ print $f / $(f + n) }' | middle)"
}

if $events; then
	bench_events
	exit
fi
for ((round = 1; round <= rounds; round++)); do
	for setup in ${setups//,/ }; do
		"${setup}_up"
		measure "$setup" >>"$work/$setup.rounds"
		"${setup}_down"
		node conntrack -F >/dev/null 2>&1
		$json || echo "round $round, $setup: $(tail -1 "$work/$setup.rounds")" >&2
	done
done

# compare ONE OTHER WANTED
compare() {
	$json || ! [[ -e $work/$1.rounds && -e $work/$2.rounds ]] ||
		echo "$1 : $2  keep-alive $(ratio "$1" "$2" 1) (wanted: $3 or more), new connections $(ratio "$1" "$2" 4)," \
			"download $(ratio "$1" "$2" 5), upload $(ratio "$1" "$2" 7)"
}

$json || printf '%-12s %14s %8s %8s %10s %10s %8s %14s\n' setup keepalive_rps p50_us p99_us cps down_gbps up_gbps cpu_s_per_mreq
for setup in ${setups//,/ }; do
	read -r rps p50 p99 cps down cpu up <<<"$(for f in 1 2 3 4 5 6 7; do median "$setup" $f; done | xargs)"
	if $json; then
		jq -cn --arg setup "$setup" --argjson rps "$rps" --argjson p50 "$p50" --argjson p99 "$p99" --argjson cps "$cps" \
			--argjson down "$down" --argjson up "$up" --argjson cpu "$cpu" '{ setup: $setup, keepalive_rps: ($rps | round), p50_us: $p50,
			p99_us: $p99, cps: ($cps | round), down_gbps: $down, up_gbps: $up, cpu_s_per_mreq: $cpu }'
	else
		printf '%-12s %14.0f %8.0f %8.0f %10.0f %10.2f %8.2f %14.2f\n' "$setup" "$rps" "$p50" "$p99" "$cps" "$down" "$up" "$cpu"
	fi
done
compare commit nft 0.97
compare commit nft-10000 0.97
compare accept bare 0.95
compare commit-edits nginx 1.4
compare commit-edits haproxy 1.4
