-- rate.lua - each source may open 10 connections a second, and 20 at once if it was quiet before; what is more is refused.  Machines that
-- are known to ask a lot share one larger bucket for each of their networks.  Buckets survive a reload, by their names.  Tried by
-- rate_test.lua.
local each = rate_limit "each source" { rate = "10/s", burst = 20, keys = 100000 }
local farms = rate_limit "each farm" { rate = "200/s", burst = 400 }
local farm_of = prefixes { ["198.51.100.0/24"] = "search", ["192.0.2.0/25"] = "monitoring" }

node { name = "n1", addresses = { "172.18.0.2" }, pods = { "10.244.0.0/16" }, masquerade_address = "10.244.0.1" }

service "shop/web" {
	type = "NodePort",
	cluster_ips = { "10.96.0.1" }, ports = { { port = 80, target_port = 8080, node_port = 30080 } },
	endpoints = { "10.244.0.5" },
}

function on_flow(flow)
	local farm = farm_of:get(flow.source)
	if farm and not farms:allow(farm) then
		return reject("too many from " .. farm)
	elseif not farm and not each:allow(flow.source) then
		return reject("too fast")
	end
end
