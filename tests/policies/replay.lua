-- For tests/program/replay.sh and trace.sh: a service with two endpoints, one with none, a script that refuses a range.
node {
	name           = "node",
	addresses      = { "172.18.0.2", "fd00:18::2" },
	pods           = { "10.244.0.0/16", "fd00:244::/32" },
	service_ranges = { "10.96.0.0/16" },
}

service "default/web" {
	type        = "NodePort",
	cluster_ips = { "10.96.0.10", "fd00:96::10" },
	ports       = { { name = "http", port = 80, node_port = 32329, target_port = 8080 } },
	endpoints   = { "10.244.0.5", "10.244.0.6", "fd00:244::5" },
	balance     = "round_robin",
}

service "default/empty" {
	cluster_ips = { "10.96.0.30" },
	ports       = { { name = "dns", port = 53, protocol = "udp" } },
	endpoints   = {},
}

function on_flow(flow)
	if flow.source:within("203.0.113.0/24") then
		return drop("blocked range")
	end
end
