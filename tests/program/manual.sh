#!/usr/bin/env bash
# lua/README.md: each of its policies loads without a warning, each of its test files passes, its consoles show what comes.
#
# The word behind a block's language is the name of the file that it becomes; then "wrong" or "odd" says that no good policy is meant,
# and a console block has to show what is said of it.  A block of Lua without a name is a piece of a policy, tried behind shop.lua's.
set -euo pipefail

folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
cp "$LUNETTE_SOURCE/examples/kind.pcap" "$folder/night.pcap"
cd "$folder"

awk -v OFS='\t' '
	/^```/ && !file { file = $2 ? $2 : "piece-" NR "." substr($1, 4); print substr($1, 4), file, NR, $3 >"blocks"; next }
	/^```$/         { close(file); file = ""; next }
	file            { print >file }' "$LUNETTE_SOURCE/lua/README.md"

fail() { # LINE WHAT
	echo "lua/README.md:$1: $2"
	exit 1
}

# A piece of a policy gets what it lacks on its own first line.
complete() { # FILE
	local before
	before=$(sed '/^function/,$d' shop.lua | tr '\n' ' ')
	grep -q '^node' "$1" || sed -i "1s|^|$before |" "$1"
}

console() { # FILE LINE
	local dollar program arguments
	read -r dollar program arguments <"$1"
	[[ $dollar == '$' && $program == lunette ]] || fail "$2" "expected \$ lunette ..., got: $(head -1 "$1")"
	# shellcheck disable=SC2086
	"$LUNETTE" $arguments >said 2>&1 || true
	diff <(tail -n +2 "$1") said || fail "$2" "(< the manual, > lunette $arguments)"
}

policies=0 tests=0 consoles=0
while IFS=$'\t' read -r language file line kind; do
	case $language.$file.$kind in
	lua.*_test.lua.)
		[[ $file == wrong_test.lua ]] && continue
		"$LUNETTE" test "$file" >said 2>&1 || fail "$line" "$(<said)"
		tests=$((tests + 1)) ;;
	lua.*.)
		grep -q '^return' "$file" && continue # a module
		[[ $file != piece-* ]] || complete "$file"
		"$LUNETTE" check -p "$file" >said 2>&1 || fail "$line" "$(<said)"
		grep -q ', 0 warnings$' said || fail "$line" "$(<said)"
		policies=$((policies + 1)) ;;
	console.*)
		console "$file" "$line"
		consoles=$((consoles + 1)) ;;
	esac
done <blocks
[[ $policies -ge 10 && $tests -ge 5 && $consoles -ge 4 ]] || fail 1 "only $policies policies, $tests tests, $consoles consoles"
