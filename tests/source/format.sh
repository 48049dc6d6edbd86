#!/usr/bin/env bash
# Every C file has the shape that .clang-format gives it.
set -euo pipefail
cd "$LUNETTE_SOURCE"

command -v clang-format >/dev/null || { echo "skipped: clang-format is not installed"; exit 77; }
find bench core examples include lua tests -name '*.[ch]' -print0 | xargs -0 clang-format --dry-run -Werror
