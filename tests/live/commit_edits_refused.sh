#!/usr/bin/env bash
# Requests that are refused on connections that the kernel carries: both ends get a reset, and the pod nothing of the request.  So does
# a connection that an earlier agent edited, at its first request; nothing goes on while no agent is there.
source "$(dirname "${BASH_SOURCE[0]}")/lib.sh"

cat >"$work/policy.lua" <<-EOT
	node { name = "node", addresses = { "192.168.77.1", "fd77::1" }, pods = { "10.244.0.0/16", "fd44::/64" } }
	service "default/edited" {
		cluster_ips = { "10.96.0.20", "fd96::20" }, endpoints = { "10.244.0.5", "fd44::5" },
		ports = { { port = 80, target_port = 8080 } }, http = headers.forwarded(),
	}
EOT
agent_start --set-sysctls
connections() { pod1 ss -Htn state established sport = :8080 | wc -l; }
none_left() { [[ $(connections) -eq 0 ]]; }
# reason NAME: how often it was counted
reason() { "$LUNETTE" stats --control "$work/control" --json | jq -r "select(.summary) | .summary.reasons.$1 // 0"; }

for host in 10.96.0.20 [fd96::20]; do
	status=0
	client curl -sg --max-time 5 "http://$host/echo" --next -H 'Content-Length: 1' -H 'Transfer-Encoding: chunked' -d x "http://$host/sink" \
		-o /dev/null -w '%{errormsg}\n' >"$work/said" 2>&1 || status=$?
	is "$status" 56 "$host: a request with two lengths, curl's exit status"
	grep -qi reset "$work/said" || fail "no reset: $(cat "$work/said")"
	wait_for none_left
	echo "ok: $host: the pod's connection is gone, too"
done
is "$(reason http_malformed)" 4 "http_malformed: curl tries once more, on a new connection"

# Held open over the agent's death and the next one's start.
mkfifo "$work/in"
client bash -c 'exec 3<>/dev/tcp/10.96.0.20/80; ask() { printf "GET /echo HTTP/1.1\r\nHost: a\r\n\r\n" >&3; }
	ask; head -c 1 <&3 >/dev/null; read -r; ask; read -r; timeout 10 cat <&3; echo "exit $?"' <"$work/in" >"$work/held" 2>&1 &
held=$!
started+=("$held")
exec 4>"$work/in"
wait_for bash -c "[[ \$(ip netns exec $lab-pod1 ss -Htn state established sport = :8080 | wc -l) -eq 1 ]]"
sleep 0.2
before=$(pod1 ss -Htni state established sport = :8080 | grep -o 'bytes_received:[0-9]*')
agent_stop KILL
echo >&4
wait_for bash -c "ip netns exec $lab-client ss -Htno dst 10.96.0.20 | grep -q 'timer:(on'"
is "$(pod1 ss -Htni state established sport = :8080 | grep -o 'bytes_received:[0-9]*')" "$before" "what the pod got without an agent"
agent_start --set-sysctls
echo >&4
wait "$held" || true
grep -q "reset by peer" "$work/held" || fail "the connection of an earlier agent: $(cat "$work/held")"
echo "ok: the connection of an earlier agent is reset at its first request"
wait_for none_left
is "$(client curl -s --max-time 5 http://10.96.0.20/echo | xargs)" 192.168.77.2 "a new connection"

# What finds the queue of edits full is counted, too.
counted() { "$LUNETTE" stats --control "$work/control" --json | jq 'select(.summary) | .summary.queue_full'; }
client curl -s --local-port 45000 --limit-rate 1000 -o "$work/null" http://10.96.0.20/big &
started+=($!)
wait_for bash -c "ip netns exec $lab-client ss -Htn state established dst 10.96.0.20 | grep -q :45000"
kill -STOP "$agent"
client "$LUNETTE_BUILD/tests/helper-forge_syn" 192.168.77.2 45000 10.96.0.20 80 17000 data
kill -CONT "$agent"
[[ $(counted) -ge 500 ]] || fail "17,000 packets while the agent hung, of which 16,384 could wait: $(counted) were counted as lost"
echo "ok: $(counted) packets that found the queue of edits full"
