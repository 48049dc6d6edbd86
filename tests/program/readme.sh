#!/usr/bin/env bash
# What the README shows is what happens: its policy gives its trace, and its C program compiles.
set -euo pipefail

folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
cd "$folder"

block() { # LANGUAGE: the first block of code in it
	sed -n "/^\`\`\`$1\$/,/^\`\`\`\$/p" "$LUNETTE_SOURCE/README.md" | sed '1d; /^```$/,$d'
}

block lua >node.lua
block console >shown
block c >program.c
[[ -s node.lua && -s shown && -s program.c ]] || { echo "README.md has no lua, console or c block any more"; exit 1; }

read -r dollar program arguments <shown
[[ $dollar == '$' && $program == lunette ]] || { echo "expected '\$ lunette ...', got: $(head -1 shown)"; exit 1; }
# shellcheck disable=SC2086
"$LUNETTE" $arguments >said
diff <(tail -n +2 shown) said || { echo "(< README.md, > lunette $arguments)"; exit 1; }

"$LUNETTE" trace -p node.lua tcp 203.0.113.2:1 172.18.0.2:32329 | grep -q 'blocked range' ||
	{ echo "the policy of the README does not block its range"; exit 1; }

cc -std=c11 -Wall -Wextra -Werror -fsyntax-only -I"$LUNETTE_SOURCE/include" program.c
