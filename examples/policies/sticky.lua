-- sticky.lua - who comes again within three hours gets the same pod; and a service whose clients are spread by a hash of their
-- address, so that each node sends a client to the same pod without telling each other.  Tried by sticky_test.lua.
node { name = "n1", addresses = { "172.18.0.2" }, pods = { "10.244.0.0/16" }, masquerade_address = "10.244.0.1" }

local pods = { "10.244.0.5", "10.244.0.6", "10.244.0.7" }

service "shop/basket" {
	cluster_ips = { "10.96.0.1" }, ports = { { port = 80, target_port = 8080 } }, endpoints = pods,
	affinity = { client_ip = "3h" },
}

service "shop/cache" {
	cluster_ips = { "10.96.0.2" }, ports = { { port = 80, target_port = 8080 } }, endpoints = pods,
	balance = "maglev",
}
