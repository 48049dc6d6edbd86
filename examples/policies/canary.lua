-- canary.lua - a new version for some: everybody from the office, and one in ten of the others.
--
-- The share is of connections, not of requests: a connection stays where it went.  Set `percent` to 0, reload, and new connections go
-- the old way; those that there are live on.  Tried by canary_test.lua.
local percent = 10
local office = "198.51.100.0/24"

node {
	name = "n1", addresses = { "172.18.0.2" }, pods = { "10.244.0.0/16" }, masquerade_address = "10.244.0.1",
}

service "shop/web" {
	cluster_ips = { "10.96.0.1" }, ports = { { port = 80, target_port = 8080 } },
	endpoints = { "10.244.0.5", "10.244.0.6" },
}

-- It needs no address of its own: only on_flow sends somebody here.
service "shop/web-canary" {
	cluster_ips = { "10.96.0.2" }, ports = { { port = 80, target_port = 8080 } },
	endpoints = { "10.244.0.7" },
}

function on_flow(flow)
	if flow.service == "shop/web" and (flow.source:within(office) or math.random(100) <= percent) then
		return forward("shop/web-canary")
	end
end
