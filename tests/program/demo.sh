#!/usr/bin/env bash
# The shipped capture gives the answers that the network gave in which it was taken: examples/demo.sh without its live part;
# whole checksums and fitting numbers in what a replay writes; and the demo notices wrong answers.
set -euo pipefail
cd "${LUNETTE_SOURCE:?}"

folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT

fail() {
	echo "FAILED: $*" >&2
	exit 1
}

# demo STATUS [OPTION]...: runs it into `out`.
demo() {
	local status=0
	examples/demo.sh --check "${@:2}" >"$folder/out" 2>&1 || status=$?
	[[ $status -eq $1 ]] || fail "the demo's status is $status, not $1: $(cat "$folder/out")"
}

demo 0 --replay
[[ $(grep -c '^ok: tcp .* -> ' "$folder/out") -eq $(wc -l <examples/kind.conntrack) ]] || fail "not every entry was compared"

# A program that takes one pod for another is found out.
cat >"$folder/liar" <<-EOT
	#!/usr/bin/env bash
	[[ \$1 == replay ]] || exec "$LUNETTE" "\$@"
	"$LUNETTE" "\$@" | sed 's/10\\.244\\.0\\.6:80/10.244.0.7:80/g'
EOT
chmod +x "$folder/liar"
LUNETTE=$folder/liar demo 1 --replay
grep -q '^FAILED: tcp .*  ->  tcp .* 10.244.0.6:80$' "$folder/out" || fail "the demo does not name what is wrong"

# Without privileges the demo says so and goes on with the capture, if this tree may be read at all.
nobody=(setpriv --reuid=65534 --regid=65534 --clear-groups)
if [[ $(id -u) -eq 0 ]] && "${nobody[@]}" test -r examples/kind.pcap -a -x "$LUNETTE" 2>/dev/null; then
	"${nobody[@]}" examples/demo.sh --check >"$folder/out" 2>&1 || fail "without privileges: $(cat "$folder/out")"
	grep -q '^no live part: it needs root; ' "$folder/out" || fail "the demo does not say what is missing"
fi

# What is written: nothing lost, every checksum right.
"$LUNETTE" replay -p examples/kind.lua examples/kind.pcap -w "$folder/out.pcap" --json >"$folder/summary"
packets=$(sed -nE 's/.*"frames":([0-9]+),.*"written":\1,.*/\1/p' "$folder/summary")
[[ $packets ]] || fail "not all packets were written: $(cat "$folder/summary")"
"$LUNETTE" replay --verify --json "$folder/out.pcap" >"$folder/summary"
grep -q bad_checksum "$folder/summary" && fail "a wrong checksum in the translated capture"
if ! command -v tcpdump >/dev/null; then
	echo "replay of kind.pcap: as expected (tcpdump is not installed: its opinion was not asked)"
	exit
fi

# dump CAPTURE FILTER [OPTION]...
dump() { tcpdump -nr "$1" "${@:3}" "$2" 2>"$folder/tcpdump.log"; }

dump "$folder/out.pcap" tcp -vv >"$folder/all"
[[ $(grep -c 'cksum 0x[0-9a-f]* (correct)' "$folder/all") -eq $packets ]] || fail "tcpdump finds wrong checksums"
grep -q 'bad cksum' "$folder/all" && fail "tcpdump finds a bad IP checksum"

# The edited stream: on either side of the node each answer acknowledges an end of what the client's side sent there:
# that of its SYN, of one of its heads, or of its FIN.
ends() { sed -nE 's/.* seq ([0-9]+:)?([0-9]+),.* length ([0-9]+).*/\2 \3/p' | awk '{ printf "%.0f\n", $1 + ($2 == 0) }'; }
acknowledged() { sed -nE 's/.* ack ([0-9]+),.*/\1/p'; }
fits() { # WHAT CLIENT-SIDE-CAPTURE ANSWER-SIDE-CAPTURE
	local edited='portrange 42000-42099'
	dump "$2" "tcp and src $edited" -S | ends | sort -u >"$folder/ends"
	dump "$3" "tcp and dst $edited" -S | acknowledged | sort -u >"$folder/acknowledged"
	[[ $(wc -l <"$folder/ends") -eq 4 ]] || fail "$1: expected a SYN, two heads and a FIN"
	[[ -z $(comm -13 "$folder/ends" "$folder/acknowledged") ]] || fail "$1: acknowledged what was never sent"
	grep -qx "$(tail -1 "$folder/ends")" "$folder/acknowledged" || fail "$1: the end is not acknowledged"
}
fits "the client's side" examples/kind.pcap "$folder/out.pcap"
fits "the pod's side" "$folder/out.pcap" examples/kind.pcap

echo "replay of kind.pcap: translations, checksums and numbers are as expected"
