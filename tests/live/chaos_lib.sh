# chaos_lib.sh - lib.sh, and traffic that has to bear what a test does meanwhile; sourced by the tests chaos_*.
#
# What may not be: a `wrk` connection that breaks, a request that gets no answer, a transfer that ends early or with a wrong
# byte, a datagram of a known UDP flow that is not answered, and a packet seen on the client's side that left the node
# untranslated, in either direction.
source "$(dirname "${BASH_SOURCE[0]}")/lib.sh"
command -v wrk >/dev/null || skip "wrk is not installed"

seconds=${CHAOS_SECONDS:-5}
ip netns exec "$lab-pod1" "$LUNETTE_BUILD/tests/helper-datagram" serve pod1 5353 &
started+=($!)
cat >>"$work/policy.lua" <<-EOT
	service "default/dns" {
		cluster_ips = { "10.96.0.11" }, endpoints = { "10.244.0.5" },
		ports = { { protocol = "udp", port = 53, target_port = 5353 } },
	}
EOT
client nft 'table inet leak { chain input { type filter hook prerouting priority -400;
	ip daddr 10.96.0.0/12 counter; ip saddr 10.244.0.0/16 ip daddr 192.168.77.0/24 counter;
	ip6 daddr fd96::/64 counter; ip6 saddr fd44::/64 ip6 daddr fd77::/64 counter;
}; }'

# again NAME COMMAND...: runs the command until the chaos ends; counts in $work/NAME.ok and $work/NAME.failed.
again() {
	local name=$1 status
	while [[ -e $work/chaos ]]; do
		status=0
		"${@:2}" || status=$?
		if [[ $status -eq 0 ]]; then echo >>"$work/$name.ok"; else echo "status $status" >>"$work/$name.failed"; fi
	done
}

download() { client curl -sg -o "$work/got$2" "http://$1/big" && cmp -s "$work/big" "$work/got$2"; }
upload() {
	rm -f "$work"/pod?/put/up
	client curl -s -o "$work/null" -T "$work/big" --limit-rate 8000k http://10.96.0.10/put/up &&
		cmp -s "$work/big" "$work"/pod?/put/up
}
request() { client curl -s http://10.96.0.10/ | grep -q '^pod' && sleep 0.05; }
datagram() { client "$LUNETTE_BUILD/tests/helper-datagram" ask -f 40000 10.96.0.11 53 >"$work/null" && sleep 0.05; }

chaos_begin() {
	local pid
	touch "$work/chaos"
	chaos_jobs=()
	ip netns exec "$lab-client" wrk -t1 -c16 -d $((seconds + 600))s http://10.96.0.10/ >"$work/wrk" &
	wrk=$!
	chaos_jobs+=($wrk)
	client curl -s -o "$work/got" http://10.96.0.10/slow & # one connection from the beginning to the end
	chaos_jobs+=($!)
	again download4 download 10.96.0.10 4 &
	chaos_jobs+=($!)
	again download6 download '[fd96::10]' 6 &
	chaos_jobs+=($!)
	again upload upload &
	chaos_jobs+=($!)
	again request request &
	chaos_jobs+=($!)
	again datagram datagram &
	chaos_jobs+=($!)
	for pid in "${chaos_jobs[@]}"; do started+=("$pid"); done
	sleep 1
}

chaos_end() {
	local pid name status=0
	rm "$work/chaos"
	kill -INT "$wrk" # it prints what it counted
	for pid in "${chaos_jobs[@]}"; do wait "$pid" || status=$?; done
	[[ $status -eq 0 ]] || fail "wrk or the long download ended with status $status"
	cmp "$work/big" "$work/got"
	for name in download4 download6 upload request datagram; do
		[[ ! -s $work/$name.failed ]] || fail "$name failed, times and how: $(sort "$work/$name.failed" | uniq -c)"
		[[ -s $work/$name.ok ]] || fail "there was no $name"
		echo "ok: $name, times: $(wc -l <"$work/$name.ok")"
	done
	! grep 'Socket errors' "$work/wrk" || fail "wrk: connections broke"
	grep -q 'requests in' "$work/wrk" || fail "wrk: $(cat "$work/wrk")"
	echo "ok: wrk: $(sed -n 's/^ *\([0-9]* requests in\)/\1/p' "$work/wrk")"
	is "$(client nft -j list table inet leak | jq '[.. | .counter? | objects | .packets] | add')" 0 "packets that left untranslated"
}
