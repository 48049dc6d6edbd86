#!/usr/bin/env bash
# The control socket: `lunette flows` lists, filters and ends, `lunette stats` counts; it is its owner's only, bears any client,
# and does not take the place of another one.
source "$(dirname "${BASH_SOURCE[0]}")/lib.sh"
command -v perl >/dev/null || skip "perl is not installed"

flows() { "$LUNETTE" flows --control "$work/control" --json "$@"; }
stats() { "$LUNETTE" stats --control "$work/control" --json | jq -r "$1"; }
# count OPTION...: how many flows fit
count() { flows "$@" | jq -r 'select(.summary) | .summary.flows'; }
# says TEXT: what the agent answers to a line
says() { perl -MIO::Socket::UNIX -e '$s = IO::Socket::UNIX->new(Peer => $ARGV[0]) or die; print $s "$ARGV[1]\n"; print <$s>' \
	"$work/control" "$1"; }
serves() { client curl -s --max-time 2 http://10.96.0.10/ | grep -q ^pod || fail "the agent does not serve $1"; }

ip netns exec "$lab-pod1" "$LUNETTE_BUILD/tests/helper-datagram" serve pod1 5353 &
started+=($!)
cat >>"$work/policy.lua" <<-EOT
	service "default/dns" {
		cluster_ips = { "10.96.0.11", "fd96::11" }, endpoints = { "10.244.0.5", "fd44::5" },
		ports = { { protocol = "udp", port = 53, target_port = 5353 } },
	}
	function on_flow(flow)
		if flow.source_port == 40081 then return drop("not this one") end
		if flow.source_port == 40082 then error("on purpose") end
	end
EOT
sysctl_of node net.netfilter.nf_conntrack_acct=1 net.netfilter.nf_conntrack_udp_timeout=120
agent_start
is "$(stat -c %a "$work/control")" 600 "mode of the socket"

for port in 40001 40002; do
	client curl -s --local-port $port -o "$work/got$port" "http://10.96.0.10/$([[ $port == 40001 ]] && echo slower || echo slow)" &
	eval "download$port=$!"
	wait_for test -s "$work/got$port"
done
for address in 10.96.0.11 fd96::11; do
	client "$LUNETTE_BUILD/tests/helper-datagram" ask -f 41000 $address 53 >/dev/null
done
wait_for eval '[[ $(count --state ESTABLISHED) -eq 2 ]]' # what the kernel says is known within a second
is "$(count)" 4 "flows"
is "$(count --protocol udp)" 2 "UDP flows"
is "$(count --service default/dns)" 2 "flows of a service"
is "$(count --service default/web:http)" 2 "flows of a port of a service"
is "$(count --source 192.168.77.0/24)" 3 "flows from a prefix"
is "$(count --source 192.168.77.2:40001)" 1 "flows from an address and port"
is "$(count --destination 10.96.0.10)" 2 "flows to an address"
is "$(count --endpoint 10.244.0.5)" 2 "flows at an endpoint"
is "$(count --endpoint [fd44::5]:5353 --protocol tcp)" 0 "flows that fit one thing and not the other"
is "$(flows --source 192.168.77.2:40001 | jq -r 'select(.orig) | .owner, .state, .service, .masquerade' | xargs)" \
	"kernel ESTABLISHED default/web:http true" "a flow"
is "$(stats 'select(.endpoint) | "\(.service) \(.flows)"' | sort | xargs)" \
	"default/dns:53 1 default/dns:53 1 default/web:http 1 default/web:http 1" "flows of endpoints"
is "$(stats 'select(.summary) | .summary | "\(.flows) \(.committed) \(.failed)"')" "4 4 0" "counters"
bytes() { flows --source 192.168.77.2:40002 | jq -r 'select(.orig) | .bytes[1]'; }
before=$(bytes)
wait_for eval '[[ $(bytes) -gt $((before + 500000)) ]]'
echo "ok: the kernel's count of bytes: $before, then $(bytes)"
"$LUNETTE" flows --control "$work/control" --source 192.168.77.2:40001 |
	grep -qE '^tcp 192.168.77.2:40001 10.96.0.10:80 -> 10.244.0.[56]:8080  ESTABLISHED  [0-9]+ s  default/web:http, masqueraded$' ||
	fail "not a line for a person"

client curl -s --max-time 0.2 --local-port 40081 http://10.96.0.10/ && fail "the policy's drop came through"
"$LUNETTE" stats --control "$work/control" | grep -qE '^reasons  policy_drop  +[1-9][0-9]*  the policy script said drop$' ||
	fail "a reason without its sentence: $("$LUNETTE" stats --control "$work/control")"

# Sorted, counted, as CSV, by age; columns are aligned.
list() { "$LUNETTE" flows --control "$work/control" "$@"; }
is "$(list --sort bytes | head -1 | cut -d ' ' -f 1)" tcp "what carries most"
is "$(list --sort source --source 192.168.77.0/24 | grep -oE ':4[0-9]+' | xargs)" ":40001 :40002 :41000" "sorted by source"
is "$(list | awk '{ print index($0, "->") }' | sort -u | wc -l)" 1 "places where a column begins"
is "$(list --count-by service | xargs)" "2 default/dns:53 2 default/web:http" "flows of each service"
is "$(list --count-by source --source 192.168.77.0/24 | xargs)" "3 192.168.77.2" "flows of each client"
is "$(list --csv --sort source --source 192.168.77.2:40001 | cut -d , -f 1-3,5-7 | xargs)" \
	"protocol,source,destination,state,service,masquerade tcp,192.168.77.2:40001,10.96.0.10:80,ESTABLISHED,default/web:http,true" "CSV"
is "$(count --age 0) $(count --age 1000)" "4 0" "flows by age"
list --follow --protocol udp >"$work/followed" &
started+=($!)
port=41100 # another one each time: what is there when it begins to look did not open
wait_for eval 'client "$LUNETTE_BUILD/tests/helper-datagram" ask -f $((++port)) 10.96.0.11 53
	grep -qE "^opened  udp 192.168.77.2:411.. 10.96.0.11:53 -> 10.244.0.5:5353 .*default/dns:53" "$work/followed"'
for ((; port > 41100; port--)); do list --source 192.168.77.2:$port --end >/dev/null; done
wait_for grep -q "^ended   udp 192.168.77.2:411" "$work/followed"
echo "ok: followed: $(grep -cE "^(opened|ended) " "$work/followed") changes"
kill "${started[-1]}"
status=0
list --age x 2>"$work/said" || status=$?
is "$status: $(cat "$work/said")" "2: lunette: the agent says: filter: age x: expected seconds" "a wrong age"

# Ended, in the kernel too, and only what was meant.
is "$(count --source 192.168.77.2:40001 --end)" 1 "flows ended"
is "$(node conntrack -L -p tcp --orig-port-src 40001 2>/dev/null | wc -l)" 0 "entries of the ended flow"
is "$(count)" 3 "flows left"
wait $download40002 || fail "a flow that was not meant broke"
cmp "$work/big" "$work/got40002"

# Where the policy failed.
client curl -s --max-time 5 --local-port 40082 -o /dev/null http://10.96.0.10/
line=$(grep -n 'error("on purpose")' "$work/policy.lua" | cut -d : -f 1)
"$LUNETTE" stats --control "$work/control" | grep -qE "^policy_errors policy.lua:$line +1$" ||
	fail "a failed call without its line: $("$LUNETTE" stats --control "$work/control")"

# Whatever a client says or does.
for line in '' 'x' '{}' '[]' '{"command":1}' '{"command":"stop"}' '{"command":"flows","end":true}' \
	'{"command":"flows","filter":{},"end":true}' '{"command":"flows","filter":{"color":"red"}}' \
	'{"command":"flows","filter":{"source":7}}' '{"command":"flows","filter":{"source":"10.0.0.0/33"}}' '{"command":"flows","x":1}'; do
	says "$line" | jq -e .error >/dev/null || fail "no error for: $line"
done
is "$(says "$(head -c 5000 /dev/zero | tr '\0' x)" | wc -c)" 0 "bytes of an answer to a line that is too long"
perl -MIO::Socket::UNIX -e '
	$SIG{PIPE} = "IGNORE";
	for (1 .. 40) { push @s, IO::Socket::UNIX->new(Peer => $ARGV[0]) or die "$_: $!"; }
	for (@s) { print $_ "{\"command\":\"flows\"}\n"; }
	@s = ();' "$work/control" # nobody reads
serves "while clients misbehave"
wait_for count
status=0
"$LUNETTE" flows --control "$work/control" --protocol nonsense 2>"$work/said" || status=$?
is "$status: $(cat "$work/said")" "2: lunette: the agent says: filter: protocol nonsense: expected a protocol such as tcp" "a wrong filter"
status=0
"$LUNETTE" flows --control "$work/control" --end 2>/dev/null || status=$?
is "$status" 2 "--end without a filter, exit status"

# Another agent, elsewhere, may not have this socket; nor a file that is none.
touch "$work/file"
for place in control file; do
	status=0
	ip netns exec "$lab-pod2" "$LUNETTE" run -p "$work/policy.lua" --control "$work/$place" --flush 2>"$work/said" || status=$?
	is "$status" 3 "exit status of an agent with a control socket at $place"
	grep -q "$work/$place: " "$work/said" || fail "unexpected: $(cat "$work/said")"
	is "$(pod2 nft list ruleset)" "" "rules after that"
done
serves "after others wanted its socket"

# What a dead one left is replaced; at the end nothing is there.
agent_stop KILL
status=0
"$LUNETTE" stats --control "$work/control" 2>"$work/said" || status=$?
is "$status: $(cat "$work/said")" "3: lunette: $work/control: Connection refused; does an agent run in this network namespace?" \
	"without an agent"
agent_start
[[ $(stats 'select(.summary) | .summary.adopted') -ge 1 ]] || fail "no flow was adopted"
agent_stop TERM
[[ ! -e $work/control ]] || fail "the socket is still there"

# Without --control it is found by the network namespace.
ip netns exec "$lab-node" "$LUNETTE" run -p "$work/policy.lua" --json --flush 2>"$work/agent-default.log" &
agent=$!
started+=("$agent")
wait_for grep -q '"event":"ready"' "$work/agent-default.log"
node "$LUNETTE" stats --json | jq -e 'select(.summary)' >/dev/null || fail "not found by the network namespace"
! "$LUNETTE" stats 2>/dev/null >&2 || fail "found from another network namespace"
agent_stop TERM

# Inline the flows are the engine's, and what it counts is right without the kernel.  One that is ended is unknown at once.
agent_start --inline --set-sysctls
client curl -s --local-port 40003 --speed-time 2 --speed-limit 1 -o "$work/got40003" http://10.96.0.10/slow &
download=$!
wait_for eval '[[ $(flows --source 192.168.77.2:40003 | jq -r "select(.orig) | .bytes[1]") -gt 500000 ]]'
is "$(flows --source 192.168.77.2:40003 | jq -r 'select(.orig) | .owner, .state, .service, .masquerade' | xargs)" \
	"engine ESTABLISHED default/web:http true" "a flow, inline"
is "$(stats 'select(.endpoint) | "\(.service) \(.flows)"')" "default/web:http 1" "flows of endpoints, inline"
is "$(count --source 192.168.77.2:40003 --end)" 1 "flows ended, inline"
status=0
wait $download || status=$?
[[ $status -ne 0 ]] || fail "the ended flow went on"
serves "after a flow was ended, inline"
agent_stop TERM
