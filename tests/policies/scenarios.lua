-- scenarios.lua - the policy of scenarios_test.lua.
node {
	name = "n1", addresses = { "172.18.0.2", "fd18::2" }, pods = { "10.244.0.0/16", "fd44::/64" },
	masquerade_address = { "10.244.0.1", "fd44::1" }, intercept = { "10.9.0.0/16" },
}

service "a/web" {
	cluster_ips = { "10.96.0.1", "fd96::1" },
	ports       = { { port = 80, target_port = 8080 } },
	endpoints   = { "10.244.0.5", "fd44::5" },
	masquerade  = "always",
}

service "a/dns" {
	cluster_ips = { "10.96.0.2" },
	ports       = { { protocol = "udp", port = 53 } },
	endpoints   = { "10.244.0.5", "10.244.0.6" },
	balance     = "round_robin",
}

service "a/edited" {
	cluster_ips = { "10.96.0.3" },
	ports       = { { port = 80 } },
	endpoints   = { "10.244.0.5" },
	http        = { set = { ["X-Real-IP"] = "$remote_addr" } },
}

service "a/empty" { cluster_ips = { "10.96.0.4" }, ports = { { port = 80 } }, endpoints = {} }

function on_flow(flow)
	if flow.destination_port == 9999 then return reject("nine is enough") end
end
