#!/usr/bin/env bash
# Doxygen understands the public headers without a warning, and knows each of their functions.
set -euo pipefail

command -v doxygen >/dev/null || { echo "skipped: doxygen is not installed"; exit 77; }
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
cd "$folder"

# Makes the pages of a folder of headers; what Doxygen says is in `log`.
document() { # HEADERS
	sed "s|^INPUT .*|INPUT = $1|" "$LUNETTE_BUILD/Doxyfile" >Doxyfile
	doxygen >log 2>&1
}

# The test must be able to fail.
mkdir wrong
sed 's/The sentence of a code/See \\ref lun_nothing/' "$LUNETTE_SOURCE/include/lunette/lunette.h" >wrong/lunette.h
! document wrong || { echo "a reference to nothing was let through"; exit 1; }
grep -q lun_nothing log || { echo "expected a warning of lun_nothing, got: $(cat log)"; exit 1; }

rm -rf documentation
document "$LUNETTE_SOURCE/include/lunette" || { cat log; exit 1; }
declared=$(grep -hoE '^LUN_API [^(]*\blun_[a-z0-9_]+ *\(' "$LUNETTE_SOURCE"/include/lunette/*.h | grep -oE 'lun_[a-z0-9_]+ *\($' |
	tr -d ' (' | sort)
known=$(grep -hoE '</span>lun_[a-z0-9_]+\(\)</h2>' documentation/html/*.html | grep -oE 'lun_[a-z0-9_]+' | sort -u)
missing=$(comm -23 <(echo "$declared") <(echo "$known"))
[[ -n $declared && -z $missing ]] || { echo "these functions are not described: $missing"; exit 1; }
