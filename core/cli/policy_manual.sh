#!/usr/bin/env bash
# policy_manual.sh - the manual page lunette-policy.5, out of lua/README.md: policy_manual.sh MANUAL PROGRAM [FILE].  What is read is
# the Markdown that the manual is written in, no more: headings, paragraphs, lists, tables, blocks of code.
set -euo pipefail
version=$("$2" --version)
[[ $# -lt 3 ]] || exec >"$3"

printf '.TH LUNETTE\\-POLICY 5 "" "%s" "File Formats"\n' "$version"
printf '.SH NAME\nlunette\\-policy \\- policies of lunette, and their tests, in Lua\n.SH DESCRIPTION\n'
awk '
	# As roff takes it literally.
	function literal(text) {
		gsub(/\\/, "\\e", text)
		gsub(/-/, "\\-", text)
		return text ~ /^[.\047]/ ? "\\\\&" text : text
	}
	# Text with code, words that matter, and links, of which their words stay.
	function inline(text, count, parts, i, word, rest) {
		while (match(text, /\[[^]]*\]\([^)]*\)/)) {
			word = substr(text, RSTART + 1, index(substr(text, RSTART), "](") - 2)
			text = substr(text, 1, RSTART - 1) word substr(text, RSTART + RLENGTH)
		}
		count = split(literal(text), parts, "`")
		text = ""
		for (i = 1; i <= count; i++) {
			while (i % 2 == 1 && match(parts[i], /\*+[A-Za-z .]+\*+/)) {
				word = substr(parts[i], RSTART, RLENGTH)
				rest = substr(parts[i], RSTART + RLENGTH)
				gsub(/\*/, "", word)
				parts[i] = substr(parts[i], 1, RSTART - 1) "\\fI" word "\\fR" rest
			}
			text = text (i % 2 == 0 ? "\\fB" parts[i] "\\fR" : parts[i])
		}
		return text
	}
	function row(line, cells, count) {
		gsub(/^\| | \|$/, "", line)
		count = split(line, cells, / \| /)
		printf ".TP\n%s\n%s\n", inline(cells[1]), inline(cells[2])
	}
	/^```/ && code     { print ".fi\n.RE"; code = 0; after = 1; next }
	code               { gsub(/\t/, "    "); print literal($0); next }
	/^```/             { print ".PP\n.RS 4\n.nf"; code = 1; next }
	/^# /              { next }
	/^## /             { printf ".SH \"%s\"\n", inline(substr($0, 4)); after = 0; next }
	/^### /            { printf ".SS \"%s\"\n", inline(substr($0, 5)); after = 0; next }
	/^- \[.*\]\(#/     { contents = 1; next }
	/^  / && contents  { next }
	                   { contents = 0 }
	/^\|-/             { next }
	/^\| /             { row($0); after = 1; next }
	/^$/               { after = 1; next }
	/^- /              { printf ".IP \\(bu 2\n%s\n", inline(substr($0, 3)); after = 0; next }
	after              { print ".PP"; after = 0 }
	                   { sub(/^ +/, ""); print inline($0) }' "$1"
