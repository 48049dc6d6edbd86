-- tls.lua - a service that ends TLS itself: nothing can be put into its requests, so who the client is stands in a PROXY header in front
-- of the stream (nginx: `listen 443 ssl proxy_protocol`).  Its plain port sends the same in X-Forwarded-For.  Needs `lunette run
-- --inline`.  Tried by tls_test.lua.
node { name = "n1", addresses = { "172.18.0.2" }, pods = { "10.244.0.0/16" }, masquerade_address = "10.244.0.1" }

service "shop/tls" {
	type           = "NodePort",
	cluster_ips    = { "10.96.0.1" }, ports = { { port = 443, target_port = 8443, node_port = 30443 } },
	endpoints      = { "10.244.0.5" },
	proxy_protocol = 1,
}
service "shop/plain" {
	type        = "NodePort",
	cluster_ips = { "10.96.0.2" }, ports = { { port = 80, target_port = 8080, node_port = 30080 } },
	endpoints   = { "10.244.0.5" },
	http        = headers.forwarded(),
}
