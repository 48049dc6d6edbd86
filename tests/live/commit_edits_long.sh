#!/usr/bin/env bash
# An upload of 2.5 GB between edited requests on a connection that the kernel carries: it compares numbers by the sign of their
# difference, and would lose as many bytes as were added 2 GiB behind its last correction.
source "$(dirname "${BASH_SOURCE[0]}")/lib.sh"

cat >"$work/policy.lua" <<-EOT
	node { name = "node", addresses = { "192.168.77.1" }, pods = { "10.244.0.0/16" } }
	service "default/edited" {
		cluster_ips = { "10.96.0.20" }, endpoints = { "10.244.0.5" }, ports = { { port = 80, target_port = 8080 } },
		http = headers.forwarded(),
	}
EOT
truncate -s 2500M "$work/long"
agent_start --set-sysctls
client curl -s --max-time 100 http://10.96.0.20/echo --next -H Expect: -T "$work/long" -w '%{http_code} %{num_connects}\n' \
	http://10.96.0.20/sink --next --max-time 10 -w '%{num_connects}\n' http://10.96.0.20/echo >"$work/said" || fail "upload: $(cat "$work/said")"
is "$(xargs <"$work/said")" "192.168.77.2 200 0 192.168.77.2 0" "2.5 GB on one connection, edited before and behind"
