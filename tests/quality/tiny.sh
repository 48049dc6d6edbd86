#!/usr/bin/env bash
# Builds everything once more, with limits so tiny (core/base/limits.h) that what has no room is what happens all the time; then
# runs the unit tests, the simulator among them, and each fuzzer's corpus.
set -euo pipefail
cd "$LUNETTE_SOURCE"

build=build/tiny
cmake --preset debug -B "$build" -DCMAKE_C_FLAGS=-DLUNETTE_TINY >/dev/null
cmake --build "$build" --parallel 2
ctest --test-dir "$build" --output-on-failure -R '^(unit|fuzz)/'
