-- tenants.lua - two tenants that use the same addresses, told apart by their conntrack zone: each reaches its own pods under the one
-- address that both know, and a third one reaches nobody.  Live, the zone comes from the packet's mark (`lunette run --inline
-- --tenant-mask`).  Tried by tenants_test.lua.
node { name = "n1", addresses = { "172.18.0.2" }, pods = { "10.244.0.0/16" }, masquerade_address = "10.244.0.1" }

service "all/database" { cluster_ips = { "10.96.0.1" }, ports = { { port = 5432 } }, endpoints = {} }
service "red/database" { cluster_ips = { "10.96.1.1" }, ports = { { port = 5432 } }, endpoints = { "10.244.1.5" } }
service "blue/database" { cluster_ips = { "10.96.2.1" }, ports = { { port = 5432 } }, endpoints = { "10.244.2.5" } }

local tenants = { [1] = "red", [2] = "blue" }

function on_flow(flow)
	if flow.service == "all/database" and tenants[flow.tenant] then
		return forward(tenants[flow.tenant] .. "/database")
	elseif flow.service and not tenants[flow.tenant] then
		return reject("no such tenant")
	end
end
