#!/usr/bin/env bash
# The health check port of a service: 200 as long as this node has a ready endpoint, else 503; closed when the service goes.
source "$(dirname "${BASH_SOURCE[0]}")/lib.sh"

# policy ENDPOINT...
policy() {
	cat >"$work/policy.lua" <<-EOT
		node { name = "node", addresses = { "192.168.77.1" }, pods = { "10.244.0.0/16" } }
		service "default/web" {
			cluster_ips = { "10.96.0.10" }, load_balancer_ips = { "203.0.113.5" }, external_traffic_policy = "Local",
			ports = { { port = 80, node_port = 32329, target_port = 8080 } }, endpoints = { $* }, health_check_node_port = 32000,
		}
	EOT
}
asked() { client curl -s --max-time 5 -o "$work/body" -w '%{http_code}' "http://$1:32000/healthz" || true; }

here='{ "10.244.0.5", node = "node" }' away='{ "10.244.0.6", node = "other" }'
policy "$here, $away"
agent_start
is "$(asked 192.168.77.1)" 200 "with an endpoint here"
is "$(jq -c . "$work/body")" '{"service":{"namespace":"default","name":"web"},"localEndpoints":1,"serviceProxyHealthy":true}' body
is "$(asked '[fd77::1]')" 200 "over IPv6"
is "$(client curl -s --max-time 5 http://203.0.113.5/ | cut -d' ' -f1)" pod1 "the load balancer's address, meanwhile"

policy "$away, { \"10.244.0.5\", node = \"node\", terminating = true }"
reload
is "$(asked 192.168.77.1)" 503 "with none that is ready here"
is "$(jq .localEndpoints "$work/body")" 0 "endpoints here"

# Who says nothing, and who goes at once, hold nobody up.
client bash -c 'exec 3<>/dev/tcp/192.168.77.1/32000; sleep 1' &
client bash -c 'exec 3<>/dev/tcp/192.168.77.1/32000'
is "$(asked 192.168.77.1)" 503 "beside others"

echo 'node { name = "node", addresses = { "192.168.77.1" }, pods = { "10.244.0.0/16" } }' >"$work/policy.lua"
reload
is "$(asked 192.168.77.1)" 000 "when the service is gone"
agent_stop TERM
is "$agent_status" 0 "exit status"
