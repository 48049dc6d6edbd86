#!/usr/bin/env bash
# The program itself: help, version, unknown commands and options, and an answer that cannot be written.
set -euo pipefail

folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
cd "$folder"

fail() {
	echo "FAILED: $*" >&2
	exit 1
}

# expect STATUS ARGUMENT...: runs lunette into `out` and `err`.
expect() {
	local status=0
	"${LUNETTE:?}" "${@:2}" >out 2>err </dev/null || status=$?
	((status == $1)) || fail "status $status, not $1, of lunette ${*:2}: $(cat err)"
}

says() { # STATUS LINE ARGUMENT...: one line on stderr, nothing on stdout
	expect "$1" "${@:3}"
	[[ $(cat err) == "$2" ]] || fail "lunette ${*:3} says: $(cat err)"
	[[ ! -s out ]] || fail "lunette ${*:3} prints: $(cat out)"
}

expect 0 --help
grep -q '^usage: lunette COMMAND' out || fail "$(cat out)"
mv out help
for command in check doctor flows http replay rules run stats test top trace; do
	grep -q "^  $command  *[a-z]" help || fail "--help does not name $command"
	expect 0 $command --help
	grep -q "^usage: lunette $command" out || fail "lunette $command --help: $(cat out)"
	[[ ! -s err ]] || fail "lunette $command --help says: $(cat err)"
	says 2 "lunette $command: unknown option --jsn, did you mean --json?; see lunette $command --help" $command --jsn
done
expect 0 --version
grep -qE '^lunette [0-9]+\.[0-9]+\.[0-9]+$' out || fail "--version: $(cat out)"

says 2 "lunette: no command; see lunette --help"
says 2 "lunette: unknown command replya, did you mean replay?" replya
says 2 "lunette: unknown command ru, did you mean run?" ru
says 2 "lunette: unknown command xyzzy; see lunette --help" xyzzy
says 2 "lunette: unknown command ; see lunette --help" ""
says 2 "lunette: unknown command --json; see lunette --help" --json

says 2 "lunette run: --tenant-mask is for --inline; see lunette run --help" run -p x.lua --tenant-mask 0xf
says 2 "lunette run: --tenant-mask 0xfg: expected hexadecimal bits of the packet mark; see lunette run --help" run --tenant-mask 0xfg
says 2 "lunette trace: unknown option -x; see lunette trace --help" trace -x
says 2 "lunette trace: unknown option --nothing-like-it; see lunette trace --help" trace --nothing-like-it
says 2 "lunette trace: unknown option -x; see lunette trace --help" trace --json -xh
says 2 "lunette trace: -p needs a value; see lunette trace --help" trace -p
says 2 "lunette trace: unknown option --sed, did you mean --seed?; see lunette trace --help" trace --sed=1
says 2 "lunette trace: --json takes no value; see lunette trace --help" trace --json=1

status=0
"$LUNETTE" --help >/dev/full 2>err || status=$?
((status == 3)) || fail "status $status where the answer cannot be written"
grep -q '^lunette: standard output: No space left on device$' err || fail "$(cat err)"

echo "usage: help, version, commands and options are as expected"
