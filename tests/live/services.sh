#!/usr/bin/env bash
# Each kind of address, traffic policy, client and family: what `lunette trace` says of a connection is what becomes of it.  A pod
# that it may reach answers and saw the source that it says, or nobody does.
source "$(dirname "${BASH_SOURCE[0]}")/lib.sh"

cat >"$work/policy.lua" <<-EOT
	node { name = "node", addresses = { "192.168.77.1", "fd77::1" }, pods = { "10.244.0.0/16", "fd44::/64" } }
	local here, away = { node = "node" }, { node = "other" }
	local function declare(name, number, policy, endpoints)
		service("default/" .. name) {
			type = "NodePort",
			cluster_ips = { "10.96.0." .. number, "fd96::" .. number },
			external_ips = { "203.0.113." .. number, "fd13::" .. number },
			load_balancer_ips = { "198.51.100." .. number, "fd51::" .. number },
			load_balancer_source_ranges = { "192.168.77.0/24", "fd77::/64" },
			ports = { { port = 80, node_port = 32000 + number, target_port = 8080 } },
			external_traffic_policy = policy, internal_traffic_policy = policy, endpoints = endpoints,
		}
	end
	local both = {
		{ "10.244.0.5", node = "node" }, { "fd44::5", node = "node" }, { "10.244.0.6", node = "other" }, { "fd44::6", node = "other" },
	}
	declare("cluster", 10, "Cluster", both)
	declare("local", 11, "Local", both)
	declare("away", 12, "Local", { { "10.244.0.6", node = "other" }, { "fd44::6", node = "other" } })
	declare("nobody", 13, "Cluster", {})
EOT

source_of() { # CLIENT FAMILY
	case $1$2 in
	client4) echo 192.168.77.2 ;; node4) echo 192.168.77.1 ;; pod14) echo 10.244.0.5 ;; pod24) echo 10.244.0.6 ;;
	client6) echo fd77::2 ;; node6) echo fd77::1 ;; pod16) echo fd44::5 ;; pod26) echo fd44::6 ;;
	esac
}

address_of() { # KIND NUMBER FAMILY
	case $1$3 in
	cluster4) echo 10.96.0.$2:80 ;; external4) echo 203.0.113.$2:80 ;; balancer4) echo 198.51.100.$2:80 ;; node4) echo 192.168.77.1:320$2 ;;
	cluster6) echo "[fd96::$2]:80" ;; external6) echo "[fd13::$2]:80" ;; balancer6) echo "[fd51::$2]:80" ;; node6) echo "[fd77::1]:320$2" ;;
	esac
}

seen() { # CLIENT ADDRESS
	local said status=0
	said=$("$1" curl -s --max-time 1 "http://$2/") || status=$?
	case $status in 0) echo "$said" ;; 7) echo refused ;; *) echo silence ;; esac
}

agent_start
count=0
for family in 4 6; do
	for kind in cluster external balancer node; do
		asking=()
		for number in 10 11 12 13; do
			for who in client node pod1 pod2; do
				source=$(source_of $who $family) address=$(address_of $kind $number $family)
				seen $who "$address" >"$work/seen-$((100 + count))" &
				asking+=($!)
				[[ $family == 4 ]] || source="[$source]"
				echo "tcp $source:40000 $address" >>"$work/queries"
				count=$((count + 1))
			done
		done
		wait "${asking[@]}"
	done
done
cat "$work"/seen-* | jq -R . >"$work/seen"

# A hairpin is said of the endpoint that was drawn: of several answers one is taken that drew another, if there is one.
for seed in 0 1 2 3 4 5; do
	"$LUNETTE" trace -p "$work/policy.lua" --seed $seed --json <"$work/queries" 2>/dev/null | jq -s . >"$work/said-$seed"
done
jq -rs --slurpfile seen "$work/seen" '
	def plain: sub(":[0-9]+$"; "") | gsub("[][]"; "");
	# What may be seen: "POD SOURCE" of each endpoint, "refused", "silence".
	def outcomes: (.query | split(" ")[1] | plain) as $source | (if $source | test(":") then "fd44::1" else "10.244.0.1" end) as $hidden |
		if .result == "reject" then "refused" elif .result != "dnat" then "silence" else
		.masquerade as $masquerade | .endpoints[].address | plain |
		"\(if test("[.:]5$") then "pod1" else "pod2" end) \(if . == $source or $masquerade then $hidden else $source end)" end;
	transpose | to_entries[] | .key as $index |
	(.value | map(select(.masquerade_why // "" | contains("R5") | not))[0] // .[0]) | [outcomes] as $may |
	select($may | index($seen[$index]) | not) | "\(.query): the trace says \($may | join(", ")), seen \($seen[$index])"
	' "$work"/said-* >"$work/differ"
[[ ! -s $work/differ ]] || fail "$(cat "$work/differ")"
is "$(jq -s length "$work/seen")" 128 "connections that went as the trace said"
