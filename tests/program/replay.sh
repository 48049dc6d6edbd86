#!/usr/bin/env bash
# `lunette replay`: what it says of a small capture, line by line, and what it does with bad input.
set -euo pipefail

policy=${LUNETTE_SOURCE:?}/tests/policies/replay.lua
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
cd "$folder"

fail() {
	echo "FAILED: $*" >&2
	exit 1
}

# expect STATUS COMMAND...: runs it into `out` and `err`.
expect() {
	local status=0
	"${@:2}" >out 2>err </dev/null || status=$?
	((status == $1)) || fail "status $status, not $1, of ${*:2}: $(cat err)"
}

same() { # FILE, the wanted text on stdin
	diff -u - "$1" || fail "$1 is not as expected"
}

hex() {
	printf "$(sed 's/../\\x&/g' <<<"$1")"
}

# A number in the byte order of the file header below.
little() {
	printf '%02x%02x%02x%02x' $(($1 & 255)) $(($1 >> 8 & 255)) $(($1 >> 16 & 255)) $(($1 >> 24 & 255))
}

# capture HEX...: a pcap file of Ethernet frames with nanoseconds, one each half second, on stdout.
capture() {
	local frame number=0
	hex "4d3cb2a1020004000000000000000000ffff000001000000"
	for frame; do
		hex "$(little $((1700000000 + number / 2)))$(little $((number % 2 * 500000000 + 7)))"
		hex "$(little $((${#frame} / 2)))$(little $((${#frame} / 2)))$frame"
		number=$((number + 1))
	done
}

ethernet=0200000000010200000000020800
opening=${ethernet}45000028000040004006256a0af400090a60000a9c4000500000006400000000500203e8f99f0000
answer=${ethernet}4500002800004000400624db0af400050af400091f909c40000001f400000065501203e8d7cb0000
third=${ethernet}45000028000040004006256a0af400090a60000a9c40005000000065000001f5501003e8f79b0000
blocked=${ethernet}45000028000040004006f45ccb0071090a60000a9c4000500000006400000000500203e8c8920000
refused=${ethernet}4500002800004000400625650a0101010a60000a9c4000510000006400000000500203e8f9990000
question=${ethernet}450000200000400040116d960a010101c000023513880035000c401170696e67
stray=${ethernet}450000280000400040066dcd0a010101c0000201a02800500000000700000000500403e83e760000
arp=02000000000102000000000208060001080006040001

capture $opening $answer $third $arp $blocked $refused $question $stray >in.pcap

# The packets, one a line, to the letter.
expect 0 "$LUNETTE" replay -p "$policy" in.pcap --json --packets --flows -w out.pcap
head -8 out >packets
same packets <<'END'
{"n":1,"verdict":"accept","reason":null,"ct":"new","dir":"orig","flow":1,"state":"SYN_SENT","in":"tcp 10.244.0.9:40000 10.96.0.10:80","out":"tcp 10.244.0.9:40000 10.244.0.5:8080"}
{"n":2,"verdict":"accept","reason":null,"ct":"established","dir":"reply","flow":1,"state":"SYN_RECV","in":"tcp 10.244.0.5:8080 10.244.0.9:40000","out":"tcp 10.96.0.10:80 10.244.0.9:40000"}
{"n":3,"verdict":"accept","reason":null,"ct":"established","dir":"orig","flow":1,"state":"ESTABLISHED","in":"tcp 10.244.0.9:40000 10.96.0.10:80","out":"tcp 10.244.0.9:40000 10.244.0.5:8080"}
{"n":4,"verdict":"accept","reason":null,"ct":"untracked","dir":null,"flow":null,"state":null,"in":null,"out":null}
{"n":5,"verdict":"drop","reason":"policy_drop","ct":"new","dir":null,"flow":null,"state":null,"in":"tcp 203.0.113.9:40000 10.96.0.10:80","out":null}
{"n":6,"verdict":"reject","reason":"undefined_port","ct":"new","dir":null,"flow":null,"state":null,"in":"tcp 10.1.1.1:40000 10.96.0.10:81","out":null}
{"n":7,"verdict":"accept","reason":null,"ct":"new","dir":"orig","flow":2,"state":"UNREPLIED","in":"udp 10.1.1.1:5000 192.0.2.53:53","out":"udp 10.1.1.1:5000 192.0.2.53:53"}
{"n":8,"verdict":"accept","reason":"not_an_opening","ct":"invalid","dir":null,"flow":null,"state":null,"in":"tcp 10.1.1.1:41000 192.0.2.1:80","out":"tcp 10.1.1.1:41000 192.0.2.1:80"}
END

# The flows that are left at the last frame's time, and the summary.
sed -n 9,10p out >flows
same flows <<'END'
{"flow":1,"orig":"tcp 10.244.0.9:40000 10.96.0.10:80","reply":"tcp 10.244.0.5:8080 10.244.0.9:40000","state":"ESTABLISHED","expires_s":7437.5}
{"flow":2,"orig":"udp 10.1.1.1:5000 192.0.2.53:53","reply":"udp 192.0.2.53:53 10.1.1.1:5000","state":"UNREPLIED","expires_s":299.5}
END
tail -n +11 out | sed 's/"engine_ns_per_packet":[0-9]*/"engine_ns_per_packet":N/' >summary
same summary <<'END'
{"summary":{"frames":8,"not_ip":1,"verdicts":{"accept":6,"drop":1,"reject":1},"reasons":{"not_an_opening":1,"undefined_port":1,"policy_drop":1},"flows":{"opened":2,"ended":0,"left":2},"edits":0,"emitted":1,"written":7,"capture_s":3.5,"engine_ns_per_packet":N,"cut":null}}
END

# What was written went through the policy once: without one it reads as it left, and the frames are those bytes.
expect 0 "$LUNETTE" replay out.pcap --json --packets
sed -n 's/.*"in":\(.*\),"out":\(.*\)}/\1 \2/p' out >tuples
same tuples <<'END'
"tcp 10.244.0.9:40000 10.244.0.5:8080" "tcp 10.244.0.9:40000 10.244.0.5:8080"
"tcp 10.96.0.10:80 10.244.0.9:40000" "tcp 10.96.0.10:80 10.244.0.9:40000"
"tcp 10.244.0.9:40000 10.244.0.5:8080" "tcp 10.244.0.9:40000 10.244.0.5:8080"
null null
"tcp 10.96.0.10:81 10.1.1.1:40000" "tcp 10.96.0.10:81 10.1.1.1:40000"
"udp 10.1.1.1:5000 192.0.2.53:53" "udp 10.1.1.1:5000 192.0.2.53:53"
"tcp 10.1.1.1:41000 192.0.2.1:80" "tcp 10.1.1.1:41000 192.0.2.1:80"
END
expect 0 "$LUNETTE" replay out.pcap -w again.pcap
cmp out.pcap again.pcap || fail "a replay without a policy changes the capture"
expect 0 "$LUNETTE" replay --verify --json out.pcap
grep -q '"bad_checksum"' out && fail "a translated packet has a wrong checksum"

# Options of the engine.
expect 0 "$LUNETTE" replay --drop-invalid --json --packets in.pcap
grep -q '^{"n":8,"verdict":"drop","reason":"not_an_opening","ct":"invalid".*"out":null}$' out || fail "--drop-invalid"
capture $third >third.pcap
expect 0 "$LUNETTE" replay --json --packets third.pcap
grep -q '^{"n":1,"verdict":"accept","reason":null,"ct":"new",' out || fail "mid-stream pick-up"
expect 0 "$LUNETTE" replay --no-pick-up --json --packets third.pcap
grep -q '^{"n":1,"verdict":"accept","reason":"not_an_opening","ct":"invalid",' out || fail "--no-pick-up"
capture "${opening%f99f0000}f99e0000" >wrong.pcap
expect 0 "$LUNETTE" replay --verify --json --packets wrong.pcap
grep -q '^{"n":1,"verdict":"accept","reason":"bad_checksum","ct":"invalid",' out || fail "--verify"
expect 0 "$LUNETTE" replay --flow-limit 1 --json --packets in.pcap
grep -q '^{"n":7,"verdict":"reject","reason":"table_full",' out || fail "--flow-limit"

# A fragment is held, not dropped, until the other one comes; and so is a ping that is answered.
first=${ethernet}4500001c000720004011861d0af400090a60000a9c40000900100000
rest=${ethernet}4500001c000700014011a61c0af400090a60000a7069706970697069
capture ${first} ${rest} >pieces.pcap
expect 0 "$LUNETTE" replay --json --packets pieces.pcap
grep -q '^{"n":1,"verdict":"accept","reason":null,.*"out":null}$' out || fail "a fragment that is held: $(cat out)"
grep -q '^{"n":2,"verdict":"accept","reason":null,"ct":"new",.*"out":"udp 10.244.0.9:40000 10.96.0.10:9"}$' out || fail "the other one"

# For a person.
expect 0 "$LUNETTE" replay -p "$policy" in.pcap --packets --flows
grep -q '^     1  accept  new          orig       #1  SYN_SENT     tcp 10.244.0.9:40000 10.96.0.10:80  ->  tcp 10.244.0.9:40000 10.244.0.5:8080$' out || fail "packet line"
grep -q '^  reason              1  undefined_port: the cluster IP is known but this port is not defined$' out || fail "reason line"
grep -q '^  flows               2  opened, 0 ended, 2 left$' out || fail "flows line"

# Pipes: in on stdin, out on stdout with the report on stderr.
"$LUNETTE" replay -p "$policy" -w - - <in.pcap >piped.pcap 2>err
cmp out.pcap piped.pcap || fail "a pipe gives another capture than files"
grep -q '^  frames              8  in 3.500000 s of capture$' err || fail "the report is not on stderr"

# A capture that ends in the middle of a packet: what came before counts.
head -c -3 in.pcap >cut.pcap
expect 2 "$LUNETTE" replay -p "$policy" cut.pcap -w whole.pcap --json
grep -q '"frames":7,.*"cut":"after frame 7: truncated dump file' out || fail "the summary of a cut capture"
grep -q '^lunette: cut.pcap: after frame 7: truncated dump file.*; what came before was replayed$' err || fail "$(cat err)"
expect 0 "$LUNETTE" replay whole.pcap --json
grep -q '"frames":6,' out || fail "what came before was not written"

# Bad input: one clear line, status 2, and no output file.
bad() { # LINE COMMAND...
	expect 2 "${@:2}"
	same err <<<"$1"
	[[ ! -e new.pcap ]] || fail "new.pcap was left behind"
}
echo "this is no capture, only a line of text" >text
bad "lunette: text: not a capture: unknown file format" "$LUNETTE" replay text -w new.pcap
bad "lunette: gone.pcap: No such file or directory" "$LUNETTE" replay gone.pcap -w new.pcap
bad "lunette: ./in.pcap: is the capture that is read, expected another file to write" "$LUNETTE" replay in.pcap -w ./in.pcap
bad "lunette replay: no capture, expected IN; see lunette replay --help" "$LUNETTE" replay -w new.pcap
bad "lunette replay: b.pcap is one too many, expected one capture; see lunette replay --help" "$LUNETTE" replay a.pcap b.pcap
bad "lunette replay: unknown option --packts, did you mean --packets?; see lunette replay --help" "$LUNETTE" replay --packts in.pcap
bad "lunette replay: --seed x: expected a number from 0 to 18446744073709551615; see lunette replay --help" \
	"$LUNETTE" replay --seed x in.pcap
bad "lunette replay: --write needs a value; see lunette replay --help" "$LUNETTE" replay in.pcap --write
expect 2 "$LUNETTE" replay -p gone.lua in.pcap
grep -q '^lunette: .*gone.lua' err || fail "a missing policy is not named: $(cat err)"

# What the system refuses is status 3.
expect 3 "$LUNETTE" replay in.pcap -w /nowhere/out.pcap
same err <<<"lunette: /nowhere/out.pcap: No such file or directory"
expect 3 "$LUNETTE" replay in.pcap -w /dev/full
grep -q '^lunette: /dev/full: not everything could be written: No space left on device$' err || fail "$(cat err)"

# A replay is repeatable, and the seed decides what is random.
sed 's/round_robin/random/' "$policy" >random.lua
for ((i = 0; i < 16; i++)); do
	openings[i]=${ethernet}45000028000040004006256a0af400090a60000a$(printf '%04x' $((41000 + i)))00500000006400000000500203e800000000
done
capture "${openings[@]}" >many.pcap
run=0
for seed in 1 1 2; do
	expect 0 "$LUNETTE" replay -p random.lua --seed $seed --json --packets many.pcap
	run=$((run + 1))
	grep '"n"' out >"seed$seed.$run"
done
cmp seed1.1 seed1.2 || fail "the same seed gives another result"
cmp -s seed1.1 seed2.3 && fail "the seed changes nothing"

echo "replay: packets, flows, summary, options, pipes, cut and bad captures are as expected"
