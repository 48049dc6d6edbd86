-- kind.lua - a first policy: the one node of a `kind` cluster, nginx behind a NodePort.
--
--     client  --->  172.18.0.2:32329 (the node)  --->  10.244.0.5:80 or 10.244.0.6:80 (a pod)
--
-- Running this file declares things: once a node, and services as you have them.  The functions that it defines are called
-- later, whenever something is to be decided.  Ask before you let packets in:
--
--     lunette check -p kind.lua                                              what does it declare, and is anything odd?
--     lunette trace -p kind.lua tcp 192.168.31.9:40000 172.18.0.2:32329      what becomes of this connection, and why?

-- The machine that this policy is for.
node {
	name      = "kind-control-plane",
	-- Where NodePorts are served; the first of each family is the primary one.
	addresses = { "172.18.0.2", "fc00:f853:ccd:e793::2" },
	-- Sources that are local.  A pod that talks to a cluster IP keeps its address, anybody else is masqueraded, so that
	-- the pod's answer comes back through this node.
	pods      = { "10.244.0.0/16", "fd00:10:244::/56" },
	-- What cluster IPs are taken from.  A connection to an address or port in here that no service has is refused.
	service_ranges     = { "10.96.0.0/12", "fd00:10:96::/112" },
	-- The source that pods see of a masqueraded connection.
	masquerade_address = { "10.244.0.1", "fd00:10:244::1" },
}

-- nginx, reached at two cluster IPs and at port 32329 of the node.
service "default/nginx" {
	type        = "NodePort",
	cluster_ips = { "10.96.176.241", "fd00:10:96::b0f1" },
	ports       = { { name = "http", port = 80, node_port = 32329, target_port = 80 } },
	-- The pods.  An IPv4 client gets one of the IPv4 endpoints, an IPv6 client one of the others.
	endpoints   = { "10.244.0.5", "10.244.0.6", "fd00:10:244::5", "fd00:10:244::6" },
	balance     = "random",     -- or "round_robin"
}

-- The same pods once more, with the headers that a proxy would add to each request: set replaces whatever the client sent
-- under that name.  `lunette run --inline` does it, and replays show it; without --inline connections go without, with a warning.
service "default/nginx-headers" {
	cluster_ips = { "10.96.176.242" },
	ports       = { { name = "http", port = 80 } },
	endpoints   = { "10.244.0.5", "10.244.0.6" },
	http        = {
		set = {
			["X-Request-ID"]      = "$request_id",
			["X-Real-IP"]         = "$remote_addr",
			["X-Forwarded-For"]   = "$remote_addr",
			["X-Forwarded-Host"]  = "$host",
			["X-Forwarded-Port"]  = "80",
			["X-Forwarded-Proto"] = "$scheme",
			["X-Scheme"]          = "$scheme",
		},
	},
}

-- A new connection to one of these services.  Returning nothing leaves it to the services above; otherwise the answer is
-- accept(), drop(why), reject(why), forward("namespace/name") or dnat("address:port").
function on_flow(flow)
	if flow.source:within("203.0.113.0/24") then
		return drop("blocked range")
	end
end
