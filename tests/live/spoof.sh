#!/usr/bin/env bash
# A forged SYN on a live connection's addresses and ports changes nothing, whether or not the agent knows the connection.
source "$(dirname "${BASH_SOURCE[0]}")/lib.sh"

entry() { node conntrack -L -o id -p tcp --orig-port-src "$1" 2>/dev/null | grep -o 'src=.*' | sed 's/ use=.*id=/ id=/'; }

# attack PORT WHAT: twenty SYNs with sequence numbers all over the range, in the middle of the download from that port.
attack() {
	local before after
	before=$(entry "$1")
	[[ -n $before ]] || fail "no entry for the connection"
	client "$LUNETTE_BUILD/tests/helper-forge_syn" 192.168.77.2 "$1" 10.96.0.10 80 20
	client curl -s --max-time 5 -o "$work/other" http://10.96.0.10/ || true # when this is answered or refused, so are they
	after=$(entry "$1")
	kill -0 "${downloads[$1]}" || fail "the download was over too early"
	is "$after" "$before" "the kernel's entry after forged SYNs, $2"
}

agent_start
declare -A downloads
for port in 40000 40001 40002; do
	client curl -s --local-port $port -o "$work/got$port" http://10.96.0.10/slow &
	downloads[$port]=$!
	wait_for test -s "$work/got$port"
done
attack 40000 "which the agent committed"

# The agent's memory of the connections goes with the agent; the kernel's entries are adopted.
agent_stop KILL
agent_start
attack 40001 "which the agent adopted"

# The engine has no room for what it would adopt.
agent_stop KILL
agent_start --flow-limit 1
attack 40002 "for which the agent has no room"

for port in 40000 40001 40002; do
	wait "${downloads[$port]}" || fail "the download from port $port broke: curl status $?"
	cmp "$work/big" "$work/got$port"
done
echo "ok: right bytes"
