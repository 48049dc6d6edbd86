#!/usr/bin/env bash
# `lunette run --capture`: inline, every packet as it came and as it left; in commit mode the openings that reach the agent; a file
# of bounded size, read while the agent runs; what it is told to look for and cannot is an error.
source "$(dirname "${BASH_SOURCE[0]}")/lib.sh"
command -v tcpdump >/dev/null && command -v strings >/dev/null || skip "tcpdump or strings is not installed"

file=$work/capture.pcapng
packets() { tcpdump -nnr "$file" "$@" 2>/dev/null | wc -l; }
request() { client curl -sf --max-time 5 "${@:2}" -o /dev/null "http://10.96.0.10$1"; }
mkdir "$work/shut"

agent_start --inline --set-sysctls --capture "$file" --filter 'host 10.96.0.10 or host fd96::10'
request /big
request /
client curl -s --max-time 5 -o /dev/null 'http://[fd96::10]/'
client curl -s --max-time 5 -o /dev/null http://192.168.77.1:32329/ # which nobody asked for
wait_for eval '[[ $(packets "inbound and dst host 10.96.0.10 and tcp[tcpflags] & tcp-fin != 0") -eq 2 ]]'
is "$(packets 'inbound and dst host 10.96.0.10 and tcp[tcpflags] == tcp-syn')" 2 "inline: openings that came"
is "$(packets 'outbound and dst net 10.244.0.0/24 and tcp[tcpflags] == tcp-syn')" 2 "inline: openings that left"
is "$(packets 'ip6 and inbound and dst host fd96::10 and ip6[53] == 2')" 1 "inline: IPv6"
[[ $(packets 'inbound and src net 10.244.0.0/24') -eq $(packets 'outbound and src host 10.96.0.10') ]] || fail "inline: answers"
is "$(packets 'port 32329')" 0 "inline: what the filter does not hold"
is "$("$LUNETTE" replay --json "$file" | tail -1 | jq .summary.frames)" "$(packets)" "inline: packets that lunette reads back"
commented() { strings "$file" >"$work/strings"; grep -qE "$1" "$work/strings"; }
commented '^accept, new, tcp 192.168.77.2:[0-9]+ 10.96.0.10:80, flow [0-9]+, SYN_SENT, endpoint 10.244.0.[56]:8080$' ||
	fail "inline: no comment"
agent_stop TERM
is "$agent_status" 0 "inline: exit status"

# It ends at its limit, says so once, and the agent goes on.
agent_start --inline --set-sysctls --capture "$file" --capture-limit 20000
request /big
wait_for grep -q 'capture.pcapng: is as long as it may be, 20000 bytes; no more packets are written' "$agent_log"
request /
is "$(grep -c 'no more packets' "$agent_log")" 1 "limit: messages"
[[ $(stat -c %s "$file") -le 20000 && $(packets) -gt 2 ]] || fail "limit: $(stat -c %s "$file") bytes, $(packets) packets"
agent_stop TERM

agent_start --flush --capture "$file"
request /
request /
wait_for eval '[[ $(packets inbound) -eq 2 ]]'
is "$(packets 'inbound and tcp[tcpflags] == tcp-syn and dst host 10.96.0.10')" 2 "commit: openings"
commented 'flow [0-9]+, SYN_SENT, endpoint 10.244.0.[56]:8080$' || fail "commit: no comment"
kill -KILL "$agent"
wait "$agent" 2>/dev/null || true
is "$(packets inbound)" 2 "commit: what is there after a sudden end"

refused() { # TEXT OPTION...
	local status=0
	node "$LUNETTE" run -p "$work/policy.lua" --control none "${@:2}" 2>"$work/said" || status=$?
	[[ $status -ge 2 ]] && grep -qF -- "$1" "$work/said" || fail "${*:2}: $status $(cat "$work/said")"
}
refused "filter port x: " --capture "$work/x" --filter 'port x'
refused "$work/none/x: No such file" --capture "$work/none/x"
refused "--filter and --capture-limit are for --capture" --filter tcp
refused "is as long as it may be, 10 bytes" --capture "$work/x" --capture-limit 10
echo "ok: what cannot be is refused"
