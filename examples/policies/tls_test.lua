policy "tls.lua"

-- The 47 bytes that are emitted to the upstream in tls.txt are "PROXY TCP4 203.0.113.9 172.18.0.2 40000 30443\r\n": 1001 to 1047 as the
-- upstream counts, so that what the client sends is acknowledged behind them, at 1057.
scenario("the PROXY header comes first, TLS is as it was", function(s)
	s:golden "tls.txt"
	local c = s:tcp { from = "203.0.113.9:40000", to = "172.18.0.2:30443" }:open()
	c:expect { endpoint = "10.244.0.5:8443", source = "10.244.0.1" }
	c:send("\22\3\1 hello"):expect { upstream = "\22\3\1 hello", state = "ESTABLISHED" }
	c:reply("\22\3\3 hello"):expect { client = "\22\3\3 hello" }
end)

scenario("the plain port says the same in a header", function(s)
	local c = s:tcp { from = "203.0.113.9:40000", to = "172.18.0.2:30080" }:open()
	c:send("GET / HTTP/1.1\r\nHost: shop\r\n\r\n"):expect_request { "GET / HTTP/1.1", ["X-Forwarded-For"] = "203.0.113.9" }
end)
