#!/usr/bin/env bash
# Which folder may include which: no arrow points up.  Every #include "..." and <lunette/...> is checked against the table.
#
# An entry of the table is a folder of core/ (or lua, bench, examples), or one header.  Libraries' headers are not listed but
# for the engine, which may have none but libc's, the compiler's and xxHash's.
set -euo pipefail

# Sets `list` to the folder's row.
find_row() { # FOLDER
	case $1 in
	include/lunette)  list="include" ;;
	core/base)        list="lunette.h base" ;;
	core/packet)      list="lunette.h packet base" ;;
	core/track)       list="lunette.h track packet base" ;;
	core/nat)         list="lunette.h nat track packet base" ;;
	core/balance)     list="lunette.h balance base" ;;
	core/http)        list="lunette.h http track packet base" ;;
	core/policy)      list="lunette.h policy balance packet base track/decision.h" ;;
	core/engine)      list="lunette.h engine policy http balance nat track packet base" ;;
	core/replay)      list="include replay packet base" ;;
	core/live)        list="include live" ;;
	core/control)     list="include control" ;;
	core/cli)         list="include cli" ;;
	lua)              list="include lua" ;;
	examples)         list="include" ;;
	bench)            list="include bench" ;;
	bench/path)       list="include bench engine policy http nat track packet base" ;;
	*)                return 1 ;;
	esac
}

engine="base packet track nat balance http policy engine"
engine_system="assert ctype errno inttypes limits math stdarg stdbool stddef stdint stdio stdlib string arpa/inet endian
	emmintrin netinet/in sys/mman xxhash"

holds() { # WORD LIST
	[[ " ${2//[$'\n\t']/ } " == *" $1 "* ]]
}

# Sets `to` to the folder or header that an include names, in the words of the table; "" if there is no such file.
find_target() { # TREE FOLDER INCLUDE
	to=""
	if [[ $3 == lunette/* ]]; then
		to=${3#lunette/}
	elif [[ -e $1/$2/$3 ]]; then
		to=${2#core/}/$3
	elif [[ -e $1/core/$3 ]]; then
		to=$3
	fi
}

# Sets `said` to what is wrong with an include, or "".
check_line() { # TREE FOLDER BRACKET INCLUDE
	said=""
	find_target "$1" "$2" "$4"
	if ! find_row "$2"; then
		said="no row for the folder $2 in tests/source/layers.sh"
	elif [[ $3 == "<" && $4 != lunette/* ]]; then
		if holds "${2#core/}" "$engine" && ! holds "${4%.h}" "$engine_system"; then
			said="the engine includes <$4>, and may only: ${engine_system//[$'\n\t']/ }"
		fi
	elif [[ -z $to ]]; then
		said="includes \"$4\", which is no file of this tree"
	elif ! holds "$to" "$list" && ! holds "${to%%/*}" "$list" && ! { [[ $4 == lunette/* ]] && holds include "$list"; }; then
		said="$2 includes \"$4\", and may only: $list"
	fi
}

# Prints a line for each wrong include of the tree, and succeeds if there is none.
check() { # TREE
	local file line include bracket wrong="" count=0 list to said
	while IFS=$'\t' read -r file line bracket include; do
		count=$((count + 1))
		check_line "$1" "${file%/*}" "$bracket" "$include"
		[[ -z $said ]] || wrong+="$file:$line: $said"$'\n'
	done < <(cd "$1" && find core lua examples bench include -name '*.[ch]' 2>/dev/null | sort | xargs -r awk '
		/^[ \t]*#[ \t]*include/ {
			match($0, /["<][^">]*/)
			print FILENAME "\t" FNR "\t" substr($0, RSTART, 1) "\t" substr($0, RSTART + 1, RLENGTH - 1)
		}')
	printf '%s' "$wrong"
	[[ -z $wrong && $count -gt 0 ]]
}

# The test must be able to fail: one wrong arrow in a tree of its own.
refuses() { # FOLDER INCLUDE EXPECTED
	mkdir -p "$bad/$1" "$bad/core/packet"
	touch "$bad/core/packet/parse.h"
	printf '/* x */\n#include %s\n' "$2" >"$bad/$1/wrong.c"
	if check "$bad" >"$bad/said"; then
		echo "a tree where $1 includes $2 was let through"
		exit 1
	fi
	grep -qF "$1/wrong.c:2: $3" "$bad/said" || { echo "expected '$1/wrong.c:2: $3', got:"; cat "$bad/said"; exit 1; }
	rm "$bad/$1/wrong.c"
}

bad=$(mktemp -d)
trap 'rm -rf "$bad"' EXIT
refuses core/base '"packet/parse.h"' 'core/base includes "packet/parse.h", and may only: lunette.h base'
refuses core/live '"packet/parse.h"' 'core/live includes "packet/parse.h", and may only: include live'
refuses core/track '<lunette/live.h>' 'core/track includes "lunette/live.h"'
refuses core/packet '"parser.h"' 'includes "parser.h", which is no file'
refuses core/engine '<uv.h>' 'the engine includes <uv.h>'
refuses core/new '"packet/parse.h"' 'no row for the folder core/new'

check "${LUNETTE_SOURCE:-.}" || exit 1
echo "every include follows the table"
