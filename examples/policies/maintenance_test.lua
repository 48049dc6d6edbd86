policy "maintenance.lua"

-- The clock begins on Thursday, 1 January 1970.
local saturday_night, sunday_morning = "73h", "74h"

local port = 40000
local function open(s, from, to)
	port = port + 1
	return s:tcp { from = from .. ":" .. port, to = to }:open()
end

scenario("closed on Sunday morning, to all but the office", function(s)
	s:advance(sunday_morning)
	open(s, "203.0.113.9", "10.96.0.1:80"):expect { endpoint = "10.244.0.7:8080" }
	open(s, "203.0.113.9", "10.96.0.3:5432"):expect { reason = "maintenance", refused = true }
	open(s, "198.51.100.9", "10.96.0.3:5432"):expect { endpoint = "10.244.0.9:5432" }
end)

scenario("open before and after; who is there may stay", function(s)
	s:advance(saturday_night)
	local early = open(s, "203.0.113.9", "10.96.0.3:5432"):expect { endpoint = "10.244.0.9:5432" }
	s:advance("90m")
	open(s, "203.0.113.9", "10.96.0.3:5432"):expect { refused = true }
	early:send("select"):expect { upstream = "select", state = "ESTABLISHED" }
	s:advance("90m")
	open(s, "203.0.113.9", "10.96.0.3:5432"):expect { endpoint = "10.244.0.9:5432" }
end)
