#!/usr/bin/env bash
# `lunette doctor`: each line passes, warns or fails, with the cure where it does not pass; what gets in an agent's way is found, and
# no more once it is gone; an agent's own rules are none of that.
source "$(dirname "${BASH_SOURCE[0]}")/lib.sh"

look() { node "$@" "$LUNETTE" doctor --json >"$work/findings" || true; }
# finding NAME: what doctor said of it, and whether there is a cure
finding() {
	jq -r --arg name "$1" 'select(.name == $name) | "\(.result) \(if .cure then "cure" else "-" end)"' "$work/findings"
}
text() { jq -r --arg name "$1" 'select(.name == $name).text' "$work/findings"; }
rules="kube_proxy mark_bits notrack forward_policy"
all_pass() { # WHAT NAME...
	for name in "${@:2}"; do is "$(finding "$name")" "pass -" "$1: $name"; done
}

node "$LUNETTE" doctor >"$work/said"
grep -vE '^(pass|warn|fail)  [a-z0-9_]+ +[^ ]|^ {29}[^ ]|^$|^lunette run would work here$' "$work/said" &&
	fail "a line of another form"
is "$(grep -cE '^(warn|fail)' "$work/said")" "$(grep -cE '^ {29}[^ ]' "$work/said")" "cures"
grep -q ^fail "$work/said" && fail "something fails here, and the agent would work?"
look
all_pass "nobody else" queue_free $rules ip_forward
[[ $(text clock) =~ takes\ [0-9]+\ ns ]] || fail "clock: $(text clock)"
[[ $(text conntrack_size) =~ ^[0-9]+\ of\ [0-9]+\ entries ]] || fail "conntrack_size: $(text conntrack_size)"
sysctl_of node net.ipv4.ip_forward=0
look setpriv --bounding-set -net_admin --inh-caps -net_admin
is "$(finding ip_forward), $(finding cap_net_admin)" "warn cure, fail cure" "a sysctl and a privilege that are missing"
sysctl_of node net.ipv4.ip_forward=1

# Each kind of rule that makes trouble, and the finding names it.
node nft -f - <<-'EOT'
	table ip other {
		chain KUBE-SERVICES { accept; }
		chain x { meta mark set meta mark | 0x00200000; }
		chain y { type filter hook prerouting priority raw; notrack; }
		chain z { type filter hook forward priority 0; policy drop; }
	}
EOT
look
for name in $rules; do is "$(finding "$name")" "warn cure" "others' rules: $name"; done
[[ $(text kube_proxy) == *KUBE-SERVICES* && $(text mark_bits) == *0x00200000* && $(text notrack) == *notrack* ]] &&
	[[ $(text forward_policy) == "ip other: type filter hook forward"*"policy drop"* ]] || fail "which rules? $(cat "$work/findings")"
node nft delete table ip other
node nft 'table ip other { chain x { meta mark set meta mark & 0xffefffff; }; }'
look
is "$(finding mark_bits)" "warn cure" "a bit of ours that is cleared"
node nft delete table ip other
node nft 'table ip other { chain x { meta mark set meta mark & 0xffffbfff; ct mark set 0x00300000; meta mark set 0x4000; }; }'
look
all_pass "others' bits" $rules
node nft delete table ip other

# A running agent's own rules and queue are right; another's queue is not.
agent_start
look
all_pass "beside an agent" queue_free $rules
agent_stop TERM
ip netns exec "$lab-node" "$LUNETTE_BUILD/bench/queue_loop" 4242 >/dev/null 2>&1 &
started+=($!)
wait_for grep -q 4242 /proc/$!/net/netfilter/nfnetlink_queue
look
is "$(finding queue_free)" "warn cure" "$(text queue_free)"

# A table that is too small, as the kernel would say it.
echo 1000 >"$work/1000"
if node unshare -m mount --bind "$work/1000" /proc/sys/net/netfilter/nf_conntrack_max 2>/dev/null; then
	look unshare -m bash -c 'mount --bind "$0" /proc/sys/net/netfilter/nf_conntrack_max && exec "$@"' "$work/1000"
	is "$(finding conntrack_size)" "warn cure" "$(text conntrack_size)"
fi
