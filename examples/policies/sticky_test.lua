policy "sticky.lua"

local function endpoints(got)
	local count = 0
	for _ in pairs(got) do count = count + 1 end
	return count
end

for _, address in ipairs { "10.96.0.1:80", "10.96.0.2:80" } do
	scenario("one client, one pod: " .. address, function(s)
		assert(endpoints(s:spread { from = "203.0.113.1", to = address, flows = 50 }) == 1)
	end)
	scenario("many clients, all pods: " .. address, function(s)
		local seen = {}
		for i = 1, 100 do
			for endpoint in pairs(s:spread { from = "203.0.113." .. i, to = address, flows = 1 }) do seen[endpoint] = true end
		end
		assert(endpoints(seen) == 3)
	end)
end

scenario("the hash is the same on another node", { seed = 99 }, function(s)
	local got = s:spread { from = "203.0.113.1", to = "10.96.0.2:80", flows = 1 }
	local first = next(got)
	s:reload("sticky.lua")
	assert(next(s:spread { from = "203.0.113.1", to = "10.96.0.2:80", flows = 1 }) == first)
end)
