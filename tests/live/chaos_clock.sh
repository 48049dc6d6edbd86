#!/usr/bin/env bash
# The agent's wall clock steps by hours, forth and back, ten times a second for CHAOS_SECONDS (3; 60 for the long one): no connection
# notices, ages and rates go by the other clock; only what a policy asks of the time of day follows.  See chaos_kill.sh.
CHAOS_SECONDS=${CHAOS_SECONDS:-3}
source "$(dirname "${BASH_SOURCE[0]}")/chaos_lib.sh"

cat >>"$work/policy.lua" <<-EOT
	service "default/hours" {
		cluster_ips = { "10.96.0.13" }, endpoints = { "10.244.0.5" }, ports = { { port = 80, target_port = 8080 } },
	}
	service "default/few" {
		cluster_ips = { "10.96.0.14" }, endpoints = { "10.244.0.5" }, ports = { { port = 80, target_port = 8080 } },
	}
	local closed = time_window "$(date -u -d '+5 hours' +%H:%M)-$(date -u -d '+7 hours' +%H:%M)"
	local few = rate_limit "few" { rate = "1/h", burst = 2 }
	function on_flow(flow)
		if flow.service == "default/hours" and closed:open() then return reject("closed") end
		if flow.service == "default/few" and not few:allow() then return reject("too many") end
	end
EOT
step() { echo "$1" >"$work/ahead"; }
asks() { # ADDRESS: "pod1" or the status of curl
	local said status=0
	said=$(client curl -s --max-time 3 "http://$1/") || status=$?
	if [[ $status -eq 0 ]]; then echo "${said%% *}"; else echo "$status"; fi
}
step 0
export CLOCK_AHEAD=$work/ahead
agent_under=$(with_library clock)
agent_start

is "$(asks 10.96.0.14) $(asks 10.96.0.14) $(asks 10.96.0.14)" "pod1 pod1 7" "connections within the rate, and over it"
chaos_begin
started_at=$SECONDS
for ((round = 0; round < seconds * 10; round++)); do
	step $((RANDOM * 6 - 98304)) # about a day either way
	sleep 0.1
done
step 21600
is "$(asks 10.96.0.13)" 7 "six hours later, within the hours in which it is closed"
is "$(asks 10.96.0.14)" 7 "over the rate, of which no hour has passed"
step 0
is "$(asks 10.96.0.13)" pod1 "a step back, outside of them"
step -36000
oldest=$("$LUNETTE" flows --control "$work/control" --json | jq -s '[.[] | .age_s // empty] | max')
[[ $(jq -n "$oldest >= $seconds - 1 and $oldest <= $((SECONDS - started_at + 5))") == true ]] || fail "the oldest connection is said to be $oldest s old"
echo "ok: the oldest connection is $oldest s old"
chaos_end
! grep -E '"level":"(warning|error)"' "$agent_log" || fail "the agent complains"
