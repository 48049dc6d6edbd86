policy "blue_green.lua"

scenario("forth and back, and no connection breaks", function(s)
	local function share(prefix)
		local sum = 0
		for endpoint, count in pairs(s:spread { from = "203.0.113." .. prefix, to = "10.96.0.1:80", flows = 100 }) do
			sum = sum + (endpoint:find("^10%.244%.0%.") and count or 0)
		end
		return sum
	end
	local c = s:tcp { from = "203.0.113.1:40000", to = "10.96.0.1:80" }:open()
	assert(share(2) == 100)
	s:reload("green.lua")
	assert(share(3) == 0)
	c:send("still blue"):expect { upstream = "still blue", state = "ESTABLISHED" }
	s:reload("blue_green.lua")
	assert(share(4) == 100)
	c:reply("and well"):expect { client = "and well" }
end)
