#!/usr/bin/env bash
# README.md holds every command, every key that a policy may have, everything that a hook sees and answers, and the table of
# reasons word for word; lua/README.md, the manual, has an example of each key, field, decision, and of each word of scenarios.  The
# lists are read out of the source, so nothing can be added in silence.
set -euo pipefail
cd "$LUNETTE_SOURCE"

missing=0
examples=$(sed -n '/^```lua/,/^```$/p' lua/README.md)
report() { # FILE WHAT WHERE
	echo "$1: no $2, which is in $3"
	missing=1
}

# A word must stand in an example of the manual.
wants_example() { # WHAT WORD WHERE
	grep -qwF -- "$2" <<<"$examples" || report lua/README.md "example of $1 $2" "$3"
}

# Each word that comes on stdin must stand in the README as code.
wants() { # WHAT WHERE
	local word count=0
	while read -r word; do
		count=$((count + 1))
		grep -qF "\`$word\`" README.md || report README.md "$1 \`$word\`" "$2"
		[[ $1 == command || $1 == variable ]] || wants_example "$1" "$word" "$2"
	done
	[[ $count -gt 0 ]] || { echo "tests/source/docs.sh: no $1 found in $2, has it another form now?"; missing=1; }
}

wants command core/cli/main.c < <(grep -oE '\{ "[a-z]+", command_' core/cli/main.c | grep -oE '[a-z]+' | grep -v command)
for file in lua/declare.c lua/http.c lua/rate.c; do
	wants key "$file" < <(
		grep -v read_unsupported "$file" | grep -oE 'keys, "[a-z_]+"' | grep -oE '[a-z_]+"' | tr -d '"'
	)
done
wants field lua/flow.c < <(
	sed -n '/define FLOW_FIELDS/,/^enum/p' lua/flow.c | grep -oE 'X\([a-z_]+\)' | grep -v 'X(X)' | sed 's/X(\(.*\))/\1/'
)
wants field lua/packet.c < <(
	sed -n '/define PACKET_FIELDS/,/^enum/p' lua/packet.c | grep -oE 'X\([a-z_]+\)' | grep -v 'X(X)' | sed 's/X(\(.*\))/\1/'
)
wants field lua/request.c < <(
	sed -n '/define REQUEST_FIELDS/,/^static/p' lua/request.c | grep -oE 'X\([a-z_]+\)' | grep -v 'X(X)' | sed 's/X(\(.*\))/\1/'
)
wants decision lua/decision.c < <(grep -oE '\{ "[a-z]+", decision_' lua/decision.c | grep -oE '"[a-z]+"' | tr -d '"')
wants variable core/http/value.c < <(
	sed -n '/ variables\[\] = {/,/};/p' core/http/value.c | grep -oE '"[a-z_]+"' | tr -d '"' | sed 's/^/$/'
)
for file in core/cli/scenario_lua.c core/cli/conversation_lua.c; do
	words=$(sed -n '/ \(scenarios\|methods\|properties\)\[\] = {/,/};/p' "$file" |
		grep -oE '\{ "[a-z_]+"' | tr -d '{ "')
	[[ -n $words ]] || { echo "tests/source/docs.sh: no words found in $file, has it another form now?"; missing=1; }
	for word in $words; do wants_example word "$word" "$file"; done
done

expected=$(sed -n '/define LUN_REASONS/,/^$/s/.*X(\([a-z_]*\), "\(.*\)").*/| `\1` | \2 |/p' include/lunette/lunette.h |
	grep -v '^| `none`')
written=$(sed -n '/^## Reasons/,/^## /p' README.md | grep '^| `')
if [[ $expected != "$written" ]]; then
	echo "README.md: the table of reasons differs from LUN_REASONS (< README, > lunette.h):"
	diff <(echo "$written") <(echo "$expected") || true
	missing=1
fi
exit "$missing"
