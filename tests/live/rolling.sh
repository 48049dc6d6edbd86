#!/usr/bin/env bash
# A rolling update through watch events, without a restart: endpoints come and go while clients ask.  No connection fails, and a
# UDP flow whose endpoint went is answered by another one as soon as the change is there.
source "$(dirname "${BASH_SOURCE[0]}")/lib.sh"
command -v wrk >/dev/null || skip "wrk is not installed"

datagram=$LUNETTE_BUILD/tests/helper-datagram
for pod in pod1 pod2; do
	ip netns exec "$lab-$pod" "$datagram" serve "$pod" 5353 &
	started+=($!)
done

cat >"$work/policy.lua" <<-EOT
	node { name = "node", pods = { "10.244.0.0/16" } }
	require("lunette.kubernetes").watch("events.json")
EOT

# event TYPE OBJECT
event() { jq -n --arg type "$1" --argjson object "$2" '{ type: $type, object: $object }' >>"$work/events.json"; }

# slice ADDRESS:READY...: the endpoint slice; one that is not ready still serves, and ends.
slice() {
	jq -n '{ kind: "EndpointSlice", addressType: "IPv4",
		metadata: { namespace: "default", name: "web-1", labels: { "kubernetes.io/service-name": "web" } },
		ports: [{ name: "http", port: 8080, protocol: "TCP" }, { name: "dns", port: 5353, protocol: "UDP" }],
		endpoints: [$ARGS.positional[] | split(":") | { addresses: [.[0]],
			conditions: { ready: (.[1] == "ready"), serving: true, terminating: (.[1] != "ready") } }] }' --args "$@"
}

service='{ "kind": "Service", "metadata": { "namespace": "default", "name": "web" }, "spec": { "clusterIP": "10.96.0.10",
	"ports": [{ "name": "http", "port": 80 }, { "name": "dns", "port": 53, "protocol": "UDP" }] } }'
node_object='{ "kind": "Node", "metadata": { "name": "node" },
	"status": { "addresses": [{ "type": "InternalIP", "address": "192.168.77.1" }] } }'
event ADDED "$node_object"
event ADDED "$service"
event ADDED "$(slice 10.244.0.5:ready)"
agent_start "$@"

web() { client curl -s --max-time 2 http://10.96.0.10/; }
dns() { client "$datagram" ask -f 40000 10.96.0.10 53; } # always the same flow
by() { [[ $("$1") == *"$2 "* ]]; }                       # COMMAND POD: who answers

wait_for by web pod1
wait_for by dns pod1
client wrk -t1 -c16 -d6s -H 'Connection: close' http://10.96.0.10/ >"$work/wrk" &
wrk=$!
for round in 1 2; do
	event MODIFIED "$(slice 10.244.0.5:ending 10.244.0.6:ready)"
	wait_for by web pod2
	by dns pod1 || fail "round $round: a UDP flow left an endpoint that still serves"
	event MODIFIED "$(slice 10.244.0.6:ready)"
	wait_for by dns pod2
	event MODIFIED "$(slice 10.244.0.6:ending 10.244.0.5:ready)"
	wait_for by web pod1
	event MODIFIED "$(slice 10.244.0.5:ready)"
	wait_for by dns pod1
done
wait "$wrk"
! grep -E "Socket errors|Non-2xx" "$work/wrk" || fail "connections failed during the update"
[[ $(awk '/requests in/ { print $1 }' "$work/wrk") -gt 100 ]] || fail "hardly a request was made: $(cat "$work/wrk")"
echo "ok: $(grep 'requests in' "$work/wrk") during 8 changes"

event DELETED "$service"
wait_for eval '! client curl -s --max-time 1 http://10.96.0.10/'
echo "ok: a service that went"
