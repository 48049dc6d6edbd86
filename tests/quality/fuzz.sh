#!/usr/bin/env bash
# fuzz.sh [NAME...]: feeds each fuzzer of tests/fuzz, or those named, for FUZZ_SECONDS (4): clang's libFuzzer, with sanitizers.
# What it learns stays in build/fuzz/NAME for the next time; an input that breaks something is left in build/fuzz/broken-NAME-*.
set -euo pipefail
cd "${LUNETTE_SOURCE:-$(dirname "${BASH_SOURCE[0]}")/../..}"

seconds=${FUZZ_SECONDS:-4} build=build/fuzz
export UBSAN_OPTIONS=print_stacktrace=1

if ! clang -fsanitize=fuzzer -x c - -o /dev/null 2>/dev/null <<<'int LLVMFuzzerTestOneInput(void) { return 0; }'; then
	echo "skipped: clang with libFuzzer is not installed; each corpus still runs, as fuzz/NAME"
	exit 77
fi
cmake --preset sanitizers -B "$build" -DCMAKE_C_COMPILER=clang -DLUNETTE_FUZZ=ON >/dev/null
cmake --build "$build" --parallel 2 --target fuzzers

# Each line of the corpus becomes a file, which is what libFuzzer reads.
unpack() { # NAME
	local line count=0
	mkdir -p "$build/$1"
	while read -r line; do
		count=$((count + 1))
		printf "$(sed 's/../\\x&/g' <<<"$line")" >"$build/$1/corpus-$count"
	done <"tests/fuzz/corpus/$1.hex"
}

[[ $# -gt 0 ]] || set -- $(cd tests/fuzz && ls ./*.c | sed 's,./\(.*\)\.c,\1,')
failed=0
for name in "$@"; do
	unpack "$name"
	echo "== $name"
	"$build/tests/fuzz-$name" -max_total_time="$seconds" -max_len=600 -artifact_prefix="$build/broken-$name-" \
		-verbosity=0 -print_final_stats=1 "$build/$name" || failed=1
done
exit "$failed"
