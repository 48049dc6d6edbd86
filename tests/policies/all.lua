-- all.lua - every key that there is, once.
local services = require "services"

node {
	name                 = "n1",
	zone                 = "a",
	addresses            = { "172.18.0.2", "172.18.0.3" },
	pods                 = { "10.244.0.0/16" },
	service_ranges       = { "10.96.0.0/12" },
	node_port_addresses  = { "172.18.0.2/32", "127.0.0.0/8" },
	localhost_node_ports = true,
	masquerade_all       = false,
	masquerade_address   = "10.244.0.1",
	answer_echo          = false,
	hash_seed            = 7,
	intercept            = { "198.51.100.0/24" },
	timeouts             = {
		tcp_established  = "2h4m",
		tcp_opening      = "4m",
		tcp_closing      = 240,
		udp              = "5m",
		icmp             = "60s",
		sctp_established = "1d2h3m4s",
		other            = 600.5,
	},
	limits               = { per_source = 1000, half_open = 50000, answer = "drop" }, on_error = "services",
}

service "a/all" {
	type                        = "LoadBalancer",
	cluster_ips                 = { "10.96.0.1" },
	external_ips                = { "198.51.100.1" },
	load_balancer_ips           = { "192.0.2.1", { "192.0.2.2", ip_mode = "VIP" }, { "192.0.2.3", ip_mode = "Proxy" } },
	load_balancer_source_ranges = { " 10.0.0.0/8 ", "192.0.2.0/24" },
	ports = {
		{ name = "web", port = 80, node_port = 30080, target_port = 8080, protocol = "TCP" },
		{ name = "dns", port = 53, protocol = "udp" },
	},
	endpoints = {
		"10.244.0.5:8081",
		{ "10.244.0.6", port = 8082, node = "n1", ready = true },
		{ "10.244.0.7", node = "n2", ready = false, serving = true, terminating = true },
		{ "10.244.0.8", zone = "b", weight = 3, hints = { zones = { "a", "b" }, nodes = { "n1" } } },
	},
	balance                 = "maglev",
	affinity                = { client_ip = 10800 },
	masquerade              = "always",
	external_traffic_policy = "Local",
	internal_traffic_policy = "Cluster",
	timeouts                = { tcp_established = "8h", udp = "30s" },
	flow_limit              = 10000,
	prefer                  = "zone",
	retry                   = false,
	rest                    = { after = 3, time = "10s" },
	slow_start              = "30s",
	drain                   = "30s",
	health_check_node_port  = 32000,
	proxy_protocol          = 2,
	http                    = { set = { { "X-Real-IP", "$remote_addr" }, { "X-A", "" } }, path = { strip = "/a", add = "/b" } },
}

services.make("a/made", "10.96.1.1")
services.make("a/made2", "10.96.1.2")
