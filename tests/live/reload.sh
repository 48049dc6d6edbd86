#!/usr/bin/env bash
# SIGHUP: a new service works, one that went is left alone, a wrong policy is refused and the old one goes on; connections in
# progress notice nothing of it.
source "$(dirname "${BASH_SOURCE[0]}")/lib.sh"

answers() { client curl -s --max-time 2 "$1" | grep -q '^pod'; }

agent_start
client curl -s -o "$work/got" http://10.96.0.10/slow &
download=$!
answers http://10.96.0.10/ || fail "no answer before the reload"
! answers http://10.96.0.20/ || fail "10.96.0.20 answers before it exists"

cp "$work/policy.lua" "$work/first.lua"
cat >>"$work/policy.lua" <<-EOT
	service "default/second" {
		cluster_ips = { "10.96.0.20" }, endpoints = { "10.244.0.6" }, ports = { { port = 80, target_port = 8080 } },
	}
EOT
reload
is "$(jq -r 'select(.event == "reloaded") | .addresses' "$agent_log")" 6 "service addresses after the reload"
answers http://10.96.0.20/ || fail "no answer from the new service"
answers http://10.96.0.10/ || fail "no answer from the old service"
echo "ok: a new service"

for wrong in 'service "x" { endpont = {} }' 'service "x" {' 'error("no")'; do
	cp "$work/first.lua" "$work/policy.lua"
	echo "$wrong" >>"$work/policy.lua"
	reload 'the old policy stays'
	grep -q '"level":"error","text":"[^"]*policy.lua:[0-9]*:' "$agent_log" || fail "no error with file and line"
	answers http://10.96.0.20/ || fail "the old policy does not go on after: $wrong"
	echo "ok: refused: $wrong"
done

cp "$work/first.lua" "$work/policy.lua"
reload
! answers http://10.96.0.20/ || fail "10.96.0.20 answers after it went"
answers http://10.96.0.10/ || fail "no answer from the service that stayed"
echo "ok: a service that went"

wait $download || fail "the download broke: curl status $?"
cmp "$work/big" "$work/got"
echo "ok: the download in progress"

# Where the same addresses are served, the rules are left as they are.
ip netns exec "$lab-node" nft monitor >"$work/changes" &
started+=($!)
sleep 0.5
sed -i 's/"10.244.0.5", "10.244.0.6",/"10.244.0.6",/' "$work/policy.lua"
reload
is "$(client curl -s http://10.96.0.10/ | cut -d' ' -f1)" pod2 "the endpoint that is left"
is "$(wc -l <"$work/changes")" 0 "changes of rules"
sed -i 's/"10.96.0.10"/"10.96.0.11"/' "$work/policy.lua"
reload
wait_for test -s "$work/changes"
echo "ok: changes of addresses"

# Without a signal: another file in its place, a module beside it; not for a file that is none of the policy's, nor twice for one change.
reloads() { grep -c '"event":"reloaded"' "$agent_log"; }
reloaded() { [[ $(reloads) -gt $1 ]]; }
before=$(reloads)
sed -i 's/"10.96.0.11"/"10.96.0.12"/' "$work/policy.lua"
wait_for reloaded "$before"
answers http://10.96.0.12/ || fail "no answer at the address of the changed file"
echo 'return { "10.244.0.6" }' >"$work/pods.lua"
sed -i 's/endpoints = {[^}]*}/endpoints = require "pods"/' "$work/policy.lua"
wait_for reloaded $((before + 1))
is "$(client curl -s http://10.96.0.12/ | cut -d' ' -f1)" pod2 "the endpoint of a module"
echo 'return { "10.244.0.5" }' >"$work/pods.lua"
wait_for reloaded $((before + 2))
is "$(client curl -s http://10.96.0.12/ | cut -d' ' -f1)" pod1 "the endpoint of the changed module"
echo 192.0.2.0/24 >"$work/blocked.list"
sed -i '$a blocked = prefixes "blocked.list"' "$work/policy.lua"
wait_for reloaded $((before + 3))
echo 198.51.100.0/24 >"$work/blocked.list"
wait_for reloaded $((before + 4))
reload
echo nothing >"$work/notes.txt"
sleep 1
is "$(($(reloads) - before))" 6 "reloads, one by signal"
