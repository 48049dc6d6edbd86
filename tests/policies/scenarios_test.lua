-- scenarios_test.lua - everything that a scenario can do, once; tests/program/test.sh runs it.
policy "scenarios.lua"

scenario("TCP from the opening to the end", function(s)
	local c = s:tcp { from = "192.0.2.1:40000", to = "10.96.0.1:80" }
	c:open { answer = false }:expect { ct = "new", state = "SYN_SENT", endpoint = "10.244.0.5:8080", service = "a/web:80" }
	c:retransmit():expect { verdict = "accept", state = "SYN_SENT" }
	c:open():expect { ct = "established", state = "ESTABLISHED", masquerade = true, source = "10.244.0.1" }
	c:send(("x"):rep(5000)):expect { upstream = ("x"):rep(5000), reason = false }
	c:retransmit():expect { verdict = "accept", upstream = ("x"):rep(5000) }
	c:reply("yes"):expect { client = "yes" }
	c:half_close():expect { state = "CLOSE_WAIT" }
	c:reply("still here"):expect { client = "still here" }
	c:half_close("upstream"):expect { state = "TIME_WAIT" }
	s:advance("5m"):expect { flows = 0, opened = 1, ended = 1 }
end)

scenario("a reset, from either side", function(s)
	local c = s:tcp { from = "[2001:db8::1]:40000", to = "[fd96::1]:80" }
	c:open():expect { endpoint = "[fd44::5]:8080" }
	c:reset("upstream"):expect { state = "CLOSE", refused = true }
	local d = s:tcp { from = "192.0.2.1:40001", to = "10.96.0.1:80" }
	d:open():reset():expect { state = "CLOSE", refused = false }
end)

scenario("UDP", function(s)
	local c = s:udp { from = "10.244.0.9:5000", to = "10.96.0.2:53" }
	c:send("question"):expect { state = "UNREPLIED", upstream = "question", endpoint = "10.244.0.5:53", masquerade = false }
	c:reply("answer"):expect { state = "REPLIED", client = "answer" }
	c:send("another"):expect { upstream = "another" }
end)

scenario("ICMP, which no service translates", function(s)
	local c = s:icmp { from = "10.244.0.9", to = "10.244.0.5" }
	c:send("ping"):expect { state = "UNREPLIED", upstream = "ping" }
	c:reply("ping"):expect { state = "REPLIED", client = "ping" }
	s:icmp { from = "fd44::9", to = "fd44::5" }:send("ping"):expect { verdict = "accept", upstream = "ping" }
end)

scenario("two tenants with the same addresses", function(s)
	for tenant = 1, 2 do
		s:tcp { from = "192.0.2.1:40000", to = "10.96.0.1:80", tenant = tenant }:open():expect { state = "ESTABLISHED" }
	end
	s:expect { flows = 2 }
end)

scenario("refusals and their reasons", function(s)
	s:tcp { from = "192.0.2.1:1", to = "10.96.0.4:80" }:open():expect { verdict = "reject", reason = "no_endpoint", refused = true }
	s:udp { from = "192.0.2.1:1", to = "10.9.9.9:9999" }:send("?"):expect { reason = "nine is enough", refused = true, service = false }
	s:udp { from = "192.0.2.1:2", to = "10.9.9.9:9999" }:send("?"):expect { reason = "policy_reject", endpoint = false, source = false }
	s:expect { policy_reject = 2, no_endpoint = 1, packets = 3 }
end)

scenario("headers, byte by byte", function(s)
	local c = s:tcp { from = "192.0.2.1:40000", to = "10.96.0.3:80" }:open()
	c:send("GET /a HTTP/1.1\r\nHost: h\r\nx-real-ip: 6.6.6.6\r\nX-Twice: a\r\nX-Twice: b\r\n\r\n")
	c:expect_request { "GET /a HTTP/1.1", host = "h", ["X-Real-IP"] = "192.0.2.1", ["X-Twice"] = "a, b", ["X-None"] = false }
	c:reply("HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n"):expect { client = "HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n" }
	c:send("GET /b HTTP/1.1\r\nHost: h\r\n\r\n"):expect_request { "GET /b HTTP/1.1", ["X-Real-IP"] = "192.0.2.1" }
end)

scenario("another policy in the middle: connections stay, UDP moves on", function(s)
	local c = s:tcp { from = "192.0.2.1:40000", to = "10.96.0.1:80" }:open()
	local d = s:udp { from = "192.0.2.1:5000", to = "10.96.0.2:53" }:send("?")
	s:reload("scenarios_later.lua")
	c:send("old"):expect { endpoint = "10.244.0.5:8080", upstream = "old", state = "ESTABLISHED" }
	d:expect { state = "NONE" }
	d:send("??"):expect { endpoint = "10.244.0.7:53", upstream = "??", state = "UNREPLIED" }
	d:reply("!"):expect { client = "!", state = "REPLIED" }
	s:tcp { from = "192.0.2.1:40001", to = "10.96.0.1:80" }:open():expect { endpoint = "10.244.0.7:8080" }
	local fine, message = pcall(s.reload, s, "nowhere.lua")
	assert(not fine and message:find("nowhere.lua: No such file", 1, true), message)
	s:tcp { from = "192.0.2.1:40002", to = "10.96.0.1:80" }:open():expect { endpoint = "10.244.0.7:8080" }
end)

scenario("shares", { seed = 7, flows = 100000 }, function(s)
	local got = s:spread { protocol = "udp", from = "192.0.2.1", to = "10.96.0.2:53", flows = 70000 }
	assert(got["10.244.0.5:53"] == 35000 and got["10.244.0.6:53"] == 35000)
	assert(s:spread { from = "192.0.2.1", to = "10.96.0.4:80", flows = 3 }.none == 3)
end)

scenario("flows that are opened later are others, and know what is new", function(s)
	assert(s:spread { from = "192.0.2.1", to = "10.96.0.1:80", flows = 20 }["10.244.0.5:8080"] == 20)
	s:endpoints("a/web", { "10.244.0.9" })
	assert(s:spread { from = "192.0.2.1", to = "10.96.0.1:80", flows = 20 }["10.244.0.9:8080"] == 20)
	s:expect { opened = 40 }
end)

scenario("a small table", { flows = 2 }, function(s)
	for port = 1, 2 do s:tcp { from = "192.0.2.1:" .. port, to = "10.96.0.1:80" }:open():expect { verdict = "accept" } end
	s:tcp { from = "192.0.2.1:3", to = "10.96.0.1:80" }:open():expect { reason = "table_full" }
end)

scenario("packets one by one, in and out of order", function(s)
	s:packet("tenant 3 tcp 192.0.2.1:40000 10.96.0.1:80 S seq 1000 win 64240 scale 7 sackok",
		"accept new SYN_SENT -> tcp 10.244.0.1:40000 10.244.0.5:8080")
	s:packet("+10ms tenant 3 error 3/4 10.0.0.254", "accept related SYN_SENT -> icmp 10.96.0.1:0 192.0.2.1:0")
	s:packet("tenant 3 tcp 10.244.0.5:8080 10.244.0.1:40000 S. seq 5000 ack 1001",
		"accept established SYN_RECV -> tcp 10.96.0.1:80 192.0.2.1:40000")
	s:packet("tenant 3 tcp 192.0.2.1:40000 10.96.0.1:80 R seq 9", "accept invalid SYN_RECV (invalid_reset)")
	s:packet('+5m udp 192.0.2.1:5000 10.96.0.2:53 text "a question"', "accept new UNREPLIED -> udp 10.244.0.1:5000 10.244.0.5:53")
	s:packet "icmp 10.244.0.9:7 10.244.0.5:8":expect { packets = 6, accept = 6, drop = 0 }
end)

scenario("pods come and go", function(s)
	local c = s:tcp { from = "192.0.2.1:40000", to = "10.96.0.1:80" }:open()
	s:endpoints("a/web", { { "10.244.0.5", ready = false }, { "10.244.0.8:8081", weight = 3, node = "n2" } })
	s:tcp { from = "192.0.2.1:40001", to = "10.96.0.1:80" }:open():expect { endpoint = "10.244.0.8:8081" }
	c:send("stays"):expect { endpoint = "10.244.0.5:8080", upstream = "stays" }
	s:endpoints("a/web", {})
	s:tcp { from = "192.0.2.1:40002", to = "10.96.0.1:80" }:open():expect { reason = "no_endpoint" }
	s:endpoints("a/web", { "10.244.0.5" })
	s:tcp { from = "192.0.2.1:40003", to = "10.96.0.1:80" }:open():expect { endpoint = "10.244.0.5:8080" }
end)

scenario("all of it, as it was recorded", function(s)
	s:golden "scenarios.txt"
	local c = s:tcp { from = "192.0.2.1:40000", to = "10.96.0.3:80" }:open()
	c:send("GET /a HTTP/1.1\r\nHost: h\r\n\r\n"):reply("HTTP/1.1 204 No Content\r\n\r\n")
	s:advance("1.5s"):endpoints("a/edited", {}):tcp { from = "192.0.2.1:40001", to = "10.96.0.3:80" }:open()
	s:packet("udp 192.0.2.1:1 10.9.9.9:9999"):reload("scenarios_later.lua")
end)

policy "../../examples/kind.lua"

scenario("a capture", function(s)
	s:replay("../../examples/kind.pcap"):expect { packets = 222, accept = 222, drop = 0, reject = 0, opened = 112, flows = 112 }
	s:advance("3h"):expect { flows = 0 }
end)
