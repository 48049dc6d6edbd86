#!/usr/bin/env bash
# Installs what is missing, builds, and runs every test.  Arguments go to ctest: `tests/run.sh -R unit/`.
# The exit status is ctest's, and its summary is the last thing printed.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."

tests/install.sh
if [[ -z ${CMAKE_GENERATOR:-} ]] && command -v ninja >/dev/null; then
	export CMAKE_GENERATOR=Ninja
fi
cmake --preset release >/dev/null
cmake --build --preset release --parallel 2
exec ctest --preset release --parallel 2 "$@" </dev/null
