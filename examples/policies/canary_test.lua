policy "canary.lua"

local canary = "10.244.0.7:8080"

scenario("the office gets the canary, always", function(s)
	local got = s:spread { from = "198.51.100.7", to = "10.96.0.1:80", flows = 200 }
	assert(got[canary] == 200, got[canary])
end)

scenario("of the others one in ten", function(s)
	local got = s:spread { from = "203.0.113.7", to = "10.96.0.1:80", flows = 2000 }
	assert(math.abs(got[canary] - 200) < 60, got[canary] .. " of 2000 got the canary")
	assert(got["10.244.0.5:8080"] > 700 and got["10.244.0.6:8080"] > 700)
end)

scenario("a connection stays where it went", function(s)
	local c = s:tcp { from = "198.51.100.7:40000", to = "10.96.0.1:80" }:open()
	c:send("one"):expect { endpoint = canary, upstream = "one" }
	s:reload("canary_over.lua")
	c:send("two"):expect { endpoint = canary, upstream = "two", state = "ESTABLISHED" }
	s:tcp { from = "198.51.100.7:40001", to = "10.96.0.1:80" }:open():expect { service = "shop/web:80" }
end)
