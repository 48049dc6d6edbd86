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
