-- services.lua - a module beside all.lua: a function that declares.
local services = {}
function services.make(name, address)
	service(name) { cluster_ips = { address }, ports = { { port = 80 } }, endpoints = { "10.244.0.9" } }
end
return services
