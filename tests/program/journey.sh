#!/usr/bin/env bash
# `lunette replay --journey`: the picture is XML, holds every packet of the flow that was asked for and what was done to it, is
# bounded, and shows hostile bytes as text.
source tests/program/lib.sh

policy=tests/policies/replay.lua
picture=$folder/out.svg

# What is written in the picture, one text a line, without its markup.
texts() {
	xmllint --nonet --noout "$picture"
	sed -n 's/^<text[^>]*>\(.*\)<\/text>$/\1/p' "$picture" | sed 's/<[^>]*>//g; s/&#8594;/->/; s/&#8212;/--/; s/&#8722;/-/g'
}

has() { # TEXT...
	local text
	for text; do
		grep -qxF -- "$text" <<<"$drawn" || { printf 'no "%s" in the picture:\n%s\n' "$text" "$drawn"; exit 1; }
	done
}

# A flow with headers that are put in, and one that the client forged: numbers are shifted from then on.
run replay -p examples/kind.lua examples/kind.pcap --journey "$picture" --flow 112
expect 0 '*' ''
drawn=$(texts)
has "Flow 112 of default/nginx-headers:http" "172.18.0.1:42001 -> 10.96.176.242:80" "10.244.0.1:42001 -> 10.244.0.5:80" \
	"SYN  seq 0  len 0" "0.000614 s" "packet 214" "PSH ACK  seq 1  ack 1  len 279 (+176)" \
	"the payload: 196 bytes put in, 20 taken out" "+ X-Real-IP: 172.18.0.1" "- X-Real-IP: 1.2.3.4" \
	"ACK  seq 1  ack 104 (-176)  len 0" "FIN ACK  seq 558 (+352)  ack 387  len 0" TIME_WAIT
[[ $(grep -c '^packet ' <<<"$drawn") == 12 ]] || { echo "not 12 packets: $drawn"; exit 1; }
grep -q '<tspan class="new">10.244.0.5:80</tspan>' "$picture" || { echo "what was translated is not marked"; exit 1; }
grep -q 'prefers-color-scheme: dark' "$picture" || { echo "no colours for the dark"; exit 1; }

# By place, also what has no flow: a refusal with its reason, and the engine's answer to it.
packets() { # PACKET... (in hexadecimal, two each second): a pcap file of raw IP
	local packet number=0 size all=d4c3b2a1020004000000000000000000ffff000065000000
	for packet; do
		size=$(printf '%02x%02x0000' $((${#packet} / 2 & 255)) $((${#packet} / 512)))
		all+=$(printf '%02x00000000000000' $((number++ / 2)))$size$size$packet
	done
	printf "$(sed 's/../\\x&/g' <<<"$all")"
}
syn=450000280000400040060000cb0071090a60000a9c4000500000006400000000500203e800000000
refused=45000028000040004006625a0a0101010a60000a9c4000510000006400000000500203e8f9990000
packets $syn $refused >"$folder/in.pcap"
run replay -p $policy "$folder/in.pcap" --journey "$picture" --flow 10.1.1.1
expect 0 '*' '*'
drawn=$(texts)
has "Packets without a flow" "none was reached" "10.1.1.1:40000 -> 10.96.0.10:81" "of its own" "RST ACK  seq 0  ack 1  len 0" \
	"rejected: undefined_port -- the cluster IP is known but this port is not defined"
run replay -p $policy "$folder/in.pcap" --journey "$picture" --flow 203.0.113.9:40000
expect 0 '*' '*'
drawn=$(texts)
has "dropped: policy_drop -- the policy script said drop"

# What a client sends is shown as text.  Not a header that it may send: it is taken out.
tcp() { # SOURCE DESTINATION PORTS SEQUENCE ACKNOWLEDGEMENT FLAGS [PAYLOAD]
	local payload=${7:-}
	printf '4500%04x0000400040060000%s%s%s%s%s50%s20000000%s%s' $((40 + ${#payload} / 2)) "$1" "$2" "$3" "$4" "$5" "$6" 0000 "$payload"
}
request=$(printf 'GET / HTTP/1.1\r\nHost: a\r\nX-Real-IP: <b x="1">&amp;\xe9</b>\r\n\r\n' | od -An -v -tx1 | tr -d ' \n')
packets "$(tcp 0a010101 0a600001 9c400050 00000063 00000000 02)" "$(tcp 0af40005 ac120002 1f909c40 000001f4 00000064 12)" \
	"$(tcp 0a010101 0a600001 9c400050 00000064 000001f5 18 "$request")" >"$folder/hostile.pcap"
run replay -p tests/policies/http.lua "$folder/hostile.pcap" --journey "$picture"
expect 0 '*' '*'
drawn=$(texts)
has "- X-Real-IP: &#60;b x=&#34;1&#34;&#62;&#38;amp;.&#60;/b&#62;" "+ X-Real-IP: 10.1.1.1"

# Bounded: 300 packets of one flow are 60 and 20, and the rest is said.
question=450000200000400040116d960a010101c000023513880035000c401170696e67
mapfile -t many < <(yes $question | head -300)
packets "${many[@]}" >"$folder/many.pcap"
run replay "$folder/many.pcap" --journey "$folder/out.html"
expect 0 '*' ''
picture=$folder/out.html
drawn=$(texts)
has "220 more packets, which are not drawn" "packet 60" "packet 281" "packet 300" "udp  len 4"
[[ $(grep -c '^packet ' <<<"$drawn") == 80 ]] || { echo "not 80 packets"; exit 1; }

# Bad input.
run replay "$folder/many.pcap" --journey out.png
expect 2 '' 'lunette replay: --journey out.png: expected a name that ends in .svg or .html; see *'
run replay "$folder/many.pcap" --journey "$picture" --flow x
expect 2 '' "lunette replay: --flow x: expected a flow's number, ADDRESS or ADDRESS:PORT; see *"
run replay "$folder/many.pcap" --journey "$picture" --flow 0
expect 2 '' "lunette replay: --flow 0: expected *"
run replay "$folder/many.pcap" --flow 1
expect 2 '' 'lunette replay: --flow is for --journey; see *'
run replay "$folder/many.pcap" --journey "$picture" --flow 2
expect 2 '*' 'lunette: */many.pcap: no packet of flow 2 in it, so there is no journey to draw'
run replay "$folder/many.pcap" --journey /nowhere/out.svg
expect 3 '*' 'lunette: /nowhere/out.svg: No such file or directory'
run replay "$folder/many.pcap" --journey "$folder/full.svg"
ln -sf /dev/full "$folder/full.svg"
run replay "$folder/many.pcap" --journey "$folder/full.svg"
expect 3 '*' 'lunette: */full.svg: No space left on device'

echo "journey: edits, translations, refusals, bounds and bad input are as expected"
