-- maintenance.lua - Sundays from 2 to 4 in the morning, UTC, the shop is closed but for the office: who comes then gets the page that
-- says so, and who asks for the database is refused.  Connections that there are live on.  Tried by maintenance_test.lua.
local closed = time_window "Sun 02:00-04:00"
local office = prefixes { "198.51.100.0/24", "2001:db8:0ff::/48" }

node { name = "n1", addresses = { "172.18.0.2" }, pods = { "10.244.0.0/16" }, masquerade_address = "10.244.0.1" }

service "shop/web" {
	cluster_ips = { "10.96.0.1" }, ports = { { port = 80, target_port = 8080 } }, endpoints = { "10.244.0.5", "10.244.0.6" },
}
service "shop/database" {
	cluster_ips = { "10.96.0.3" }, ports = { { port = 5432 } }, endpoints = { "10.244.0.9" },
}
-- It needs no address that anybody knows: only on_flow sends somebody here.
service "shop/closed" {
	cluster_ips = { "10.96.0.2" }, ports = { { port = 80, target_port = 8080 } }, endpoints = { "10.244.0.7" },
}

function on_flow(flow)
	if not closed:open() or office:contains(flow.source) then
		return
	elseif flow.service == "shop/web" then
		return forward("shop/closed")
	elseif flow.service == "shop/database" then
		return reject("maintenance")
	end
end
