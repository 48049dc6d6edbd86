-- scenarios_later.lua - what scenarios_test.lua reloads: all moved to another pod.
node { name = "n1", addresses = { "172.18.0.2" }, pods = { "10.244.0.0/16" }, masquerade_address = "10.244.0.1" }
service "a/web" { cluster_ips = { "10.96.0.1" }, ports = { { port = 80, target_port = 8080 } }, endpoints = { "10.244.0.7" } }
service "a/dns" { cluster_ips = { "10.96.0.2" }, ports = { { protocol = "udp", port = 53 } }, endpoints = { "10.244.0.7" } }
