-- long_lived.lua - gRPC and its like: a client opens one connection and keeps it for days, so what is balanced is connections, and
-- only when they are opened.
--
-- New ones go to the pod that has the fewest.  A pod that goes, or is taken out of service (ready = false), keeps its connections for
-- ten minutes, the deadline; then both ends get a reset, clients connect again, and are balanced again.  So to spread clients over pods
-- that were added, take the old pods out one at a time, ten minutes apart.  A pod that comes gets its share slowly, not all that fled
-- at once.  Connections may be silent for a day (with --inline; else for as long as the kernel says, five days by default).  Tried by
-- long_lived_test.lua.
node { name = "n1", addresses = { "172.18.0.2" }, pods = { "10.244.0.0/16" }, masquerade_address = "10.244.0.1" }

service "shop/prices" {
	cluster_ips = { "10.96.0.1" },
	ports       = { { name = "grpc", port = 50051 } },
	endpoints   = { "10.244.0.5", "10.244.0.6" },
	balance     = "least_connections",
	slow_start  = "30s",
	drain       = "10m",
	rest        = { after = 3, time = "5s" },
	timeouts    = { tcp_established = "1d" },
}
