#!/usr/bin/env bash
# Builds everything once more, with clang (gcc built the rest) and with sanitizers, warnings being errors; then runs in that
# build the tests that need no privilege.
set -euo pipefail
cd "$LUNETTE_SOURCE"

build=build/clang-sanitizers
export ASAN_OPTIONS=detect_stack_use_after_return=1:strict_string_checks=1 UBSAN_OPTIONS=print_stacktrace=1
cmake --preset sanitizers -B "$build" -DCMAKE_C_COMPILER=clang >/dev/null
cmake --build "$build" --parallel 2
ctest --test-dir "$build" --output-on-failure -R '^(unit|fuzz|program)/'
