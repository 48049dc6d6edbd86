#!/usr/bin/env bash
# examples/demo.sh, the live part too: every answer is right, and nothing is left behind, neither at the end nor when it is
# stopped halfway.
set -euo pipefail
cd "${LUNETTE_SOURCE:?}"

skip() { echo "skipped: $*"; exit 77; }
fail() { echo "FAILED: $*"; exit 1; }

[[ $(id -u) -eq 0 ]] || skip "needs root"
unshare -n true 2>/dev/null || skip "may not make network namespaces"
"$LUNETTE" doctor >/dev/null || skip "this kernel cannot commit, see lunette doctor"

folder=$(mktemp -d)
export TMPDIR=$folder/demo
trap 'kill $(jobs -p) 2>/dev/null || true; wait; rm -rf "$folder"' EXIT
mkdir "$TMPDIR"

# left PROCESS: what a demo with this process id has left behind.
left() { ip netns list | grep "^lunette$1-" || true; ls "$TMPDIR"; }

examples/demo.sh --check >"$folder/out" 2>&1 &
demo=$!
wait $demo || fail "status $?: $(cat "$folder/out")"
cat "$folder/out"
grep -q '^no live part' "$folder/out" && fail "the live part is missing"
[[ -z $(left $demo) ]] || fail "left behind: $(left $demo)"

examples/demo.sh --check >"$folder/out" 2>&1 &
demo=$!
for _ in {1..200}; do
	grep -q '^ok: ' "$folder/out" && break
	sleep 0.05
done
[[ $(ip netns list) == *lunette$demo-node* ]] || fail "the second demo did not start: $(cat "$folder/out")"
kill -TERM $demo
status=0
wait $demo || status=$?
[[ $status -eq 143 ]] || fail "stopped halfway: status $status: $(cat "$folder/out")"
[[ -z $(left $demo) ]] || fail "left behind after it was stopped: $(left $demo)"
echo "ok: stopped halfway, nothing is left behind"
