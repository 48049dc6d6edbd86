#!/usr/bin/env bash
# clang-tidy with the checks of .clang-tidy over every source of the build.
set -euo pipefail
cd "$LUNETTE_SOURCE"

command -v clang-tidy >/dev/null || { echo "skipped: clang-tidy is not installed"; exit 77; }
find bench core examples lua tests -name '*.c' -print0 |
	xargs -0 -n 1 -P 2 clang-tidy --quiet --warnings-as-errors='*' --extra-arg=-Wno-ignored-optimization-argument -p "$LUNETTE_BUILD"
