policy "block_list.lua"

scenario("blocked sources wait in vain", function(s)
	for address, why in pairs { ["203.0.113.9"] = "scans", ["198.51.100.66"] = "abuse" } do
		s:tcp { from = address .. ":40000", to = "172.18.0.2:30080" }:open()
			:expect { verdict = "drop", reason = why, refused = false, endpoint = false }
	end
	s:expect { flows = 0, policy_drop = 2 }
end)

scenario("their neighbours do not", function(s)
	for _, address in ipairs { "203.0.112.255", "203.0.114.0", "198.51.100.65", "198.51.100.67" } do
		s:tcp { from = address .. ":40000", to = "172.18.0.2:30080" }:open():expect { state = "ESTABLISHED" }
	end
end)
