#!/usr/bin/env bash
# Nothing leaves untranslated, whatever becomes of the agent: it hangs, its queue is full, it is killed, starts again, loads
# another policy.  Captures on all sides prove it.  What concerns no service goes on meanwhile.
source "$(dirname "${BASH_SOURCE[0]}")/lib.sh"
probe=$LUNETTE_BUILD/tests/helper-probe
for pod in pod1 pod2; do
	ip netns exec "$lab-$pod" "$probe" serve 5353 &
	started+=($!)
done
sed -i 's/node {/node { intercept = { "10.244.0.5" },/' "$work/policy.lua"
cat >>"$work/policy.lua" <<-EOT
	function on_flow(flow)
		if flow.destination_port == 8082 then return dnat("10.244.0.6:8080", { masquerade = true }) end
	end
	service "default/kept" {
		cluster_ips = { "10.96.0.11" }, endpoints = { "10.244.0.5" }, masquerade = "never",
		ports = { { port = 80, target_port = 8080 } },
	}
	service "default/dns" {
		cluster_ips = { "10.96.0.10", "fd96::10" }, endpoints = { "10.244.0.5", "10.244.0.6", "fd44::5", "fd44::6" },
		ports = { { protocol = "udp", port = 53, target_port = 5353 } },
	}
EOT
agent_start --inline --set-sysctls
captures=()
for name in client pod1 pod2; do
	ip netns exec "$lab-$name" tcpdump -Q in -s 96 -U -ni eth0 -w "$work/$name.pcap" 'tcp or udp' 2>"$work/$name.said" &
	captures+=($!)
	started+=($!)
	wait_for grep -q "listening on" "$work/$name.said"
done

# Traffic that goes on all the time; what it gets does not matter here.
traffic() {
	while true; do
		for host in 10.96.0.10 [fd96::10] 192.168.77.1:32329; do "$1" curl -sg --max-time 0.5 -o "$work/null" "http://$host/big" || true; done
	done
}
traffic client &
started+=($!)
traffic node &
started+=($!)

served() { client curl -s --max-time 1 -o "$work/null" http://10.96.0.10/ && client curl -sg --max-time 1 -o "$work/null" http://[fd96::10]/; }
goes_on() { # WHEN
	is "$(client "$probe" ping 10.244.0.5 56) $(client "$probe" ping fd44::5 56)" "56 bytes 56 bytes" "pings $1"
}

wait_for served
goes_on "while it serves"

# Segments that are not valid, on a connection that only a script translates: nobody but the agent knows where they belong.
client curl -s --local-port 45000 --limit-rate 8M -o "$work/down" http://10.244.0.5:8082/big &
download=$!
sleep 0.3
client "$LUNETTE_BUILD/tests/helper-forge_syn" 192.168.77.2 45000 10.244.0.5 8082 20 ack
wait "$download" || fail "a download broke over forged segments: curl status $?"
cmp "$work/big" "$work/down"
echo "ok: a download among forged segments"

# The queue holds 16,384 packets; more are passed on by the kernel, without our bit.
kill -STOP "$agent"
client "$probe" flood 10.96.0.10 53 20000
[[ $(awk '$1 == 4242 { print $3 }' <(node cat /proc/net/netfilter/nfnetlink_queue)) -ge 16384 ]] || fail "the queue is not full"
goes_on "while the agent hangs and its queue is full"
client curl -s --max-time 0.5 -o "$work/null" http://10.96.0.10/ && fail "served past the agent"
kill -CONT "$agent"
wait_for served
echo "ok: served again"

kill -KILL "$agent"
wait "$agent" 2>/dev/null || true
goes_on "while nobody is there"
client curl -s --max-time 0.5 -o "$work/null" http://10.96.0.10/ && fail "served by nobody"
agent_start --inline
wait_for served
echo "ok: served by the next one"
for _ in 1 2 3 4 5; do reload; done
wait_for served
echo "ok: served after reloads"

# The rules of the other mode make room, also those of an agent that was killed; not those of one that lives.
refused_by_other() { # OPTION...
	local status=0
	node "$LUNETTE" run -p "$work/policy.lua" --queue 8 "$@" 2>"$work/said" || status=$?
	is "$status" 3 "another agent beside it: exit status"
	grep -q "served by process $agent " "$work/said" || fail "it said: $(cat "$work/said")"
}
hooks() { node nft list table inet lunette | grep -c 'type .* hook'; }
is "$(hooks)" 4 "hooks of inline mode"
refused_by_other
kill -KILL "$agent"
wait "$agent" 2>/dev/null || true
client "$probe" flood 10.96.0.10 53 300000 & # not one of them may pass between the two
started+=($!)
agent_start
wait_for served
[[ $(hooks) -ge 8 ]] && ! node nft list table inet lunette | grep -q answered || fail "the hooks of commit mode are others"
refused_by_other --inline
agent_stop TERM
agent_start --inline
wait_for served
is "$(hooks)" 4 "hooks of inline mode, over what commit mode left"

# A pod that answers a client whose source was kept, when the agent is gone: what it sends stays here.
client curl -s --local-port 46000 --limit-rate 1M -o "$work/null" http://10.96.0.11/big &
started+=($!)
sending() { pod1 ss -tinH "dport = :46000" | grep -q "$1"; }
wait_for sending bytes_acked
kill -KILL "$agent"
wait "$agent" 2>/dev/null || true
wait_for sending retrans:

for pid in "${captures[@]}"; do kill -INT "$pid"; done
for pid in "${captures[@]}"; do wait "$pid" || true; done
# seen NAME FILTER: packets that came to it.
seen() { tcpdump -ttnr "$work/$1.pcap" "$2" 2>/dev/null | tee "$work/seen" | wc -l; }
none() { # NAME FILTER WHAT
	local count
	count=$(seen "$1" "$2")
	[[ $count -eq 0 ]] || head -20 "$work/seen"
	is "$count" 0 "$3"
}
for name in client pod1 pod2; do
	[[ $(seen "$name" tcp) -gt 100 ]] || fail "the capture at $name has seen next to nothing"
done
pods="src net 10.244.0.0/16 or src net fd44::/64" services="dst net 10.96.0.0/16 or dst net fd96::/64"
none pod1 "tcp dst port 8082" "packets that a script sends to pod2 and that came to pod1"
none client "($pods) and not src port 8082" "packets of pods that came to the client untranslated"
none client "$services" "packets to services that left by the default route"
for pod in pod1 pod2; do
	none $pod "$services" "packets to services that came to $pod"
	none $pod "(src net 192.168.77.0/24 or src net fd77::/64) and not src port 46000" "packets that came to $pod without masquerade"
done
