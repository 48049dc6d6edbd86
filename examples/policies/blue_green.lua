-- blue_green.lua - two versions, of which one serves: edit colour.lua, reload (SIGHUP), and every new connection goes there.
--
-- Rolling back is the same once more.  Connections that there are stay with the version that they began with.  Tried by
-- blue_green_test.lua.
local colour = require "colour"

node { name = "n1", addresses = { "172.18.0.2" }, pods = { "10.244.0.0/16" }, masquerade_address = "10.244.0.1" }

service "shop/web" {
	cluster_ips = { "10.96.0.1" }, ports = { { port = 80, target_port = 8080 } },
	endpoints = ({
		blue  = { "10.244.0.5", "10.244.0.6" },
		green = { "10.244.1.5", "10.244.1.6" },
	})[colour],
}
