#!/usr/bin/env bash
# `lunette check`: what it lists, what it warns of, one line and exit 2 for what is wrong.
source "$(dirname "${BASH_SOURCE[0]}")/lib.sh"
cd "$LUNETTE_SOURCE/examples"

check() { run check "$@"; }

# The example, for a person and for a program.
check -p kind.lua
expect 0 "default/nginx:http  (kind.lua:*)*cluster_ip*tcp*10.96.176.241:80 *2 endpoints*
2 service ports at 5 addresses, 0 warnings" ""
check --json --policy kind.lua
expect 0 '{"service":"default/nginx:http",*' ""
said=$(jq -r 'select(.via == "node_port") | "\(.protocol) \(.address) \(.endpoints) \(.at)"' "$folder/out")
expect 0 "tcp 172.18.0.2:32329 2 kind.lua:26
tcp \[fc00:f853:ccd:e793::2\]:32329 2 kind.lua:26" ""
said=$(tail -1 "$folder/out")
expect 0 '{"summary":{"service_ports":2,"addresses":5,"warnings":0}}' ""

# What is odd is no failure.
cat >"$folder/odd.lua" <<-'END'
	node { name = "n" }
	service "a/b" { cluster_ips = { "10.96.0.1" }, ports = { { port = 80 } } }
END
check -p "$folder/odd.lua"
expect 0 "*
warning: $folder/odd.lua:1: the node has no pods: *R7?
warning: $folder/odd.lua:2: service \"a/b\" has no ready endpoint: its connections are refused

1 service port at 1 address, 2 warnings" ""
check -p "$folder/odd.lua" --json
[[ $(jq -r '.warning // empty' "$folder/out" | wc -l) -eq 2 ]] || { echo "$said"; exit 1; }

# Each oddity alone, and what is said of it.
warns() { # TEXT EXPECTED
	printf '%s\n' 'node { name = "n", pods = { "10.0.0.0/8" } }' "$1" >"$folder/odd.lua"
	check -p "$folder/odd.lua"
	expect 0 "*warning: $folder/odd.lua:$2

*, 1 warning" ""
}
web='cluster_ips = { "10.96.0.1" }, ports = { { port = 80 } }, endpoints = { "10.0.0.1" }'
warns 'percent = 10' '2: nothing reads the global percent'
warns $'limits = {\n\ta = 1,\n}\n-- limits\nlocal t = "limits"' '2: nothing reads the global limits'
warns $'local t = { wait = 1 }\nlist, waits = 1, t.wait + (list or 0)' '3: nothing reads the global waits'
warns $'\nfunction onflow(flow) return drop() end' '3: nothing calls the global function onflow, did you mean on_flow?'
warns 'headers = { A = "1" }' "2: the global headers takes the place of Lunette's own, expected local headers or another name"
warns "service \"a/b\" { $web }"$'\nfunction service(name) return name end' "3: the global service takes the place of *"
warns 'service "a/b" { cluster_ips = { "10.96.0.1" }, ports = { { port = 80 } }, endpoints = { "10.0.0.1", "fd00::1" } }' \
	'2: service "a/b" has IPv6 endpoints, but no address of that family: they get nothing'
warns "service \"a/b\" { $web }"$'\nservice "a/c" { cluster_ips = { "10.96.0.1" }, ports = { { port = 81 } }, endpoints = { "10.0.0.1" } }' \
	'3: cluster IP 10.96.0.1 of service "a/c" is that of service "a/b" too, at odd.lua:2'
warns "service \"a/b\" { $web, timeouts = { udp = \"30s\" } }" \
	"2: timeouts of service \"a/b\" hold with --inline, without it the kernel's do"
echo 'shared = {}' >"$folder/module.lua" # what a module reads or assigns is the policy's, too
warns $'require "module"\nlocal t = { shared }\nunread = t' '4: nothing reads the global unread'

# A policy of many globals is not searched for each.
{ echo 'node { name = "n", pods = { "10.0.0.0/8" } }'; seq -f 'global_%.0f = 1' 100000; } >"$folder/odd.lua"
check -p "$folder/odd.lua"
expect 0 "*0 warnings" ""

# What is wrong is one line.
wrong() { # TEXT EXPECTED
	printf '%s\n' "$1" >"$folder/wrong.lua"
	check -p "$folder/wrong.lua"
	expect 2 "" "lunette: $folder/wrong.lua:$2"
	[[ $(wc -l <"$folder/err") -eq 1 ]] || { echo "more than one line: $complained"; exit 1; }
}
node='node { name = "n", pods = { "10.0.0.0/8" } }'
wrong 'node {' "2: unexpected symbol near <eof>"
wrong "$node"$'\nservice "default/nginx" {\n\tports = { { port = 80 } },\n\tendpont = {},\n}' \
	'4: unknown key endpont in service "default/nginx", did you mean endpoints?'
wrong 'node { name = "n", addresses = { "172.18.0.300" } }' \
	'1: addresses\[1\] of node: expected an IPv4 or IPv6 address, got "172.18.0.300"'
wrong "$node"$'\nservice "a/b" { ports = {\n\t{ port = 80 },\n\t{ port = 80 } } }' \
	'4: ports\[2\] of service "a/b": port 80/tcp is that of ports\[1\] already'
wrong 'while true do end' '1: more than 100000000 instructions, the most that loading a policy may take'

check -p "$folder/none.lua"
expect 2 "" "lunette: $folder/none.lua: No such file or directory"
check
expect 2 "" "lunette check: no policy*"
check -p kind.lua more
expect 2 "" "lunette check: unexpected argument more*"
check --polcy kind.lua
expect 2 "" "lunette check: unknown option --polcy, did you mean --policy?*"
check --help
expect 0 "usage: lunette check*" ""
