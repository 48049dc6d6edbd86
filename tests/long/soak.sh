#!/usr/bin/env bash
# soak.sh - half an hour of everything at once, first with the kernel carrying, then inline: `cmake --build build/release --target soak`,
# as root.  SOAK_SECONDS=180 makes that three minutes.  No test of tests/run.sh: it shows what only time does.
#
# Traffic is that of the chaos tests (keep-alive and new connections, up- and downloads, UDP, IPv6), edited requests, and connections that
# are refused; meanwhile policies are loaded, and the agent is asked for all that it tells.  Then: no byte was wrong, memory and
# descriptors are what they were after a third of the time, and the client's firewall counted what the agent tells.
seconds=$((${SOAK_SECONDS:-1800} / 2))
export CHAOS_SECONDS=$seconds
source "$(dirname "${BASH_SOURCE[0]}")/../live/chaos_lib.sh"

cat >>"$work/policy.lua" <<-'EOT'
	service "default/edited" {
		cluster_ips = { "10.96.0.30" }, http = { set = { ["X-Real-IP"] = "$remote_addr" } },
		ports = { { port = 80, target_port = 8080 } }, endpoints = { "10.244.0.5", "10.244.0.6" },
	}
	service "default/none" { cluster_ips = { "10.96.0.31" }, ports = { { port = 80 } } }
EOT
# What passes the client to and from service addresses.
client nft 'table inet soak {
	counter orig { }
	counter reply { }
	chain output { type filter hook output priority 300; ip daddr 10.96.0.0/12 counter name orig; ip6 daddr fd96::/64 counter name orig; }
	chain input { type filter hook prerouting priority -400; ip saddr 10.96.0.0/12 counter name reply; ip6 saddr fd96::/64 counter name reply; }
}'
sysctl_of node net.netfilter.nf_conntrack_acct=1 net.netfilter.nf_conntrack_tcp_timeout_time_wait=10 # so that a table is soon as full as it gets

edited() { [[ $(client curl -s -H 'X-Real-IP: 6.6.6.6' http://10.96.0.30/echo) == "192.168.77.2 " ]] && sleep 0.1; }
refused() { ! client curl -s -o "$work/null" --max-time 5 http://10.96.0.31/ && sleep 0.5; }
asked() {
	"$LUNETTE" flows --control "$work/control" 'tcp and state ESTABLISHED' >"$work/null" &&
		"$LUNETTE" top --control "$work/control" --once --interval 1 --by flow >"$work/null" &&
		"$LUNETTE" stats --control "$work/control" >"$work/null" &&
		timeout 10 "$LUNETTE" trace --live --control "$work/control" --count 3 >"$work/null" && scrape
}
reloaded() { kill -HUP "$agent" && sleep 3; }

scrape() { node curl -s --max-time 5 -o "$work/metrics" http://127.0.0.1:9464/metrics; }
# told DIRECTION: bytes of all services
told() { awk -v way="$1" 'index($0, "lunette_service_bytes_total") == 1 && index($0, "\"" way "\"") { sum += $NF } END { printf "%d", sum }' "$work/metrics"; }
counted() { client nft -j list counter inet soak "$1" | jq '.nftables[] | .counter? | objects | .bytes'; }
memory() { awk '/^VmRSS/ { print $2 }' "/proc/$agent/status"; }
descriptors() { find "/proc/$agent/fd" -type l | wc -l; }
# nearly A B WHAT: they differ by less than 2 %; packets that were put together on the way have one header, not many
nearly() {
	awk -v a="$1" -v b="$2" 'BEGIN { exit !(a > 0 && (a > b ? a - b : b - a) <= a * 0.02) }' || fail "$3: $1 and $2"
	echo "ok: $3: $1 and $2"
}

for mode in commit inline; do
	options=(--set-sysctls --metrics 127.0.0.1:9464)
	[[ $mode == commit ]] || options+=(--inline)
	rm -f "$work"/*.ok "$work"/*.failed
	agent_start "${options[@]}"
	client nft reset counters table inet soak >/dev/null
	chaos_begin
	for job in edited refused asked reloaded; do
		again $job $job &
		chaos_jobs+=($!)
		started+=($!)
	done
	sleep $((seconds / 3))
	memory_early=$(memory) descriptors_early=$(descriptors)
	sleep $((seconds - seconds / 3))
	memory_late=$(memory)
	chaos_end
	for job in edited refused asked reloaded; do
		[[ ! -s $work/$job.failed ]] || fail "$mode: $job failed: $(sort "$work/$job.failed" | uniq -c)"
		echo "ok: $mode: $job, times: $(wc -l <"$work/$job.ok")"
	done
	wait_for eval '[[ $("$LUNETTE" flows --control "$work/control" "state ESTABLISHED and protocol tcp" | wc -l) -eq 0 ]]'
	sleep 3 # the kernel is asked each second
	scrape
	nearly "$(counted orig)" "$(told orig)" "$mode: bytes of clients, by their firewall and by the agent"
	nearly "$(counted reply)" "$(told reply)" "$mode: bytes to clients, by their firewall and by the agent"
	wait_for eval '[[ $(descriptors) -le $descriptors_early ]]'
	echo "ok: $mode: descriptors: $descriptors_early, then $(descriptors)"
	[[ $memory_late -le $((memory_early + memory_early / 20 + 2048)) ]] || fail "$mode: memory: $memory_early kB, then $memory_late kB"
	echo "ok: $mode: memory: $memory_early kB, then $memory_late kB"
	agent_stop TERM
	is "$agent_status" 0 "$mode: exit status"
done
