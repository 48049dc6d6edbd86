#!/usr/bin/env bash
# `lunette test`: scenarios that pass, that fail, and files that are wrong; for a person, as TAP and as JSON.
source "$(dirname "${BASH_SOURCE[0]}")/lib.sh"
cd "$LUNETTE_SOURCE"

scenarios() { run test "$@"; }

scenarios tests/policies/scenarios_test.lua examples/kind_test.lua
expect 0 "ok      TCP from the opening to the end
*
21 scenarios, 0 failed" ""
scenarios examples/policies/*_test.lua
expect 0 "*
33 scenarios, 0 failed" ""
scenarios --filter UDP tests/policies/scenarios_test.lua
expect 0 "ok      UDP
ok      another policy in the middle: connections stay, UDP moves on

2 scenarios, 0 failed" ""

# Failures: what was expected, what came, of which packet, by which line; the scenarios behind one still run.
cat >"$folder/wrong_test.lua" <<'END'
policy "web.lua"
scenario("wrong # endpoint", function(s)
	s:tcp { from = "192.0.2.1:40000", to = "10.96.0.1:80" }:open():expect { endpoint = "10.244.0.6:80" }
end)
scenario("wrong header", function(s)
	local c = s:tcp { from = "192.0.2.1:40001", to = "10.96.0.1:80" }:open():send("GET / HTTP/1.1\r\nHost: a\r\n\r\n")
	c:expect_request { ["X-Real-IP"] = "6.6.6.6" }
end)
scenario("wrong counter", function(s) s:expect { flows = 1 } end)
scenario("wrong key", function(s) s:tcp { form = "192.0.2.1:1", to = "10.96.0.1:80" } end)
scenario("fine", function(s) end)
END
cat >"$folder/web.lua" <<'END'
node { name = "n", addresses = { "172.18.0.2" }, pods = { "10.244.0.0/16" }, masquerade_address = "10.244.0.1" }
service "a/web" { cluster_ips = { "10.96.0.1" }, ports = { { port = 80 } }, endpoints = { "10.244.0.5" },
	http = { set = { ["X-Real-IP"] = "$remote_addr" } } }
END
scenarios "$folder/wrong_test.lua"
expect 1 "FAILED  wrong # endpoint
        $folder/wrong_test.lua:3: expected endpoint \"10.244.0.6:80\", got \"10.244.0.5:80\"
          sent    tcp 192.0.2.1:40000 10.96.0.1:80
          wanted  accept, tcp 10.244.0.1:40000 10.244.0.6:80
          left    accept, tcp 10.244.0.1:40000 10.244.0.5:80
          policy  *web.lua:2
FAILED  wrong header
        $folder/wrong_test.lua:7: expected X-Real-IP \"6.6.6.6\", got \"192.0.2.1\"
          the upstream got \"GET / HTTP/1.1\\\\r\\\\n*
FAILED  wrong counter
        $folder/wrong_test.lua:9: expected flows 1, got 0
FAILED  wrong key
        $folder/wrong_test.lua:10: unknown key form, expected from, to or tenant
ok      fine

5 scenarios, 4 failed" ""

scenarios --tap "$folder/wrong_test.lua"
expect 1 "TAP version 14
not ok 1 - wrong \\\\# endpoint
  ---
  at: $folder/wrong_test.lua:2
  message: |
    $folder/wrong_test.lua:3: expected endpoint *
  ...
*
ok 5 - fine
1..5" ""

scenarios --json "$folder/wrong_test.lua"
expect 1 "*" ""
[[ $(jq -c 'select(.passed == true) | [.scenario, .at, .message]' "$folder/out") == "[\"fine\",\"$folder/wrong_test.lua:11\",null]" ]] ||
	{ echo "expected one scenario that passed in: $said"; exit 1; }
[[ $(tail -1 "$folder/out") == '{"summary":{"scenarios":5,"failed":4}}' ]] || { echo "expected a summary in: $said"; exit 1; }

# Captures that were taken on the sending host: the checksums of TCP are not computed yet, and what is edited is taken all the same.
{
	printf '%s' d4c3b2a1020004000000000000000000ffff000065000000 \
		00f153650000000028000000280000004500002800010000400665720af400090a6000019c400050000003e8000000005002ffff15780000 \
		00f153650000000028000000280000004500002800010000400664da0af400050af4000900509c4000001388000003e95012ffff16100000 \
		00f153650000000028000000280000004500002800010000400665720af400090a6000019c400050000003e9000013895010ffff15780000 \
		00f153650000000043000000430000004500004300010000400665570af400090a6000019c400050000003e9000013895018ffff15930000
	printf '%s' $'GET / HTTP/1.1\r\nHost: a\r\n\r\n' | od -An -v -tx1 | tr -d ' \n'
} | sed 's/../\\x&/g' | { read -r bytes || true; printf "$bytes"; } >"$folder/sent.pcap"
cat >"$folder/sent_test.lua" <<'END'
policy "web.lua"
scenario("a capture of the sending host", function(s) s:replay("sent.pcap"):expect { packets = 4, accept = 4 } end)
END
scenarios "$folder/sent_test.lua"
expect 0 "ok      a capture of the sending host
*" ""

# Objects do not outlive their scenario.
cat >"$folder/over_test.lua" <<'END'
policy "web.lua"
local kept
scenario("keeps", function(s) kept = { s, s:tcp { from = "192.0.2.1:1", to = "10.96.0.1:80" }:open() } end)
scenario("uses what is over", function() kept[2]:send("x") end)
scenario("and this", function() kept[1]:advance("1s") end)
END
scenarios "$folder/over_test.lua"
expect 1 "ok      keeps
FAILED  uses what is over
        $folder/over_test.lua:4: the scenario of this conversation is over
FAILED  and this
        $folder/over_test.lua:5: this scenario is over
*" ""

# What a method wants, one line each: in a scenario, and what is said.
wants() { # LUA MESSAGE
	printf 'policy "web.lua"\nscenario("x", function(s) %s end)\n' "$1" >"$folder/wants_test.lua"
	scenarios "$folder/wants_test.lua"
	expect 1 "FAILED  x
        $folder/wants_test.lua:2: $2*" ""
}
connection='s:tcp { from = "192.0.2.1:1", to = "10.96.0.1:80" }'
wants 's:tcp { from = "192.0.2.1", to = "10.96.0.1:80" }' 'from: expected "10.0.0.1:80" or "\[fd00::1\]:80", got 192.0.2.1'
wants 's:tcp { from = "192.0.2.1:1", to = "[fd00::1]:80" }' 'from and to are of two families, expected one'
wants 's:icmp { from = "192.0.2.1:1", to = "10.96.0.1" }' 'from: expected an address, got 192.0.2.1:1'
wants 's:udp { from = "192.0.2.1:1", to = "10.96.0.1:80", tenant = 65536 }' 'tenant: expected a number from 0 to 65535, got 65536'
wants 's:udp { from = "192.0.2.1:1", to = "10.96.0.1:80" }:open()' 'only a TCP connection can do this'
wants "$connection:reply(\"x\")" 'nothing has reached the upstream yet: nothing was sent'
wants "$connection:expect { state = \"NONE\" }" 'nothing was sent yet'
wants "$connection:retransmit()" 'nothing was sent yet'
wants "$connection:open():expect { stat = \"NONE\" }" 'unknown key stat, expected verdict, reason, *'
wants "$connection:open():expect_request { Host = \"a\" }" 'expected a request, and the upstream got none with the last send'
wants 's:advance("2 weeks")' "*expected a duration such as*"
wants 's:expect { flow = 1 }' 'unknown counter flow, expected flows, opened, ended, packets, drained, or the name of a verdict or a reason'
wants 's:reload("nothing.lua")' "*nothing.lua: No such file or directory"
wants 's:packet("tcp 192.0.2.1:1 10.96.0.1:80 S seq 1", "accept new NONE")' 'of the packet tcp 192.0.2.1:1 10.96.0.1:80 S seq 1
          expected  accept new NONE
          got       accept new SYN_SENT -> tcp 10.244.0.1:1 10.244.0.5:80
          policy    *web.lua:2'
wants 's:packet "tcp 192.0.2.1:1"' 'bad address at the end, expected 10.0.0.1:80 or \[fd00::1\]:80'
wants 's:packet "ip 192.0.2.1:1 10.96.0.1:80"' 'unknown protocol ip, expected tcp, udp, sctp, icmp, icmpv6, or error'
wants 's:packet "tcp 192.0.2.1:1 [fd00::1]:80"' 'source and destination are of two families, expected one'
wants 's:packet "tcp 192.0.2.1:1 10.96.0.1:80 S sequence 1"' 'unknown word sequence, expected flags such as *'
wants 's:packet "tcp 192.0.2.1:1 10.96.0.1:80 S seq -1"' 'bad number -1, expected one from 0 on that fits'
wants 's:packet "+2weeks tcp 192.0.2.1:1 10.96.0.1:80"' 'bad duration +2weeks, expected one such as *'
wants 's:packet "error 3/4 10.0.0.254"' 'an ICMP error about nothing, expected a packet that left before'
wants 's:packet ""' 'no packet at the end, expected PROTOCOL SOURCE DESTINATION, or error TYPE/CODE FROM'
wants 's:advance("1s"):replay("x.pcap")' '*x.pcap: expected before all packets and before time passes'
wants 's:replay("web.lua")' '*web.lua: *'
wants 's:endpoints("a/none", {})' '*a/none*'
wants 's:endpoints("a/web", { "10.244.0.300" })' 'expected an endpoint such as "10.244.0.5" or "\[fd00::5\]:80", got 10.244.0.300'
wants 's:endpoints("a/web", { { "10.244.0.5", wait = 2 } })' 'unknown key wait, expected 1, weight, ready or node'
wants 's:endpoints("a/web", { { "10.244.0.5", ready = 0 } })' 'ready: expected true or false, got 0'
wants 's:endpoints("a/web", { { "10.244.0.5", node = 1 } })' 'node: expected a name, got a number'
wants "s:endpoints(\"a/web\", { { \"10.244.0.5\", weight = 0 } }) $connection:open():expect { reason = false }" \
	'expected reason false, got "no_endpoint"'

# A golden file: recorded, compared, and recorded anew when what it holds is no longer so.
golden() { # ADDRESS
	printf 'policy "web.lua"\nscenario("recorded", function(s) s:golden("web.txt"):packet "tcp 192.0.2.1:1 %s:80 S seq 1" end)\n' "$1" \
		>"$folder/golden_test.lua"
}
golden 10.96.0.1
scenarios "$folder/golden_test.lua"
expect 1 "FAILED  recorded
        $folder/web.txt: No such file or directory; --update records it*" ""
scenarios --update "$folder/golden_test.lua"
expect 0 "ok      recorded*" "lunette: recorded $folder/web.txt"
scenarios --update "$folder/golden_test.lua"
expect 0 "ok      recorded*" ""
printf 'tcp 192.0.2.1:1 10.96.0.1:80 S seq 1\n\taccept new SYN_SENT -> tcp 10.244.0.1:1 10.244.0.6:80\n' >"$folder/web.txt"
scenarios "$folder/golden_test.lua"
expect 1 "FAILED  recorded
        $folder/web.txt:2: not what was recorded; if it is right now, --update records it
          packet    tcp 192.0.2.1:1 10.96.0.1:80 S seq 1
          expected  accept new SYN_SENT -> tcp 10.244.0.1:1 10.244.0.6:80
          got       accept new SYN_SENT -> tcp 10.244.0.1:1 10.244.0.5:80
          policy    *web.lua:2*" ""
golden 10.96.0.2
scenarios "$folder/golden_test.lua"
expect 1 "*web.txt:1: not what was recorded*expected  tcp 192.0.2.1:1 10.96.0.1:80*got       tcp 192.0.2.1:1 10.96.0.2:80*" ""
golden 10.96.0.1
printf 'tcp 192.0.2.1:1 10.96.0.1:80 S seq 1\n' >"$folder/web.txt"
scenarios "$folder/golden_test.lua"
expect 1 "*web.txt:2: *expected  (the end)*got       accept new SYN_SENT*" ""
rm "$folder/web.txt"
mkdir "$folder/web.txt"
scenarios --update "$folder/golden_test.lua"
expect 1 "*web.txt: Is a directory*" ""

# Files and arguments that are wrong.
echo 'scenario("x", function(s) end)' >"$folder/no_policy_test.lua"
scenarios "$folder/no_policy_test.lua"
expect 2 "*0 scenarios, 0 failed" "lunette: $folder/no_policy_test.lua:1: no policy yet, expected policy \"FILE.lua\" before the first scenario*"
printf 'policy "web.lua"\nscenario("x", { sed = 1 }, function(s) end)\n' >"$folder/option_test.lua"
scenarios "$folder/option_test.lua"
expect 2 "*" "lunette: $folder/option_test.lua:2: unknown key sed, expected seed or flows"
echo 'policy (' >"$folder/syntax_test.lua"
scenarios "$folder/syntax_test.lua" "$folder/over_test.lua"
expect 2 "*3 scenarios, 2 failed" "lunette: $folder/syntax_test.lua:2: *"
scenarios "$folder/nothing_test.lua"
expect 2 "*" "lunette: *nothing_test.lua*No such file or directory"
scenarios --filter nothing "$folder/over_test.lua"
expect 2 "*" "lunette test: no scenario's name contains \"nothing\"*"
scenarios
expect 2 "" "lunette test: no file, expected FILE...*"
scenarios --tap --json x
expect 2 "" "lunette test: --tap and --json, expected one of them*"
echo 'service' >"$folder/broken.lua"
printf 'policy "broken.lua"\nscenario("x", function(s) end)\n' >"$folder/broken_test.lua"
scenarios "$folder/broken_test.lua"
expect 1 "FAILED  x
        $folder/broken.lua:2: syntax error*" ""
