#!/usr/bin/env bash
# As a service: once it serves, the agent has CAP_NET_ADMIN and CAP_NET_RAW and nothing else, as root and as another user, and
# with no more than that it reloads, counts and cleans up; it also starts with no more; the service manager is told how it is.
source "$(dirname "${BASH_SOURCE[0]}")/lib.sh"
for program in perl setpriv; do
	command -v $program >/dev/null || skip "$program is not installed"
done
getent passwd nobody >/dev/null || skip "there is no user nobody"

chmod 755 "$work"
chmod 644 "$work/policy.lua"
status_of() { awk -v key="$1:" '$1 == key { print $2 }' "/proc/$agent/status"; }
# has USER: what the agent has now
has() {
	local name
	is "$(status_of Uid)" "$(id -u "$1")" "user of the agent"
	is "$(status_of Gid)" "$(id -g "$1")" "its group"
	for name in CapEff CapPrm CapInh CapAmb; do
		is "$(status_of $name)" 0000000000003000 "its $name"
	done
	is "$(status_of NoNewPrivs)" 1 "no new privileges"
}
serves() { client curl -s --max-time 2 http://10.96.0.10/ | grep -q ^pod || fail "the agent does not serve $1"; }
rules() { node nft list ruleset; }
# works: it serves, changes its rules, and counts what the kernel drops, which only root may open
works() {
	serves "at first"
	reload
	serves "after a reload"
	is "$("$LUNETTE" stats --control "$work/control" --json | jq 'select(.summary) | .summary.queue_full')" 0 "packets lost"
}

agent_start
has root
works
agent_stop TERM
is "$agent_status" 0 "exit status"
is "$(rules | grep -cE 'queue-num 4242|queue (num|to) 4242')" 0 "rules that queue openings, at the end"

agent_start --user nobody
has nobody
is "$(stat -c '%U %a' "$work/control")" "nobody 600" "owner and mode of the socket"
as_nobody() { setpriv --reuid nobody --clear-groups "$@"; }
is "$(as_nobody "$LUNETTE" stats --control "$work/control" --json | jq -r 'select(.summary) | .summary.queued')" 0 "its user asks"
works
kill -STOP "$agent"
client "$LUNETTE_BUILD/tests/helper-forge_syn" 192.168.77.3 40000 10.96.0.10 80 20000
kill -CONT "$agent"
lost() { "$LUNETTE" stats --control "$work/control" --json | jq 'select(.summary) | .summary | .queue_full + .socket_full'; }
[[ $(lost) -ge 1000 ]] || fail "it does not see what was lost: $(lost)"
echo "ok: packets that found the queue full: $(lost)"
serves "after that"
agent_stop TERM
is "$agent_status" 0 "exit status"
is "$(rules | grep -cE 'queue-num 4242|queue (num|to) 4242')" 0 "rules that queue openings, at the end"
agent_start --user nobody --flush
agent_stop TERM
is "$(rules)" "" "rules after --flush"

settings() { node sysctl -a 2>/dev/null | grep -E 'ip_forward =|accept_local|rp_filter|all.forwarding'; }
settings >"$work/before"
agent_start --user nobody --inline --set-sysctls
has nobody
works
agent_stop TERM
is "$(rules)" "" "rules after inline mode"
settings | cmp - "$work/before" || fail "the sysctls are not put back"

# Started with no more than that.
rm -f "$work/control"
mkdir "$work/own"
chown nobody "$work/own"
ip netns exec "$lab-node" setpriv --reuid nobody --regid "$(id -g nobody)" --clear-groups --inh-caps -all,+net_admin,+net_raw \
	--ambient-caps -all,+net_admin,+net_raw --bounding-set -all,+net_admin,+net_raw \
	"$LUNETTE" run -p "$work/policy.lua" --json --control "$work/own/control" --flush 2>"$work/agent-nobody.log" &
agent=$!
agent_log=$work/agent-nobody.log
started+=("$agent")
wait_for grep -q '"event":"ready"' "$agent_log"
has nobody
serves "when nobody starts it"
agent_stop TERM
is "$(rules)" "" "rules after that"

status=0
node "$LUNETTE" run -p "$work/policy.lua" --user no-such-user 2>"$work/said" || status=$?
is "$status: $(cat "$work/said")" "2: lunette: --user no-such-user: there is no such user" "another user's name"

# The service manager: a file, or a name of its own kind.  It is told of each thing after it is so.
manager() {
	node perl -MIO::Socket::UNIX -e '
		umask 0; # everybody may tell it
		$s = IO::Socket::UNIX->new(Type => SOCK_DGRAM, Local => $ARGV[0] =~ s/^@/\0/r) or die "$!";
		$| = 1; print "listens\n";
		while (defined $s->recv($m, 4096)) { print join(",", map { s/\d{6,}/TIME/r } split /\n/, $m), "\n" }' "$1"
}
for socket in "$work/notify" "@lunette-test-$$"; do
	manager "$socket" >"$work/told" &
	started+=($!)
	wait_for grep -q listens "$work/told"
	export NOTIFY_SOCKET=$socket
	agent_start --user nobody
	echo 'error("no")' >>"$work/policy.lua"
	reload 'the old policy stays'
	sed -i '$d' "$work/policy.lua"
	reload
	agent_stop TERM
	wait_for grep -q STOPPING "$work/told"
	reloads="RELOADING=1,MONOTONIC_USEC=TIME READY=1"
	is "$(xargs <"$work/told")" "listens READY=1 $reloads $reloads STOPPING=1" "what the manager at ${socket:0:1} is told"
done
export NOTIFY_SOCKET=$work/nowhere
agent_start
grep -q 'service manager at NOTIFY_SOCKET was not told: No such file' "$agent_log" || fail "no word of it: $(cat "$agent_log")"
serves "without the manager that it was promised"
unset NOTIFY_SOCKET
agent_stop TERM
