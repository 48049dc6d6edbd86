#!/usr/bin/env bash
# The progress bar of `lunette replay`: on a terminal, of a large file, and never among other lines; and a large capture made by
# bench/make_capture is read as it was written.
set -euo pipefail

make_capture=$LUNETTE_BUILD/bench/make_capture
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
cd "$folder"

fail() {
	echo "FAILED: $*" >&2
	exit 1
}

"$make_capture" 30000000 1000 >large.pcap
"$make_capture" 1000000 1000 >small.pcap
"$make_capture" 1000000 1000 | cmp - small.pcap || fail "make_capture: the same arguments give other bytes"
for wrong in "" 0 1k "1 0" "1 1 1000001" "1 1 1 1"; do
	status=0
	# shellcheck disable=SC2086 # several arguments
	"$make_capture" $wrong >wrong 2>&1 || status=$?
	((status == 2)) && grep -q '^usage: ' wrong || fail "make_capture $wrong: status $status, $(cat wrong)"
done
"$LUNETTE" replay --verify --json large.pcap >out 2>err
grep -q '"verdicts":{"accept":\([0-9]*\),"drop":0,"reject":0},"reasons":{},"flows":{"opened":1000,' out || fail "$(cat out)"
[[ ! -s err ]] || fail "without a terminal: $(cat err)"

command -v script >/dev/null || { echo "skipped: script (util-linux) is not installed"; exit 77; }

# What a terminal of 80 columns gets from a command, with each carriage return as a line of its own.
terminal() {
	script -qec "stty cols ${2:-80}; $1" typed </dev/null >/dev/null
	tr '\r' '\n' <typed | grep -v '^Script '
}

# Lines go elsewhere and make the replay slow enough for some bars.
terminal "'$LUNETTE' replay --packets large.pcap >lines" >bars
grep -qE '^\[=* +\]  *[0-9]+%  [0-9]+ of 30 MB, [0-9.]+ million packets/s *$' bars || fail "no bar: $(cat bars)"
awk 'length($0) >= 80 { exit 1 }' bars || fail "a bar is wider than the terminal: $(cat bars)"
grep '%' bars | sed 's/.*\] *\([0-9]*\)%.*/\1/' | sort -nc || fail "bars go back"
grep -v '^\[' bars | grep -q '[^ ]' && fail "something else than bars: $(cat bars)"
grep '[^ ]' bars | tail -1 >last
[[ $(sed -n '/^\[/h; ${x;p}' bars) == "$(cat last)" ]] || fail "the last bar is not blanked"
grep -q '%\|\]' lines && fail "bars among the lines"
tail -6 lines | grep -q '^  frames ' || fail "no summary: $(tail -6 lines)"

# None: too narrow, a small file, lines for the same terminal.
terminal "'$LUNETTE' replay --packets large.pcap >lines" 40 | grep -q '%' && fail "a bar on a narrow terminal"
terminal "'$LUNETTE' replay --packets --json small.pcap >lines" | grep -q '%' && fail "a bar for a small file"
terminal "'$LUNETTE' replay --packets large.pcap" | grep -q '%' && fail "bars among the lines on a terminal"

echo "progress: bars on a terminal and only there, and blanked at the end"
