policy "long_lived.lua"

local old, new = { "10.244.0.5", "10.244.0.6" }, "10.244.0.7"

-- Opens a client's connection; says which pod it got.
local function open(s, client)
	local c = s:tcp { from = "10.244.9." .. client .. ":40000", to = "10.96.0.1:50051" }:open():expect { state = "ESTABLISHED" }
	for _, pod in ipairs { old[1], old[2], new } do
		if pcall(c.expect, c, { endpoint = pod .. ":50051" }) then return c, pod end
	end
end

local function open_many(s, first, last)
	local connections, of = {}, { [old[1]] = 0, [old[2]] = 0, [new] = 0 }
	for client = first, last do
		local c, pod = open(s, client)
		connections[#connections + 1], of[pod] = { c, pod }, of[pod] + 1
	end
	return connections, of
end

scenario("each pod has as many as the other", function(s)
	local _, of = open_many(s, 1, 20)
	assert(of[old[1]] == 10 and of[old[2]] == 10)
end)

scenario("a day of silence is no end", function(s)
	local c = open(s, 1)
	s:advance("23h")
	c:send("still there?"):expect { upstream = "still there?", state = "ESTABLISHED" }
end)

scenario("what is taken out keeps its connections for ten minutes, then they spread over the others", function(s)
	local connections = open_many(s, 1, 20)
	s:endpoints("shop/prices", { { old[1], ready = false }, old[2], new })
	s:advance("9m")
	for _, pair in ipairs(connections) do pair[1]:send("x"):expect { upstream = "x", state = "ESTABLISHED" } end
	s:advance("2m"):expect { drained = 10, flows = 10 }
	for _, pair in ipairs(connections) do pair[1]:expect { state = pair[2] == old[1] and "NONE" or "ESTABLISHED" } end
	local _, of = open_many(s, 21, 30)
	assert(of[new] == 10, "the new pod, long there by now, has none yet and gets the next ten")
end)
