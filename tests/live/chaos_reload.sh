#!/usr/bin/env bash
# The policy is loaded again every 100 ms for CHAOS_SECONDS (5; 60 for the long one), each time another one: services come
# and go, an endpoint too.  Under `wrk`, downloads, uploads and a UDP flow nothing of it is noticed: see chaos_kill.sh.
source "$(dirname "${BASH_SOURCE[0]}")/chaos_lib.sh"

cp "$work/policy.lua" "$work/even.lua"
sed 's/"round_robin"/"random"/; s/"10.244.0.5", "10.244.0.6", "fd44::5", "fd44::6"/"10.244.0.5", "fd44::5"/' "$work/even.lua" >"$work/odd.lua"
cat >>"$work/odd.lua" <<-EOT
	for i = 1, 200 do
		service("default/more" .. i) {
			cluster_ips = { "10.97.0." .. i }, endpoints = { "10.244.0.6" }, ports = { { port = 80, target_port = 8080 } },
		}
	end
EOT

agent_start
chaos_begin
rounds=$((seconds * 10))
for ((round = 1; round <= rounds; round++)); do
	if ((round % 2)); then cp "$work/odd.lua" "$work/new.lua"; else cp "$work/even.lua" "$work/new.lua"; fi
	mv "$work/new.lua" "$work/policy.lua"
	kill -HUP "$agent"
	sleep 0.1
done
chaos_end
reload
done_reloads=$(grep -c '"event":"reloaded"' "$agent_log")
[[ $done_reloads -ge $((rounds / 2)) ]] || fail "only $done_reloads reloads of $rounds"
echo "ok: reloads: $done_reloads"
is "$(jq -r 'select(.event == "reloaded") | .addresses' "$agent_log" | sort -u | xargs)" "206 6" "service addresses by turns"
! grep -q '"level":"error"' "$agent_log" || fail "errors: $(grep '"level":"error"' "$agent_log")"
