#!/usr/bin/env bash
# The unit tests of this build, a replay and a trace under valgrind: the sanitizers do not see reads of memory that was never
# written.
set -euo pipefail
cd "$LUNETTE_SOURCE/tests"

# Not these: the first holds CPU time to limits, the second would take more than a minute.
left_out="lua_sandbox replay"
export SIMULATOR_SEEDS=50

failed=0
check() {
	echo "== $*"
	valgrind --quiet --error-exitcode=99 --leak-check=full --errors-for-leak-kinds=definite,indirect "$@" || failed=1
}

for test in "$LUNETTE_BUILD"/tests/test-*; do
	[[ -x $test && -f $test && " $left_out " != *" ${test##*/test-} "* ]] || continue
	check "$test"
done
check "$LUNETTE" replay -p ../examples/kind.lua ../examples/kind.pcap -w /dev/null
check "$LUNETTE" trace -p ../examples/kind.lua tcp 192.168.31.9:40000 172.18.0.2:32329
exit "$failed"
