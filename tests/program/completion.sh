#!/usr/bin/env bash
# Bash completion offers every command, and of each every option that the program takes; the manual page has them, too;
# the page of policies holds their manual.
set -euo pipefail
source "${LUNETTE_SOURCE:?}/core/cli/lunette.bash"

fail() {
	echo "FAILED: $*" >&2
	exit 1
}

# offers WORD...: what is offered for the last word, one a line
offers() {
	COMP_WORDS=(lunette "$@")
	COMP_CWORD=$#
	_lunette "${LUNETTE:?}"
	printf '%s\n' "${COMPREPLY[@]}"
}

complete -p lunette | grep -q -- '-o default -F _lunette lunette' || fail "nothing is completed"
mapfile -t commands < <(grep -oE '\{ "[a-z]+", command_' "$LUNETTE_SOURCE/core/cli/main.c" | cut -d '"' -f 2)
((${#commands[@]} > 5)) || fail "no commands found in main.c"
for command in "${commands[@]}" --help --version; do
	grep -qx -- "$command" <<<"$(offers "${command:0:2}")" || fail "$command is not offered for ${command:0:2}"
done
[[ $(offers rep) == replay ]] || fail "for rep: $(offers rep)"

manual=$(bash "$LUNETTE_SOURCE/core/cli/manual.sh" "$LUNETTE")
[[ $(head -1 <<<"$manual") == '.TH LUNETTE 1 "" "lunette '*'" "User Commands"' ]] || fail "the manual begins: $(head -1 <<<"$manual")"
# section COMMAND: what the manual has of it, as a reader sees it
section() { sed -n "/^\\.SS $1\$/,/^\\.fi/p" <<<"$manual" | sed -e 's/^\\&//' -e 's/\\-/-/g' -e 's/\\e/\\/g'; }

# Against the tables that getopt_long reads, not against the help.
for command in "${commands[@]}"; do
	mapfile -t options < <(grep -oE '^\s*\{ "[a-z-]+", (no|required|optional)_argument' "$LUNETTE_SOURCE/core/cli/$command.c" | cut -d '"' -f 2)
	((${#options[@]})) || fail "no options found in $command.c"
	[[ $(section "$command" | sed '1,2d;$d') == "$("$LUNETTE" "$command" --help)" ]] || fail "the manual differs from $command --help"
	for option in "${options[@]}"; do
		grep -qx -- "--$option" <<<"$(offers "$command" -)" || fail "$command: --$option is not offered"
		section "$command" | grep -q -- "--$option" || fail "$command: --$option is not in the manual"
	done
done
# The page of policies is the manual of policies: nothing of a block of code is lost, nor is a heading; groff, if it is there, is content.
page=$(bash "$LUNETTE_SOURCE/core/cli/policy_manual.sh" "$LUNETTE_SOURCE/lua/README.md" "$LUNETTE")
[[ $(head -1 <<<"$page") == '.TH LUNETTE\-POLICY 5 "" "lunette '*'" "File Formats"' ]] || fail "the page begins: $(head -1 <<<"$page")"
blocks() { sed -n "/$2/,/$3/p" | grep -vE "$2|$3" | sed "$1"; } # EDITS BEGIN END
diff <(blocks 's/\t/    /g' '^```' '^```$' <"$LUNETTE_SOURCE/lua/README.md") \
	<(blocks 's/^\\&//; s/\\-/-/g; s/\\e/\\/g' '^\.nf$' '^\.fi$' <<<"$page") || fail "(< the manual, > the page)"
[[ $(grep -c '^##* ' "$LUNETTE_SOURCE/lua/README.md") -eq $(($(grep -cE '^\.S[HS] ' <<<"$page") - 1)) ]] || fail "headings: $(grep '^\.S' <<<"$page")"
! grep -nE '`|\]\(|\*\*' <(sed '/^\.nf$/,/^\.fi$/d' <<<"$page") || fail "Markdown is left in the page"
if command -v groff >/dev/null; then
	[[ -z $({ groff -man -Tutf8 -ww -z <<<"$page" && groff -man -Tutf8 -ww -z <<<"$manual"; } 2>&1) ]] || fail "groff: $(groff -man -Tutf8 -ww -z <<<"$page" 2>&1)"
fi

[[ $(offers replay --jour) == --journey ]] || fail "for replay --jour: $(offers replay --jour)"
[[ -z $(offers replay in) ]] || fail "where a file belongs: $(offers replay in)"

echo "completion: every command and option is offered, and in the manual"
