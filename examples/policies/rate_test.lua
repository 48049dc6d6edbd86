policy "rate.lua"

local door = "172.18.0.2:30080"

scenario("twenty at once, then ten a second", function(s)
	assert(s:spread { from = "203.0.113.1", to = door, flows = 30 }.none == 10)
	s:tcp { from = "203.0.113.1:1", to = door }:open():expect { reason = "too fast", refused = true }
	s:advance("1s")
	for port = 1, 10 do s:tcp { from = "203.0.113.1:" .. port, to = door }:open():expect { state = "ESTABLISHED" } end
	s:tcp { from = "203.0.113.1:11", to = door }:open():expect { reason = "too fast" }
end)

scenario("one takes nothing from another", function(s)
	assert(s:spread { from = "203.0.113.1", to = door, flows = 50 }.none == 30)
	assert(s:spread { from = "203.0.113.2", to = door, flows = 20 }.none == nil)
end)

scenario("a farm's machines share", function(s)
	assert(s:spread { from = "198.51.100.1", to = door, flows = 300 }.none == nil)
	assert(s:spread { from = "198.51.100.2", to = door, flows = 150 }.none == 50)
	assert(s:spread { from = "192.0.2.1", to = door, flows = 150 }.none == nil)
end)

scenario("a reload gives nobody a full bucket", function(s)
	assert(s:spread { from = "203.0.113.1", to = door, flows = 20 }.none == nil)
	s:reload("rate.lua")
	s:tcp { from = "203.0.113.1:1", to = door }:open():expect { reason = "too fast" }
end)
