#!/usr/bin/env bash
# A forged SYN on a live connection's addresses and ports changes nothing, whether or not the agent knows the connection.
source "$(dirname "${BASH_SOURCE[0]}")/lib.sh"

entry() { node conntrack -L -o id -p tcp --orig-port-src "$1" 2>/dev/null | grep -o 'src=.*' | sed 's/ use=.*id=/ id=/'; }

# forge PORT: twenty SYNs, each with another sequence number.
forge() {
	for sequence in {1..20}; do
		client "$LUNETTE_BUILD/tests/helper-forge_syn" 192.168.77.2 "$1" 10.96.0.10 80 "$((sequence * 200000000))"
	done
}

# A download from a port; forged SYNs in the middle.
attack() {
	client curl -s --local-port "$1" -o "$work/got" http://10.96.0.10/slower &
	local download=$! before after
	sleep 0.6
	before=$(entry "$1")
	[[ -n $before ]] || fail "no entry for the connection"
	"${@:2}"
	forge "$1"
	after=$(entry "$1")
	kill -0 $download || fail "the download was over too early"
	is "$after" "$before" "the kernel's entry after forged SYNs"
	wait $download || fail "the download broke: curl status $?"
	cmp "$work/big" "$work/got"
	echo "ok: right bytes"
}

agent_start
attack 40000 true

# The agent's memory of the connection goes with the agent; the kernel's entry is adopted.
restart() { agent_stop KILL; agent_start; }
attack 40001 restart

# A table that is full forgets nothing either: the engine has no room for what it would adopt.
small() { agent_stop KILL; agent_start --flow-limit 1; }
attack 40002 small
