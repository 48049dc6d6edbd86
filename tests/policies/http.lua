-- Edits of requests: one service as ingress-nginx would have it, one that only reads, one that is not read, one whose paths are
-- others, one that gets a PROXY header, one without TCP.
node { name = "n", addresses = { "172.18.0.2" }, pods = { "10.244.0.0/16" } }

local function web(name, address, http)
	service(name) {
		cluster_ips = { address, "fd00:96::" .. address:match("%d+$") },
		ports       = { { name = "web", port = 80, target_port = 8080 }, { name = "admin", port = 81 } },
		endpoints   = { "10.244.0.5", "fd00:244::5" },
		http        = http,
	}
end

web("default/web", "10.96.0.1", headers.forwarded())
web("default/read", "10.96.0.2", {})
web("default/other", "10.96.0.3", nil)
web("default/place", "10.96.0.4", { set = { A = "$remote_addr:$remote_port $server_addr:$server_port $endpoint" } })
web("default/moved", "10.96.0.5", { path = { strip = "/api", add = "/v2" } })
service "default/announced" {
	cluster_ips    = { "10.96.0.6", "fd00:96::6" },
	ports          = { { port = 80 } },
	endpoints      = { "10.244.0.5", "fd00:244::5" },
	proxy_protocol = 1,
}
service "default/dns" {
	cluster_ips = { "10.96.0.9" },
	ports       = { { port = 53, protocol = "udp" } },
	endpoints   = { "10.244.0.5" },
}
