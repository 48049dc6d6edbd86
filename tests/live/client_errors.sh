#!/usr/bin/env bash
# The errors that a client gets (refused, reset, timed out, no route): each is provoked, and what its connect() or read() fails with is
# what `lunette trace` or `lunette flows` says, with the reason.
source "$(dirname "${BASH_SOURCE[0]}")/lib.sh"
command -v perl >/dev/null || skip "perl is not installed"

cat >>"$work/policy.lua" <<-'EOT'
	service "default/empty" { cluster_ips = { "10.96.0.20" }, ports = { { port = 80 } } }
	service "default/shut" { cluster_ips = { "10.96.0.21" }, ports = { { port = 80, target_port = 9 } }, endpoints = { "10.244.0.5" } }
	service "default/rude" { cluster_ips = { "10.96.0.22" }, ports = { { port = 80, target_port = 7000 } }, endpoints = { "10.244.0.5" } }
	service "default/mute" { cluster_ips = { "10.96.0.23" }, ports = { { port = 80, target_port = 7001 } }, endpoints = { "10.244.0.5" } }
	service "default/far" { masquerade = "never", cluster_ips = { "10.96.0.24" }, ports = { { port = 80 } }, endpoints = { "10.244.9.9" } }
	service "default/guarded" { cluster_ips = { "10.96.0.25" }, ports = { { port = 80 } }, endpoints = { "10.244.0.5" } }
	function on_flow(flow)
		if flow.service == "default/guarded" then return drop("not for you") end
	end
EOT
pod1 nft 'table inet mute { chain input { type filter hook prerouting priority -400; tcp dport 7001 drop; }; }'
pod1 perl -MIO::Socket::INET -e '
	my $listener = IO::Socket::INET->new(LocalPort => 7000, Listen => 9, ReuseAddr => 1) or die;
	while (my $s = $listener->accept) { sysread $s, $_, 1; setsockopt $s, SOL_SOCKET, SO_LINGER, pack "ii", 1, 0; close $s }' &
started+=($!)
node ip route add unreachable 10.244.9.9
sysctl_of client net.ipv4.tcp_syn_retries=2 # so that a connection times out in seven seconds, and not in two minutes

# sees NAME ADDRESS: what a client gets of the service there, into $work/NAME
sees() {
	client perl -MIO::Socket::INET -e '
		my $s = IO::Socket::INET->new("$ARGV[0]:80") or print("$!\n"), exit;
		print $s "x"; $s->flush; defined sysread $s, $_, 1 or print "$!\n";' "$2" >"$work/$1"
}
# trace ADDRESS: what trace says that a client sees, and why
trace() {
	"$LUNETTE" trace -p "$work/policy.lua" tcp 192.168.77.2:40000 "$1:80" 2>/dev/null |
		sed -n -e 's/^  => \([a-z]*\): \(.*\)/\2/p' -e 's/^  the client sees: //p' | paste -sd '|'
}
# flows ADDRESS: the same of flows, of a running agent
flows() { "$LUNETTE" flows --control "$work/control" "dst host $1" | sed 's/, masqueraded//; s/.* s  \([^ ]*\); the client sees: /\1|/' | head -1; }

agent_start
"$LUNETTE" flows --control "$work/control" --follow >"$work/followed" &
started+=($!)
sees mute 10.96.0.23 &
mute=$!
sees guarded 10.96.0.25 &
guarded=$!

is "$(trace 10.96.0.20)" "the service has no usable endpoint|Connection refused (a RST answers its SYN)" "trace, a service without endpoints"
sees empty 10.96.0.20
is "$(cat "$work/empty")" "Connection refused" "the client"

sees shut 10.96.0.21
is "$(cat "$work/shut")" "Connection refused" "the client of a port at which nobody listens"
wait_for grep -q '^ended .* 10.96.0.21:80 .*; the client sees: Connection refused (it ended before it was answered)$' "$work/followed"

sees rude 10.96.0.22
is "$(cat "$work/rude")" "Connection reset by peer" "the client of who resets"
wait_for eval '[[ $(flows 10.96.0.22) == *reset* ]]'
is "$(flows 10.96.0.22)" "default/rude:80|Connection reset by peer (a RST came when it was open)" "flows"

sees far 10.96.0.24
is "$(cat "$work/far")" "No route to host" "the client of an endpoint that is not reached"
is "$(flows 10.96.0.24)" "default/far:80|No route to host (this node has no route to its endpoint)" "flows"

# Which is said between two of its SYNs: the next one may be answered.
wait_for eval 'seen=$(flows 10.96.0.23); [[ $seen == *"timed out"* ]]'
is "$seen" "default/mute:80|Connection timed out (its endpoint does not answer)" "flows, an endpoint that is silent"
is "$(trace 10.96.0.25)" "not for you|Connection timed out (nothing answers its SYN)" "trace, what the policy drops"
wait $mute $guarded
is "$(cat "$work/mute" "$work/guarded" | xargs)" "Connection timed out Connection timed out" "the clients"
agent_stop TERM
