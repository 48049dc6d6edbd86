#!/usr/bin/env bash
# An entry in the kernel's table that stands in the way of a connection to a service: it heals within a second.  And where
# nothing can heal, nothing leaves untranslated.
source "$(dirname "${BASH_SOURCE[0]}")/lib.sh"

client nft 'table inet leak { chain input { type filter hook prerouting priority -400; ip daddr 10.96.0.0/12 counter; }; }'
leaked() { client nft -j list table inet leak | jq '[.. | .counter? | objects | .packets] | add'; }

# stray PORT [OPTION]...: an entry on the tuple of a connection from that port.
stray() {
	node conntrack -I -p tcp -s 192.168.77.2 -d 10.96.0.10 --sport "$1" --dport 80 --state ESTABLISHED -t 300 "${@:2}" \
		-u SEEN_REPLY,ASSURED >/dev/null 2>&1 || fail "conntrack -I"
}

# connects PORT WHAT: a connection from that port gets its answer within a second.
connects() {
	local status=0
	client curl -s --max-time 1 --local-port "$1" http://10.96.0.10/ >"$work/answer" || status=$?
	[[ $status -eq 0 ]] || fail "$2: curl status $status; $(node conntrack -L -p tcp --orig-port-src "$1" 2>/dev/null)"
	echo "ok: $2"
}

sysctl_of client net.ipv4.tcp_max_tw_buckets=0 # the client may use its ports again at once
agent_start
connects 40000 "nothing in the way"

stray 40001
connects 40001 "a stray entry without translation"

stray 40002 -g 10.244.0.99:8080
connects 40002 "a stray entry to an endpoint that does not exist"

# Ours, but over: the same port again at once.
connects 40003 "a connection"
connects 40003 "the same port again while the kernel is in TIME_WAIT"

# Ours, and gone behind our back.
node conntrack -D -p tcp --orig-port-src 40003 >/dev/null 2>&1
connects 40003 "the same port again after somebody deleted the entry"

connects 40004 "a connection"
node conntrack -D -p tcp --orig-port-src 40004 >/dev/null 2>&1
stray 40004 -g 10.244.0.99:8080
connects 40004 "the same port again after somebody replaced the entry"

# The entry is replaced while the opening waits for its answer: the retransmission, a second later, heals it.
pod1 nft 'table inet mute { chain input { type filter hook prerouting priority -400; tcp flags syn drop; }; }'
pod2 nft 'table inet mute { chain input { type filter hook prerouting priority -400; tcp flags syn drop; }; }'
client curl -s --max-time 5 --local-port 40005 http://10.96.0.10/ >"$work/answer" &
pending=$!
wait_for eval "node conntrack -L -p tcp --orig-port-src 40005 2>/dev/null | grep -q SYN_SENT"
node conntrack -D -p tcp --orig-port-src 40005 >/dev/null 2>&1
stray 40005 -g 10.244.0.99:8080
pod1 nft delete table inet mute
pod2 nft delete table inet mute
wait $pending || fail "the entry was replaced while the opening waited: curl status $?"
echo "ok: the entry was replaced while the opening waited"

# The old entry of a port does not help an opening that the policy rejects now.
connects 40007 "a connection"
cp "$work/policy.lua" "$work/first.lua"
sed -i 's/endpoints = .*/endpoints = {},/' "$work/policy.lua"
reload
status=0
client curl -s --max-time 1 --local-port 40007 http://10.96.0.10/ || status=$?
is "$status" 7 "the same port again, rejected by now: curl"
cp "$work/first.lua" "$work/policy.lua"
reload

# An opening that is in nobody's set, as after a crash in the middle of a change: the fail-safe rule holds it back.
is "$(leaked)" 0 "packets that left untranslated"
agent_stop KILL
stray 40006
status=0
client curl -s --max-time 1 --local-port 40006 http://10.96.0.10/ || status=$?
is "$status" 28 "a stray entry and no agent: curl"
is "$(leaked)" 0 "packets that left untranslated"
