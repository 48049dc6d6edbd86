#!/usr/bin/env bash
# The rules that `lunette rules` prints can be loaded, in both of their forms; loaded again they change nothing and take no
# hook away.
source "$(dirname "${BASH_SOURCE[0]}")/lib.sh"

"$LUNETTE" rules -p "$work/policy.lua" --queue 77 >"$work/rules"
sed -n '/^# nft/,/^# Where/{/^#/!p}' "$work/rules" >"$work/nft"
sed -n '/^\*raw/,$p' "$work/rules" >"$work/xtables"
grep -q 'queue num 77' "$work/nft" && grep -q 'queue-num 77' "$work/xtables" || fail "the queue is not there: $(cat "$work/rules")"
is "$("$LUNETTE" rules -p "$work/policy.lua" --queue 77 --json | jq -r .rules)" "$(cat "$work/rules")" "as JSON" >/dev/null

# Not every kernel has nft's queue expression; everything else of the text must be right on any.
sed -i 's/queue num 7[78]/counter/' "$work/nft" # 78: of edited requests
node nft -f "$work/nft"
chains() { node nft -a list table inet lunette | grep -E 'chain .* # handle'; }
chains >"$work/first"
is "$(node nft list table inet lunette | grep -c 'type .* hook')" 8 "base chains"
node nft -f "$work/nft"
chains | cmp - "$work/first" || fail "a chain was replaced"
echo "ok: loaded twice, the chains are the same"
for program in iptables-nft ip6tables-nft; do
	node $program-restore --noflush <"$work/xtables"
	is "$(node $program -t raw -S | grep -c LUNETTE)" 4 "$program rules"
done

# Those of inline mode, over the others: nothing of these stays, for a table that is made anew takes its place.
"$LUNETTE" rules -p "$work/policy.lua" --queue 77 --inline >"$work/rules"
sed -n '/^# nft/,/^# Where/{/^#/!p}' "$work/rules" >"$work/nft"
grep -q 'queue num 77 bypass' "$work/nft" && grep -q 'queue-num 77 --queue-bypass' "$work/rules" ||
	fail "the queue is not there, or without bypass: $(cat "$work/rules")"
sed -i 's/queue num 77 bypass/counter/' "$work/nft"
node nft -f "$work/nft"
is "$(node nft list table inet lunette | grep -c 'type .* hook')" 4 "base chains of inline mode"
is "$(node nft -j list set inet lunette endpoints4 | jq -c '[.nftables[].set? | select(. != null) | .elem[].concat] | sort')" \
	'[["10.244.0.5",8080],["10.244.0.6",8080]]' "endpoints"
