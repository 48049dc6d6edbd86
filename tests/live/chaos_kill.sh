#!/usr/bin/env bash
# The agent is killed (-9) and started again every second, CHAOS_SECONDS times (5; 60 for the long one), under `wrk`,
# downloads, uploads and a UDP flow: no connection breaks or gets a wrong byte, each new one is served, nothing passes
# untranslated.
source "$(dirname "${BASH_SOURCE[0]}")/chaos_lib.sh"

agent_start
chaos_begin
for ((round = 1; round <= seconds; round++)); do
	sleep 0.8
	agent_stop KILL
	[[ $agent_status -eq 137 ]] || fail "the agent ended by itself before round $round, with status $agent_status"
	agent_start
done
chaos_end
is "$((agent_count - 1))" "$seconds" "times that the agent was killed"
[[ $(jq -r 'select(.event == "ready") | .flows' "$agent_log") -ge 16 ]] || fail "the last agent took over too little"
