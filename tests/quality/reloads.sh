#!/usr/bin/env bash
# A policy that is loaded 1,000 times under connections leaves nothing behind: nothing that valgrind finds lost, and nothing that is only
# given back at the end, which it would not find.
set -euo pipefail
cd "$LUNETTE_SOURCE"

# Sets `peak` to the most memory that so many reloads took, in KiB.
run() { # RELOADS COMMAND...
	local said
	said=$(RELOADS=$1 "${@:2}" "$LUNETTE" test tests/policies/reloads_test.lua) || { echo "$said"; exit 1; }
	peak=$(head -1 <<<"$said")
	echo "$1 reloads: $peak KiB at most"
}

run 100 env
few=$peak
run 1000 env
# What the test itself keeps, a few bytes sent a reload, is some hundred KiB; a Lua state a reload would be 20 MiB and more.
[[ $((peak - few)) -lt 1024 ]] || { echo "expected less than 1024 KiB more for 900 reloads more"; exit 1; }
run 1000 valgrind --quiet --error-exitcode=99 --leak-check=full --errors-for-leak-kinds=definite,indirect
