-- reloads_test.lua - $RELOADS changes of policy (1,000) under connections that live through all of them; tests/quality/reloads.sh runs it
-- and looks at the memory that it took, which is the last line of its output.
local reloads = tonumber(os.getenv "RELOADS" or 1000)

policy "scenarios.lua"

local broken = os.tmpname()
local file <close> = assert(io.open(broken, "w"))
file:write('node { name = "n1" }\nservice "a/web" { prots = {} }\n')
file:flush()

local function peak_memory()
	for line in io.lines "/proc/self/status" do
		if line:find "^VmHWM" then return line:match "%d+" end
	end
end

scenario("connections live through every change of policy", function(s)
	local old = s:tcp { from = "192.0.2.1:40000", to = "10.96.0.1:80" }:open()
	local edited = s:tcp { from = "192.0.2.1:40001", to = "10.96.0.3:80" }:open()
	for i = 1, reloads do
		s:reload(i % 2 == 1 and "scenarios_later.lua" or "scenarios.lua")
		local pod = i % 2 == 1 and "10.244.0.7:8080" or "10.244.0.5:8080"
		local port = 1024 + i
		s:tcp { from = "192.0.2.2:" .. port, to = "10.96.0.1:80" }:open():expect { endpoint = pod }:close()
		s:udp { from = "192.0.2.2:" .. port, to = "10.96.0.2:53" }:send("?"):expect { verdict = "accept", upstream = "?" }
		old:send("still here"):expect { upstream = "still here", endpoint = "10.244.0.5:8080" }
		edited:send("GET / HTTP/1.1\r\nHost: h\r\n\r\n"):expect_request { "GET / HTTP/1.1", ["X-Real-IP"] = "192.0.2.1" }
		edited:reply("HTTP/1.1 204 No Content\r\n\r\n")
		s:endpoints("a/web", { "10.244.0.9" })
		s:tcp { from = "192.0.2.3:" .. port, to = "10.96.0.1:80" }:open():expect { endpoint = "10.244.0.9:8080" }:reset()
		if i % 10 == 0 then
			local fine, message = pcall(s.reload, s, "../.." .. ("/.."):rep(8) .. broken)
			assert(not fine and message:find("unknown key prots", 1, true), message)
		end
		s:advance("10s")
	end
	old:close()
	edited:close()
	s:advance("1h"):expect { flows = 0, opened = 2 + 3 * reloads, ended = 2 + 3 * reloads }
	print(peak_memory())
end)
