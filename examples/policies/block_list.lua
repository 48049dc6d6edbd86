-- block_list.lua - sources that get no answer at all, listed in blocked.lua: prefixes, and what is to be said of them in the counters
-- and in `lunette trace`.  The list may have a hundred thousand of them.  Others may do all that the services allow.  Tried by
-- block_list_test.lua.
local blocked = prefixes(require "blocked")

node { name = "n1", addresses = { "172.18.0.2" }, pods = { "10.244.0.0/16" }, masquerade_address = "10.244.0.1" }

service "shop/web" {
	type = "NodePort",
	cluster_ips = { "10.96.0.1" }, ports = { { port = 80, target_port = 8080, node_port = 30080 } },
	endpoints = { "10.244.0.5" },
}

function on_flow(flow)
	local why = blocked:get(flow.source)
	if why then return drop(why) end
end
