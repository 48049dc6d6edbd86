-- api.lua - one HTTP API for many tenants: who asks is said by us and not by the client, the administration's paths are for the office,
-- and what debugs stays outside.  Needs `lunette run --inline`.  Tried by api_test.lua.
node { name = "n1", addresses = { "172.18.0.2" }, pods = { "10.244.0.0/16" }, masquerade_address = "10.244.0.1" }

service "shop/api" {
	cluster_ips = { "10.96.0.1" }, ports = { { name = "http", port = 80, target_port = 8080 } },
	endpoints   = { "10.244.0.5", "10.244.0.6" },
	http        = {
		headers.forwarded { trust = { "172.18.0.100/32" } },
		{ remove = { "X-Debug", "X-Tenant", "X-Admin" } },
		{ when = { path = "/health", method = { "GET", "HEAD" } }, set = { ["X-Probe"] = "1" } },
	},
}

local tenants = { ["10.244.7.0/24"] = "blue", ["10.244.8.0/24"] = "red" }
local office = "10.244.1.0/24"

function on_request(request, flow)
	for prefix, tenant in pairs(tenants) do
		if flow.source:within(prefix) then request.headers["X-Tenant"] = tenant end
	end
	if request.target:find("^/admin") and flow.source:within(office) then request.headers["X-Admin"] = "yes" end
end
