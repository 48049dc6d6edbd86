#!/usr/bin/env bash
# bench/path, http, policy and lua work, and their JSON has the keys that other tools rely on; how fast, is not looked at here.
set -euo pipefail

path=$LUNETTE_BUILD/bench/path
keys='{"bytes_per_flow":"number","case":"string","chase_ns":"number","flows":"number","known_ns":"number","new_ns":"number"}'

out=$(mktemp)
trap 'rm -f "$out"' EXIT
"$path" --json --quick >"$out"
for name in udp-dnat tcp-dnat udp-dnat-v6 tcp-dnat-v6 udp-dnat-masquerade tcp-dnat-masquerade; do
	[[ $(jq -r "select(.case == \"$name\") | .flows" "$out" | xargs) == "1024 4096" ]] ||
		{ echo "expected $name with 1024 and 4096 flows in:"; cat "$out"; exit 1; }
done
[[ $(jq -cS 'map_values(type)' "$out" | sort -u) == "$keys" ]] || { echo "expected the keys $keys in:"; cat "$out"; exit 1; }
[[ $(jq -s 'all(.bytes_per_flow > 0 and .bytes_per_flow <= 200 and .chase_ns > 0)' "$out") == true ]] ||
	{ echo "expected times, and at most 200 bytes a flow, in:"; cat "$out"; exit 1; }

"$path" --quick --runs 1 --flows 64 --cases udp-dnat | grep -q '^udp-dnat  *64 ' || { echo "no table for a person"; exit 1; }

"$path" --json --quick --parts >"$out"
[[ $(jq -c '[.flows, (.parts | keys_unsorted)]' "$out" | sort | uniq -c | xargs) == *"6 [1024,"*" 6 [4096,"* ]] ||
	{ echo "expected six cases with 1024 and six with 4096 flows in:"; cat "$out"; exit 1; }
[[ $(jq -c '.parts | map_values(type)' "$out" | sort -u) == \
	'{"parse_ns":"number","lookup_ns":"number","track_ns":"number","translate_ns":"number","seal_ns":"number","engine_ns":"number"}' ]] ||
	{ echo "expected what each layer adds in:"; cat "$out"; exit 1; }

"$path" --json --quick --stalls --cases udp-dnat,tcp-dnat-v6 >"$out"
[[ $(jq -r 'select(.flows == 4096 and .median_us > 0 and .longest_us >= .median_us and .calls > 0) | .case + " " + .call' "$out" | xargs) == \
	"udp-dnat packet udp-dnat batch udp-dnat tick udp-dnat swap tcp-dnat-v6 packet tcp-dnat-v6 batch tcp-dnat-v6 tick" ]] ||
	{ echo "expected the longest call of each kind in:"; cat "$out"; exit 1; }

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

"$LUNETTE_BUILD/bench/http" --json --quick >"$out"
[[ $(jq -r 'select((.ns // .gb_per_s // .bytes) > 0) | .case' "$out" | xargs) == "head head-forwarded chunked path connection connection-both" ]] ||
	{ echo "expected a figure for each case in:"; cat "$out"; exit 1; }
[[ $(jq 'select(.case == "connection") | .bytes <= 1024' "$out") == true ]] || { echo "expected at most 1 kB a connection in:"; cat "$out"; exit 1; }
policy=$LUNETTE_BUILD/bench/policy
keys='{"change_us":"number","decision_ns":"number","decision_ns_few":"number","endpoints":"number","load_ms":"number","services":"number","swap_us":"number"}'
"$policy" --json --services 100 --endpoints 1000 --runs 1 >"$out"
[[ $(jq -cS 'map_values(type)' "$out") == "$keys" ]] || { echo "expected the keys $keys in:"; cat "$out"; exit 1; }
[[ $(jq 'all(.[]; . > 0) and .services == 100 and .endpoints == 1000' "$out") == true ]] ||
	{ echo "expected times of 100 services in:"; cat "$out"; exit 1; }
"$policy" --services 10 --endpoints 20 --runs 1 | grep -q '^10 services with 20 endpoints' || { echo "no line for a person"; exit 1; }
refuses_policy() { # EXPECTED ARGUMENT...
	path=$policy refuses "$@"
}
refuses_policy "expected a number from 10" --services 1
refuses_policy "usage:" what

"$LUNETTE_BUILD/bench/lua" --json --runs 1 >"$out"
[[ $(jq -r 'select(.ns | type == "number") | .case' "$out" | xargs) == "on_flow on_packet on_close rate_limit on_request prefixes collector" ]] ||
	{ echo "expected a figure for each case in:"; cat "$out"; exit 1; }
