#!/usr/bin/env bash
# manual.sh - the manual page lunette.1, out of the program's own help: manual.sh PROGRAM [FILE].
set -euo pipefail
program=$1
[[ $# -lt 2 ]] || exec >"$2"

# Text as roff takes it literally.
literal() { sed -e 's/\\/\\e/g' -e 's/-/\\-/g' -e "s/^[.']/\\\\\&&/"; }

# What a help says: its lines as they are, which it has laid out itself.
help_of() {
	printf '.nf\n'
	"$program" "$@" --help | literal
	printf '.fi\n'
}

version=$("$program" --version)
printf '.TH LUNETTE 1 "" "%s" "User Commands"\n' "$version"
printf '.SH NAME\nlunette \\- a connection tracker whose policy is a Lua script\n'
printf '.SH SYNOPSIS\n.B lunette\n.I COMMAND\n[\\fIARGUMENT\\fR]...\n'
printf '.SH DESCRIPTION\n'
help_of
printf '.SH COMMANDS\n'
"$program" --help | grep -oE '^  [a-z]+  ' | while read -r command; do
	printf '.SS %s\n' "$command"
	help_of "$command"
done
printf '.SH SEE ALSO\n.BR lunette\\-policy (5)\n'
