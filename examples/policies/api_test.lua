policy "api.lua"

-- The head that the upstream gets of a request.
local function ask(s, from, head)
	return s:tcp { from = from .. ":40000", to = "10.96.0.1:80" }:open():send(head:gsub("\n", "\r\n") .. "\r\n\r\n")
end

scenario("the tenant is who he is, not who he says", function(s)
	ask(s, "10.244.7.9", "GET /orders HTTP/1.1\nHost: api\nX-Tenant: red\nx_tenant: red\nX-Debug: 1")
		:expect_request { "GET /orders HTTP/1.1", ["X-Tenant"] = "blue", x_tenant = false, ["X-Debug"] = false }
	ask(s, "10.244.8.9", "GET /orders HTTP/1.1\nHost: api"):expect_request { ["X-Tenant"] = "red", ["X-Real-IP"] = "10.244.8.9" }
	ask(s, "10.244.9.9", "GET /orders HTTP/1.1\nHost: api\nX-Tenant: red"):expect_request { ["X-Tenant"] = false }
end)

scenario("only the office is an administrator", function(s)
	ask(s, "10.244.1.9", "GET /admin/users HTTP/1.1\nHost: api"):expect_request { ["X-Admin"] = "yes" }
	ask(s, "10.244.7.9", "GET /admin/users HTTP/1.1\nHost: api\nX-Admin: yes"):expect_request { ["X-Admin"] = false }
end)

scenario("probes are marked", function(s)
	ask(s, "10.244.9.9", "GET /health HTTP/1.1\nHost: api"):expect_request { ["X-Probe"] = "1" }
	ask(s, "10.244.9.10", "POST /health HTTP/1.1\nHost: api\nContent-Length: 0"):expect_request { ["X-Probe"] = false }
end)

scenario("what two servers could read differently is refused", function(s)
	ask(s, "10.244.7.9", "POST / HTTP/1.1\nHost: api\nContent-Length: 3\nTransfer-Encoding: chunked")
		:expect { reason = "http_malformed", upstream = "" }
end)
