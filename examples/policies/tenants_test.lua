policy "tenants.lua"

scenario("the same addresses at the same time, each to its own", function(s)
	local connections = {}
	for tenant, endpoint in ipairs { "10.244.1.5:5432", "10.244.2.5:5432" } do
		local c = s:tcp { from = "192.0.2.7:40000", to = "10.96.0.1:5432", tenant = tenant }
		connections[tenant] = c:open():expect { endpoint = endpoint }
	end
	connections[1]:send("red"):expect { upstream = "red" }
	connections[2]:send("blue"):expect { upstream = "blue" }
	s:expect { flows = 2 }
end)

scenario("a stranger is refused", function(s)
	s:tcp { from = "192.0.2.7:40000", to = "10.96.0.1:5432", tenant = 3 }:open():expect { reason = "no such tenant", refused = true }
end)
