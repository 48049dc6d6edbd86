#!/usr/bin/env bash
# `lunette trace`: one packet explained, as text and as JSON, from arguments and from standard input.
set -euo pipefail

policy=${LUNETTE_SOURCE:?}/tests/policies/replay.lua
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
cd "$folder"

fail() {
	echo "FAILED: $*" >&2
	exit 1
}

# expect STATUS ARGUMENT...: runs trace with what is on stdin, into `out` and `err` (without the policy's warnings).
expect() {
	local status=0
	"$LUNETTE" trace "${@:2}" >out 2>all || status=$?
	grep -v "has no ready endpoint" all >err || true
	((status == $1)) || fail "status $status, not $1, of trace ${*:2}: $(cat err)"
}

same() { # FILE, the wanted text on stdin
	diff -u - "$1" || fail "$1 is not as expected"
}

# answers QUERY JSON...: each piece is in the one line that answers.
answers() {
	expect 0 -p "$policy" --json $1 </dev/null
	(($(wc -l <out) == 1)) || fail "not one line: $(cat out)"
	local piece
	for piece in "\"query\":\"$1\"" "${@:2}"; do
		grep -qF -- "$piece" out || fail "$piece is not in $(cat out)"
	done
}

both='"endpoints":[{"address":"10.244.0.5:8080","probability":0.5},{"address":"10.244.0.6:8080","probability":0.5}]'
answers "tcp 192.168.31.9:40000 172.18.0.2:32329" '"result":"dnat","reason":null,"service":"default/web:http","via":"node_port",' \
	"$both" '"masquerade":true,"masquerade_why":"external traffic policy Cluster' '"steps":[{"stage":"' '"at":"replay.lua:9"}'
answers "tcp 10.244.0.9:40000 10.96.0.10:80" '"result":"dnat"' '"via":"cluster_ip"' "$both" '"masquerade":false'
answers "tcp [fd00:244::9]:40000 [fd00:96::10]:80" '"result":"dnat"' \
	'"endpoints":[{"address":"[fd00:244::5]:8080","probability":1}]'
answers "tcp 203.0.113.9:40000 10.96.0.10:80" '"result":"drop","reason":"blocked range"' '"stage":"script"' '"at":"replay.lua:25"' \
	'"endpoints":[],"masquerade":false,"masquerade_why":null'
answers "tcp 10.1.1.1:40000 10.96.0.10:81" '"result":"reject","reason":"the cluster IP is known but this port is not defined"' \
	'"service":null,"via":null' '"client_sees":"Connection refused","client_sees_why":"a RST answers its SYN"'
answers "udp 10.1.1.1:40000 10.96.0.30:53" '"result":"reject","reason":"the service has no usable endpoint"' \
	'"client_sees":"Connection refused","client_sees_why":"ICMP port unreachable answers"'
answers "tcp 10.1.1.1:40000 10.96.0.99:80" '"result":"drop","reason":"an address of the service range that no service holds"'
answers "udp 10.1.1.1:40000 192.0.2.53:53" '"result":"accept","reason":null,"service":null,"via":null,"endpoints":[]'

# The keys, in order.
answers "tcp 192.168.31.9:40000 172.18.0.2:32329"
grep -q '^{"query":.*,"result":.*,"reason":.*,"service":.*,"via":.*,"endpoints":.*,"masquerade":.*,"masquerade_why":.*,"steps":\[{"stage":"[a-z]*","text":"[^"]*","at":.*}\],"endpoint_count":2,"out":"tcp [^"]*"}$' out ||
	fail "keys: $(cat out)"

# Each query has an engine of its own: round robin begins anew, and the same tuple opens anew.
for ((i = 0; i < 3; i++)); do
	echo "tcp 10.244.0.9:40000 10.96.0.10:80"
done >queries
expect 0 -p "$policy" --json <queries
(($(sort -u out | wc -l) == 1 && $(wc -l <out) == 3)) || fail "the answers depend on each other: $(cat out)"

# More endpoints than there is room for at first, each with its share.
{
	echo 'node { name = "node", addresses = { "172.18.0.2" } }'
	echo 'service "default/many" { cluster_ips = { "10.96.0.40" }, ports = { { port = 80 } }, endpoints = {'
	for ((i = 1; i <= 250; i++)); do echo "\"10.244.1.$i\","; done
	echo '} }'
} >many.lua
expect 0 -p many.lua --json tcp 10.1.1.1:40000 10.96.0.40:80 </dev/null
(($(grep -o '"probability":0.004' out | wc -l) == 250)) || fail "250 endpoints: $(cat out)"
expect 0 -p many.lua tcp 10.1.1.1:40000 10.96.0.40:80 </dev/null
grep -q '^             and 242 more$' out || fail "a long list fills the screen"
(($(wc -l <out) <= 24)) || fail "more than a screen"

# Queries on stdin: blank lines and comments are skipped, a bad line is named, the others are answered.
expect 2 -p "$policy" --json <<'END'
# what the node sees

  tcp 10.244.0.9:40000 10.96.0.10:80  
tcp 10.244.0.9:40000 10.96.0.10
udp 10.244.0.9:40000 10.96.0.30:53
END
same err <<<"lunette: stdin:4: 10.96.0.10 has no port, expected 10.0.0.1:80 or [fd00::1]:80"
(($(wc -l <out) == 2)) || fail "the other lines were not answered: $(cat out)"
grep -q '^{"query":"tcp 10.244.0.9:40000 10.96.0.10:80",' out || fail "blanks around a query: $(cat out)"
expect 0 -p "$policy" </dev/null
same out </dev/null

# For a person.
expect 0 -p "$policy" tcp 203.0.113.9:40000 10.96.0.10:80 </dev/null
same out <<'END'
tcp 203.0.113.9:40000 10.96.0.10:80

  script  drop: blocked range  replay.lua:25

  => drop: blocked range
  the client sees: Connection timed out (nothing answers its SYN)
END
expect 0 -p "$policy" tcp 10.244.0.9:40000 10.96.0.10:80 </dev/null
grep -q '^  => dnat  tcp 10.244.0.9:40000 10.244.0.5:8080$' out || fail "$(cat out)"
grep -q '^     50.0 %  10.244.0.6:8080$' out || fail "$(cat out)"

# Services from Kubernetes objects; SCTP.
cat >objects.json <<'END'
{ "items": [
	{ "kind": "Service", "metadata": { "namespace": "a", "name": "b" }, "spec": { "clusterIP": "10.96.0.50",
		"ports": [{ "name": "x", "port": 80, "protocol": "SCTP" }] } },
	{ "kind": "EndpointSlice", "metadata": { "namespace": "a", "name": "b-1", "labels": { "kubernetes.io/service-name": "b" } },
		"endpoints": [{ "addresses": ["10.244.0.5"] }, { "addresses": ["10.244.0.6"], "conditions": { "ready": false } }],
		"ports": [{ "name": "x", "port": 8080, "protocol": "SCTP" }] }
] }
END
printf 'node { name = "n", pods = { "10.244.0.0/16" } }\nrequire("lunette.kubernetes").load("objects.json")\n' >kube.lua
expect 0 -p kube.lua --json sctp 10.244.0.9:40000 10.96.0.50:80 </dev/null
[[ $(jq -c '[.result, .service, .via, .endpoints, .masquerade, .steps[0].at]' out) == \
	'["dnat","a/b:x","cluster_ip",[{"address":"10.244.0.5:8080","probability":1}],false,"objects.json:2"]' ]] || fail "$(cat out)"

# Bad input.
bad() { # LINE ARGUMENT...
	expect 2 "${@:2}" </dev/null
	same err <<<"$1"
}
bad "lunette trace: no policy, expected -p POLICY; see lunette trace --help" tcp 10.0.0.1:1 10.0.0.2:2
bad "lunette: unknown protocol tpc, expected tcp, udp or sctp" -p "$policy" tpc 10.0.0.1:1 10.0.0.2:2
bad "lunette: 2 of 3 words, expected PROTOCOL SOURCE:PORT DESTINATION:PORT" -p "$policy" tcp 10.0.0.1:1
bad "lunette: bad address 10.0.0.300:2, expected 10.0.0.1:80 or [fd00::1]:80" -p "$policy" "tcp 10.0.0.1:1 10.0.0.300:2"
bad "lunette trace: the query is too long, expected PROTOCOL SOURCE:PORT DESTINATION:PORT; see lunette trace --help" \
	-p "$policy" "$(printf '%0300d' 0)"
echo 'service "a/b" { endpont = {} }' >typo.lua
expect 2 -p typo.lua tcp 10.0.0.1:1 10.0.0.2:2 </dev/null
grep -q 'typo.lua:1: .*endpont.*endpoints' err || fail "a typo in the policy: $(cat err)"

echo "trace: answers, text, queries on stdin and bad input are as expected"
