#!/usr/bin/env bash
# What the README shows is what happens: its policy and its tour give what is shown, and its C programs compile.  (What it shows of a
# running agent is run by tests/live/top.sh, its second program by tests/live/examples.sh.)
set -euo pipefail

folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
cd "$folder"

block() { # LANGUAGE: the first block of code in it
	sed -n "/^\`\`\`$1\$/,/^\`\`\`\$/p" "$LUNETTE_SOURCE/README.md" | sed '1d; /^```$/,$d'
}

block lua >node.lua
[[ -s node.lua ]] || { echo "README.md has no lua block any more"; exit 1; }

# Each console block is a command line, and what it prints.
lunette() { "$LUNETTE" "$@"; }
ln -s "$LUNETTE_SOURCE/examples" examples
awk '/^```console$/ { file = "console" ++count; next } /^```$/ { file = "" } file { print >file }' "$LUNETTE_SOURCE/README.md"
for shown in console*; do
	[[ $(head -c 10 "$shown") == '$ lunette ' || $(head -1 "$shown") == '$ printf '*'| lunette '* ]] ||
		{ echo "expected '\$ lunette ...', got: $(head -1 "$shown")"; exit 1; }
	eval "$(head -1 "$shown" | cut -c 3-)" >said
	diff <(tail -n +2 "$shown") said || { echo "(< README.md, > $(head -1 "$shown"))"; exit 1; }
done
[[ -e console6 && -s flow.html ]] || { echo "the README has no tour any more"; exit 1; }

"$LUNETTE" trace -p node.lua tcp 203.0.113.2:1 172.18.0.2:32329 | grep -q 'blocked range' ||
	{ echo "the policy of the README does not block its range"; exit 1; }

# Each block of C, from its fence on.
sed -n '/^```c$/,/^```$/p' "$LUNETTE_SOURCE/README.md" | awk '/^```c$/ { file = "block" ++count ".c"; next } /^```$/ { next } { print >file }'
[[ -s block1.c && -s block2.c ]] || { echo "README.md has fewer than two blocks of C"; exit 1; }
for source in block*.c; do
	cc -std=gnu11 -Wall -Wextra -Werror -fsyntax-only -I"$LUNETTE_SOURCE/include" $(pkg-config --cflags libuv) "$source"
done
[[ $(grep -c . block2.c) -le 25 ]] || { echo "the program that redirects a port has more than 25 lines"; exit 1; }
