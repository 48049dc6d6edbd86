#!/usr/bin/env bash
# GCC's -fanalyzer over core/ and lua/: finds nothing but what analysis.known holds, each with the reason why it is no mistake.  That
# list is read in both directions, so what is mended goes out of it.
set -euo pipefail
cd "$LUNETTE_SOURCE"

folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
export folder

# "FILE FUNCTION WARNING" for each finding, of one file.
analyze() { # FILE
	local said
	said=$(gcc -std=gnu11 -O1 -fanalyzer -fdiagnostics-plain-output -Iinclude -Icore $(pkg-config --cflags lua5.4) \
		-c -o /dev/null "$1" 2>&1) || { echo "$said"; return 1; }
	awk -v file="$1" '
		/: In function / { gsub(/.*In function .|.:$/, ""); gsub(/[^a-z0-9_]/, ""); name = $0 }
		/ warning: .*\[-Wanalyzer-/ { gsub(/.*\[-Wanalyzer-|\]$/, ""); print file, name, $0 }' <<<"$said"
}
export -f analyze

find core lua -name '*.c' | sort >"$folder/files"
xargs -P 2 -I{} bash -c 'analyze {} >>"$folder/found.$$"' <"$folder/files"
sort -u "$folder"/found.* >"$folder/found"
awk '!/^#/ && NF { print $1, $2, $3 }' tests/long/analysis.known | sort -u >"$folder/known"
diff "$folder/known" "$folder/found" || { echo "(< analysis.known, > found)"; exit 1; }
echo "analyzed: $(wc -l <"$folder/files") files, nothing found but $(wc -l <"$folder/known") that are known to be no mistakes"
