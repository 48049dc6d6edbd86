-- crowd.lua - no client takes it all: most connections of one address, most half-open ones, most of each service, and a smaller pool
-- behind the same address for those who are known to be greedy.  Tried by crowd_test.lua.
node {
	name = "n1", addresses = { "172.18.0.2" }, pods = { "10.244.0.0/16" }, masquerade_address = "10.244.0.1",
	limits = { per_source = 100, half_open = 1000 },
	-- Who opens and says nothing more is soon forgotten; so are the half-open.
	timeouts = { tcp_opening = "10s", tcp_established = "1h" },
}

service "shop/web" {
	type        = "NodePort",
	cluster_ips = { "10.96.0.1" }, ports = { { port = 80, target_port = 8080, node_port = 30080 } },
	endpoints   = { "10.244.0.5", "10.244.0.6" },
	flow_limit  = 500,
}

service "shop/web-greedy" {
	cluster_ips = { "10.96.0.2" }, ports = { { port = 80, target_port = 8080, node_port = 30081 } },
	endpoints   = { "10.244.0.7" },
	flow_limit  = 20,
}

local greedy = { "198.51.100.0/24", "2001:db8:66::/48" }

function on_flow(flow)
	for _, prefix in ipairs(greedy) do
		if flow.service == "shop/web" and flow.source:within(prefix) then return forward("shop/web-greedy") end
	end
end
