policy "crowd.lua"

local door = "172.18.0.2:30080"

scenario("a client has a hundred, and another as many", function(s)
	assert(s:spread { from = "203.0.113.1", to = door, flows = 150 }.none == 50)
	assert(s:spread { from = "203.0.113.2", to = door, flows = 100 }.none == nil)
	s:expect { source_limit = 50, flows = 200 }
end)

scenario("all together have five hundred", function(s)
	for client = 1, 5 do s:spread { from = "203.0.113." .. client, to = door, flows = 100 } end
	s:tcp { from = "203.0.113.6:1", to = door }:open():expect { reason = "service_limit", refused = true }
end)

scenario("the greedy have twenty among them, in a pool of their own", function(s)
	local got = s:spread { from = "198.51.100.1", to = door, flows = 15 }
	assert(got["10.244.0.7:8080"] == 15)
	got = s:spread { from = "198.51.100.2", to = door, flows = 15 }
	assert(got["10.244.0.7:8080"] == 5 and got.none == 10)
	s:tcp { from = "203.0.113.1:1", to = door }:open():expect { service = "shop/web:80", state = "ESTABLISHED" }
end)

scenario("who never completes his handshake makes room after ten seconds", function(s)
	s:spread { from = "203.0.113.1", to = door, flows = 100 } -- SYNs alone
	s:tcp { from = "203.0.113.1:60000", to = door }:open():expect { reason = "source_limit" }
	s:advance("11s")
	s:tcp { from = "203.0.113.1:60001", to = door }:open():expect { state = "ESTABLISHED" }
end)
