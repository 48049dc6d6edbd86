#!/usr/bin/env bash
# How much of core/ the tests run: builds with gcov, runs the tests (COVERAGE_TESTS, a pattern of ctest's, takes fewer), prints a line for each
# folder, and fails below 90 % of all lines.  Live tests count where they may run; the program is killed in some, and what it did then is
# not written down.
set -euo pipefail
cd "$LUNETTE_SOURCE"

floor=90 build=build/coverage
command -v gcovr >/dev/null || { echo "gcovr is not installed: apt-get install gcovr"; exit 1; }
cmake --preset debug -B "$build" -DCMAKE_C_FLAGS="--coverage -fprofile-update=atomic" >/dev/null
cmake --build "$build" --parallel 2
find "$build" -name '*.gcda' -delete
ctest --test-dir "$build" --output-on-failure --parallel 2 -R "${COVERAGE_TESTS:-^(unit|fuzz|program|live)/}"
gcovr --root . --object-directory "$build" --filter core/ --json-summary "$build/coverage.json" --exclude-unreachable-branches -j 2
jq -r '.files | group_by(.filename | split("/")[1])[] | [.[0].filename | split("/")[1]] +
	[(map(.line_covered) | add), (map(.line_total) | add)] | "\(.[0])\t\(.[1] * 1000 / .[2] | floor / 10) % of \(.[2]) lines"' \
	"$build/coverage.json"
percent=$(jq '.line_percent' "$build/coverage.json")
echo "core/: $percent % of lines, $floor % wanted"
[[ $(jq ".line_percent >= $floor" "$build/coverage.json") == true ]]
