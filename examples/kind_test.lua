-- kind_test.lua - what kind.lua promises, as scenarios: `lunette test kind_test.lua`.
--
-- A scenario plays the client and the pod; what goes between them passes the engine, as it would on the node.  Nothing else is
-- needed: no kernel, no privileges, no network.
policy "kind.lua"

scenario("NodePort from outside is masqueraded", function(s)
	local c = s:tcp { from = "192.168.31.9:40000", to = "172.18.0.2:32329" }
	c:open():expect { verdict = "accept", state = "ESTABLISHED", masquerade = true, source = "10.244.0.1" }
	c:send("hello"):expect { upstream = "hello" }
	c:reply("world"):expect { client = "world" }
	s:advance("2h")
	c:expect { state = "ESTABLISHED" }
	c:close():expect { state = "TIME_WAIT" }
	s:advance("5m")
	c:expect { state = "NONE" }
end)

scenario("a pod keeps its address towards a cluster IP", function(s)
	local c = s:tcp { from = "10.244.0.9:40000", to = "10.96.176.241:80" }
	c:open():expect { service = "default/nginx:http", masquerade = false, source = "10.244.0.9" }
end)

scenario("what no service holds is refused", function(s)
	s:tcp { from = "10.244.0.9:40000", to = "10.96.176.241:81" }:open():expect { reason = "undefined_port", refused = true }
	s:tcp { from = "10.244.0.9:40001", to = "10.96.0.99:80" }:open():expect { verdict = "drop", reason = "unallocated" }
	s:expect { flows = 0, undefined_port = 1, unallocated = 1 }
end)

scenario("a blocked range gets no answer", function(s)
	local c = s:tcp { from = "203.0.113.7:40000", to = "172.18.0.2:32329" }
	c:open():expect { verdict = "drop", reason = "blocked range", endpoint = false, refused = false }
end)

scenario("both pods get their share", function(s)
	local got = s:spread { from = "192.168.31.9", to = "172.18.0.2:32329", flows = 2000 }
	for _, endpoint in ipairs { "10.244.0.5:80", "10.244.0.6:80" } do
		assert(math.abs(got[endpoint] - 1000) < 100, endpoint .. " got " .. got[endpoint] .. " of 2000")
	end
end)

scenario("the headers of a proxy, whatever the client says", function(s)
	local c = s:tcp { from = "192.168.31.9:40000", to = "10.96.176.242:80" }
	c:open():send("GET / HTTP/1.1\r\nHost: shop\r\nX-Real-IP: 6.6.6.6\r\n\r\n")
	c:expect_request { "GET / HTTP/1.1", Host = "shop", ["X-Real-IP"] = "192.168.31.9", ["X-Forwarded-Port"] = "80" }
	c:reply("HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n")
	c:send("GET /2 HTTP/1.1\r\nHost: shop\r\n\r\n"):expect_request { "GET /2 HTTP/1.1", ["X-Real-IP"] = "192.168.31.9" }
end)
