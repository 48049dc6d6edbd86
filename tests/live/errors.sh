#!/usr/bin/env bash
# A start that fails says why in one line, exits with the right status, and leaves nothing behind; so does a run that flushes.
source "$(dirname "${BASH_SOURCE[0]}")/lib.sh"

# refused STATUS PATTERN COMMAND...: fails with this status and one line that matches.
refused() {
	local status=0
	timeout 30 "${@:3}" >"$work/said" 2>&1 || status=$?
	is "$status" "$1" "exit status"
	[[ $(wc -l <"$work/said") -eq 1 ]] || fail "expected one line, got: $(cat "$work/said")"
	grep -Eq "$2" "$work/said" || fail "expected a line like '$2', got: $(cat "$work/said")"
	echo "ok: $(cat "$work/said")"
}
nothing_left() {
	is "$(node nft list ruleset 2>/dev/null)" "" "rules after $1"
	is "$(node cat /proc/net/netfilter/nfnetlink_queue)" "" "queues after $1"
}
in_node=(ip netns exec "$lab-node")
run=("${in_node[@]}" "$LUNETTE" run -p "$work/policy.lua")

refused 2 'no policy' "${in_node[@]}" "$LUNETTE" run
refused 2 'nowhere.lua' "${in_node[@]}" "$LUNETTE" run -p "$work/nowhere.lua"
refused 2 '70000' "${run[@]}" --queue 70000
sed '$a function on_packet() end' "$work/policy.lua" >"$work/packets.lua"
refused 2 'on_packet.*--inline' "${in_node[@]}" "$LUNETTE" run -p "$work/packets.lua"
nothing_left "bad arguments"

chmod 755 "$work"
cp "$LUNETTE" "$work/lunette" # where anybody may run it
refused 3 'needs CAP_NET_ADMIN' "${in_node[@]}" setpriv --reuid 65534 --regid 65534 --clear-groups \
	"$work/lunette" run -p "$work/policy.lua"
nothing_left "a start without privileges"

# nft cannot be run; nft fails when the rules are to be installed, after iptables had its part.
nft=$(command -v nft)
cp "$nft" "$work/nft"
printf '#!/bin/sh\necho "no rules today" >&2\nexit 1\n' >"$work/never"
cat >"$work/unlucky" <<-EOT
	#!/bin/sh
	text=\$(cat)
	case "\$* \$text" in "-f - "*failsafe*) echo "no rules today" >&2; exit 1;; esac
	echo "\$text" | "$work/nft" "\$@"
EOT
chmod +x "$work/never" "$work/unlucky"
# with FILE: sh -c's text to run the agent with that file in the place of nft.
with() { echo "mount --bind $1 $nft && exec $LUNETTE run -p $work/policy.lua"; }
for broken in never unlucky; do
	refused 3 'nft: no rules today' "${in_node[@]}" unshare -m sh -c "$(with "$work/$broken")"
	nothing_left "a start with a broken nft"
done
refused 3 'cannot be started|not installed' "${in_node[@]}" unshare -m sh -c "$(with /dev/null)"
nothing_left "a start without nft"

# The queue belongs to somebody; and another agent serves here, with whatever queue.
agent_start --queue 7
ruleset() { node nft list ruleset 2>/dev/null | sed 's/packets [0-9]* bytes [0-9]*//'; }
ruleset >"$work/rules"
refused 3 "queue 7 belongs to process $agent " "${run[@]}" --queue 7
refused 3 "served by process $agent .*queue 7" "${run[@]}" --queue 9
ruleset | cmp - "$work/rules" || fail "the first agent's rules were changed"
client curl -s --max-time 2 http://10.96.0.10/ | grep -q ^pod || fail "the first agent does not serve any more"
agent_stop TERM
is "$agent_status" 0 "SIGTERM, exit status"

# Over what the first one left, and at the end everything goes, the connections too.
agent_start --flush
client curl -s --max-time 2 http://10.96.0.10/ | grep -q ^pod || fail "no answer"
[[ $(node conntrack -C) -gt 0 ]] || fail "no entries to flush"
agent_stop INT
is "$agent_status" 0 "SIGINT, exit status"
nothing_left "--flush"
is "$(node conntrack -L --mark 0x4c000000/0xfe000000 2>/dev/null)" "" "entries of ours after --flush"

# Doctor tries everything without a trace.
node "$LUNETTE" doctor >"$work/said" || fail "doctor: $(cat "$work/said")"
nothing_left "doctor"
