#!/usr/bin/env bash
# bench/path works, and its JSON has the keys that other tools rely on; how fast it is, is not looked at here.
set -euo pipefail

path=$LUNETTE_BUILD/bench/path
keys='{"bytes_per_flow":"number","case":"string","chase_ns":"number","flows":"number","known_ns":"number","new_ns":"number"}'

out=$(mktemp)
trap 'rm -f "$out"' EXIT
"$path" --json --quick >"$out"
for name in udp-dnat tcp-dnat udp-dnat-masquerade tcp-dnat-masquerade; do
	[[ $(jq -r "select(.case == \"$name\") | .flows" "$out" | xargs) == "1024 4096" ]] ||
		{ echo "expected $name with 1024 and 4096 flows in:"; cat "$out"; exit 1; }
done
[[ $(jq -cS 'map_values(type)' "$out" | sort -u) == "$keys" ]] || { echo "expected the keys $keys in:"; cat "$out"; exit 1; }
[[ $(jq -s 'all(.bytes_per_flow > 0 and .bytes_per_flow <= 200 and .chase_ns > 0)' "$out") == true ]] ||
	{ echo "expected times, and at most 200 bytes a flow, in:"; cat "$out"; exit 1; }

"$path" --quick --runs 1 --flows 64 --cases udp-dnat | grep -q '^udp-dnat  *64 ' || { echo "no table for a person"; exit 1; }

refuses() { # EXPECTED ARGUMENT...
	local expected=$1 status=0 said
	shift
	said=$("$path" "$@" 2>&1) || status=$?
	[[ $status -eq 2 && $said == *"$expected"* ]] ||
		{ echo "path $*: expected exit 2 and '$expected', got $status: $said"; exit 1; }
}
refuses "there is no case sctp" --cases sctp
refuses "expected a number from 64" --flows 1k
refuses "expected a number from 1 to 99, not 0" --runs 0
refuses "usage:" --what
refuses "usage:" what
