#!/usr/bin/env bash
# examples/bench_scenario: how the runs spread; a baseline that is recorded is kept, and one that is exceeded, or another outcome, fails as
# a test of cmocka's does.
set -euo pipefail
source tests/program/lib.sh
LUNETTE=$LUNETTE_BUILD/examples/bench_scenario
scenario=(examples/kind.lua examples/kind.pcap)

baseline=$folder/baseline
spread='222 packets, 112 flows, 40 runs: *.* ns a packet (*.* to *.*)
*.* ns *#*'
run "${scenario[@]}" 40
expect 0 "$spread" ""
run "${scenario[@]}" 40 "$baseline"
expect 0 "*recorded $baseline" ""
[[ $(tail -n +2 "$baseline") == $'packets 222\nflows 112\naccept 222\ndrop 0\nreject 0\nstolen 0' ]] ||
	{ echo "unexpected baseline: $(cat "$baseline")"; exit 1; }
run "${scenario[@]}" 40 "$baseline" 10000 # whatever else the machine does
expect 0 "*" "*2 test(s)*"

sed -i 's/^packet_ns .*/packet_ns 0.1/' "$baseline"
run "${scenario[@]}" 3 "$baseline"
expect 1 "*" "*ns a packet, expected at most 50 % more than 0.1*FAILED*a_packet_costs_no_more*"
sed -i 's/^accept 222/accept 221/' "$baseline"
run "${scenario[@]}" 3 "$baseline"
expect 1 "*" "*222 packets accept, expected 221*2 FAILED TEST(S)*"
echo "packet_ns x" >"$baseline"
run "${scenario[@]}" 3 "$baseline"
expect 2 "*" "$baseline: expected what this program recorded"
run "${scenario[@]}" 3 /nonexistent/baseline
expect 2 "*" "/nonexistent/baseline: *"
run "${scenario[@]}"
expect 2 "" "usage: *"
run "${scenario[@]}" 0
expect 2 "" "usage: *"
run examples/none.lua examples/kind.pcap 3
expect 2 "" "examples/none.lua: *"
