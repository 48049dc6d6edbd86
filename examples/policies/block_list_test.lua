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

-- The same policy beside a longer list, both in a folder of their own.
local here = debug.getinfo(1, "S").source:match("^@(.*/)") or ""

local function write(path, text)
	local file = assert(io.open(path, "w"))
	file:write(text)
	file:close()
end

scenario("a hundred thousand prefixes", function(s)
	local folder, list = os.tmpname(), { "return {" }
	os.remove(folder)
	assert(os.execute("mkdir " .. folder))
	for i = 0, 99999 do
		list[#list + 1] = ('["%d.%d.%d.%d/30"]="n%d",'):format(100 + (i >> 16), i >> 8 & 255, i & 255, i % 64 * 4, i)
	end
	list[#list + 1] = "}"
	write(folder .. "/blocked.lua", table.concat(list, "\n"))
	write(folder .. "/block_list.lua", io.open(here .. "block_list.lua"):read("a"))
	local ok, wrong = pcall(s.reload, s, folder .. "/block_list.lua")
	os.execute("rm -r " .. folder)
	assert(ok, wrong)
	for _, i in ipairs { 0, 1, 4711, 65536, 99999 } do
		local network = ("%d.%d.%d."):format(100 + (i >> 16), i >> 8 & 255, i & 255)
		s:tcp { from = network .. i % 64 * 4 + 3 .. ":1", to = "172.18.0.2:30080" }:open():expect { reason = "n" .. i }
		s:tcp { from = network .. (i % 64 * 4 + 4) % 256 .. ":1", to = "172.18.0.2:30080" }:open():expect { state = "ESTABLISHED" }
	end
end)
