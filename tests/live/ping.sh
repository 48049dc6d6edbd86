#!/usr/bin/env bash
# Pings to cluster addresses of services that have endpoints are answered, whoever asks, over IPv4 and IPv6, also after the agent was
# killed; those to others are not, nor are any where `answer_echo` is off.
source "$(dirname "${BASH_SOURCE[0]}")/lib.sh"

probe=$LUNETTE_BUILD/tests/helper-probe
cat >>"$work/policy.lua" <<-EOT
	service "default/nobody" {
		cluster_ips = { "10.96.0.11", "fd96::11" }, external_ips = { "10.96.0.12" },
		ports = { { port = 80, target_port = 8080 }, { name = "more", port = 81 } }, endpoints = {},
	}
EOT
client nft 'table inet leak { chain input { type filter hook prerouting priority -400;
	iif eth0 ip daddr 10.96.0.0/12 counter; ip saddr 10.244.0.0/16 counter; ip6 saddr fd44::/64 counter;
}; }'
untranslated() { client nft -j list table inet leak | jq '[.. | .counter? | objects | .packets] | add'; }
answers() { # of everybody to pings of a length at addresses
	for address in "${@:2}"; do
		for who in client node pod1; do
			"$who" "$probe" ping "$address" "$1" &
		done
		wait
	done | sort | uniq -c | xargs
}

agent_start
is "$(answers 56 10.96.0.10 fd96::10)" "6 56 bytes" "short pings"
is "$(answers 5000 10.96.0.10 fd96::10)" "6 5000 bytes" "long pings"
is "$(client curl -s --max-time 5 http://10.96.0.10/ | cut -d' ' -f1)" pod1 "a connection, meanwhile"
is "$(untranslated)" 0 "packets that left untranslated"
is "$(node "$probe" ping 10.96.0.11 56) $(pod1 "$probe" ping fd96::11 56)" "silence silence" "pings where there is no endpoint"

sed -i '/default\/nobody/,$s/endpoints = {}/endpoints = { "10.244.0.6", "fd44::6" }/' "$work/policy.lua"
reload
is "$(answers 56 10.96.0.11 fd96::11)" "6 56 bytes" "pings where there is one now"
is "$(node "$probe" ping 10.96.0.12 56)" "silence" "a ping to an external address"
agent_stop KILL
is "$(answers 56 10.96.0.10 fd96::10)" "6 56 bytes" "pings when the agent is gone"

sed -i 's/^node { /&answer_echo = false, /' "$work/policy.lua"
agent_start
is "$(node "$probe" ping 10.96.0.10 56) $(pod1 "$probe" ping fd96::10 56)" "silence silence" "pings that are not to be answered"
