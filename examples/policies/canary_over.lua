-- canary_over.lua - canary.lua when the trial is over: what its test reloads.
node { name = "n1", addresses = { "172.18.0.2" }, pods = { "10.244.0.0/16" }, masquerade_address = "10.244.0.1" }
service "shop/web" {
	cluster_ips = { "10.96.0.1" }, ports = { { port = 80, target_port = 8080 } },
	endpoints = { "10.244.0.5", "10.244.0.6" },
}
