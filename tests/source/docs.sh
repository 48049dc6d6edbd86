#!/usr/bin/env bash
# README.md holds every command, every key that a policy may have, everything that a hook sees and answers, and the table of
# reasons word for word.  The lists are read out of the source, so nothing can be added in silence.
set -euo pipefail
cd "$LUNETTE_SOURCE"

missing=0
report() { # WHAT WHERE
	echo "README.md: no $1, which is in $2"
	missing=1
}

# Each word that comes on stdin must stand in the README as code.
wants() { # WHAT WHERE
	local word count=0
	while read -r word; do
		count=$((count + 1))
		grep -qF "\`$word\`" README.md || report "$1 \`$word\`" "$2"
	done
	[[ $count -gt 0 ]] || { echo "tests/source/docs.sh: no $1 found in $2, has it another form now?"; missing=1; }
}

wants command core/cli/main.c < <(grep -oE '\{ "[a-z]+", command_' core/cli/main.c | grep -oE '[a-z]+' | grep -v command)
for file in lua/declare.c lua/http.c; do
	wants key "$file" < <(
		grep -v read_unsupported "$file" | grep -oE 'keys, "[a-z_]+"' | grep -oE '[a-z_]+"' | tr -d '"'
	)
done
wants field lua/flow.c < <(
	sed -n '/define FLOW_FIELDS/,/^enum/p' lua/flow.c | grep -oE 'X\([a-z_]+\)' | grep -v 'X(X)' | sed 's/X(\(.*\))/\1/'
)
wants field lua/request.c < <(
	sed -n '/define REQUEST_FIELDS/,/^static/p' lua/request.c | grep -oE 'X\([a-z_]+\)' | grep -v 'X(X)' | sed 's/X(\(.*\))/\1/'
)
wants decision lua/decision.c < <(grep -oE '\{ "[a-z]+", decision_' lua/decision.c | grep -oE '"[a-z]+"' | tr -d '"')
wants variable core/http/value.c < <(
	sed -n '/ variables\[\] = {/,/};/p' core/http/value.c | grep -oE '"[a-z_]+"' | tr -d '"' | sed 's/^/$/'
)

expected=$(sed -n '/define LUN_REASONS/,/^$/s/.*X(\([a-z_]*\), "\(.*\)").*/| `\1` | \2 |/p' include/lunette/lunette.h |
	grep -v '^| `none`')
written=$(sed -n '/^## Reasons/,/^## /p' README.md | grep '^| `')
if [[ $expected != "$written" ]]; then
	echo "README.md: the table of reasons differs from LUN_REASONS (< README, > lunette.h):"
	diff <(echo "$written") <(echo "$expected") || true
	missing=1
fi
exit "$missing"
