#!/usr/bin/env bash
# `lunette run --metrics`: what it serves is Prometheus' format, read strictly, in both modes; the numbers are those of the traffic;
# what is not known is not there; the alert rules of examples/ speak of nothing else.
source "$(dirname "${BASH_SOURCE[0]}")/lib.sh"
exec 3>&1 # also from within wait_for
command -v perl >/dev/null || skip "perl is not installed"
reader=$LUNETTE_SOURCE/tests/live/exposition.awk

get() { node curl -s --max-time 5 "http://127.0.0.1:9464$1"; }
# scrape: takes the text, which must be right
scrape() {
	get /metrics >"$work/metrics"
	LC_ALL=C awk -f "$reader" "$work/metrics" >"$work/families" || fail "not the text format: $(cat "$work/metrics")" >&3
}
# sample NAME{LABELS}: its value, or "absent"
sample() { awk -v wanted="$1" 'substr($0, 1, length(wanted) + 1) == wanted " " { print $NF; found = 1 } END { if (!found) print "absent" }' "$work/metrics"; }
requests() { for _ in $(seq "$1"); do client curl -s --max-time 5 -o /dev/null http://10.96.0.10/; done; }
loaded() { scrape; [[ $(sample 'lunette_policy_loads_total{result="'"$1"'"}') -eq $2 ]]; }

# The reader refuses what is wrong: each of these is right but for one thing.
right=$'# HELP a_total A.\n# TYPE a_total counter\na_total{x="1",y="\\\\\\"\\n"} 1\na_total{x="2"} 2.5\n'
right+=$'# HELP h H.\n# TYPE h histogram\nh_bucket{le="0.1"} 1\nh_bucket{le="+Inf"} 3\nh_sum 4.2\nh_count 3\n'
accepts() { LC_ALL=C awk -f "$reader" <<<"$1" >/dev/null 2>&1; }
accepts "${right%$'\n'}" || fail "the reader refuses what is right"
for change in 's/counter/gauge/' 's/# TYPE a.*//' 's/} 1$/}  1/' 's/} 1$/} x/' 's/x="2"/x="1",y="\\\\\\"\\n"/' 's/y="/y="\\t/' \
	's/y="/y=""/' 's/_count 3/_count 4/' 's/+Inf/7/' 's/} 3/} 0/' 's/^h_sum.*/h_sum 1\nh_sum 2/' 's/^a_total{x="2"}/b_total/' \
	's/# HELP h H./# HELP a_total A./' 's/x="2"/x="2",x="3"/' 's/# HELP h H.//'; do
	! accepts "$(sed "$change" <<<"${right%$'\n'}")" || fail "the reader lets pass: $change"
done

cat >>"$work/policy.lua" <<-'EOT'
	service "default/none" { cluster_ips = { "10.96.0.12" }, ports = { { port = 80 } } }
	function on_flow(flow)
		if flow.source_port % 10 == 9 and flow.source_port < 1000 then error("on purpose") end
		if flow.source_port % 10 == 8 and flow.source_port < 1000 then return drop("on purpose") end
	end
EOT
cp "$work/policy.lua" "$work/right.lua"
for mode in commit inline; do
	port=70 options=(--flush)
	[[ $mode == commit ]] || port=71 options=(--inline --set-sysctls)
	sysctl_of node net.netfilter.nf_conntrack_acct=0
	agent_start --metrics 127.0.0.1:9464 "${options[@]}"
	is "$(get /healthz) $(get /readyz)" "ok ready" "$mode: health"
	is "$(node curl -s -o /dev/null -w '%{http_code}' http://127.0.0.1:9464/x)" 404 "$mode: another path"
	is "$(node curl -s -o /dev/null -w '%{http_code}' -d x http://127.0.0.1:9464/metrics)" 405 "$mode: another method"
	requests 4
	client curl -s --max-time 2 http://10.96.0.12/ && fail "a service without endpoints answered"
	client curl -s --max-time 5 --local-port ${port}9 -o /dev/null http://10.96.0.10/
	client curl -s --max-time 1 --local-port ${port}8 http://10.96.0.10/ && fail "what is dropped was answered"
	scrape
	if command -v promtool >/dev/null; then # large, and not among what tests install
		[[ -z $(promtool check metrics <"$work/metrics" 2>&1) ]] || fail "promtool: $(promtool check metrics <"$work/metrics" 2>&1)"
	fi
	echo "ok: $mode: $(wc -l <"$work/families") families, $(wc -l <"$work/metrics") lines"
	is "$(sample 'lunette_new_flows_total{decision="translate"}')" 5 "$mode: connections that were translated"
	[[ $(sample 'lunette_new_flows_total{decision="drop"}') -ge 1 && $(sample 'lunette_reasons_total{reason="policy_drop"}') -ge 1 ]] ||
		fail "$mode: the drop is not counted"
	[[ $(sample 'lunette_reasons_total{reason="no_endpoint"}') -ge 1 ]] || fail "$mode: no_endpoint is not counted"
	is "$(sample 'lunette_hook_errors_total{hook="on_flow"}')" 1 "$mode: failed calls"
	is "$(sample 'lunette_policy_errors_total{place="policy.lua:'"$(grep -n 'error("on purpose")' "$work/policy.lua" | cut -d : -f 1)"'"}')" 1 \
		"$mode: failed calls by their line"
	[[ $(sample 'lunette_hook_seconds_total{hook="on_flow"}') == 0.* ]] || fail "$mode: no time of hooks"
	is "$(sample 'lunette_service_flows{service="default/none:80"}')" 0 "$mode: connections of a service without endpoints"
	is "$(sample lunette_queue_waiting) $(sample 'lunette_queue_dropped_packets_total{cause="queue_full"}')" "0 0" "$mode: queue"
	is "$(sample 'lunette_endpoint_flows{service="default/web:http",protocol="tcp",endpoint="10.244.0.5:8080"}' | sed 's/[23]/some/')" \
		some "$mode: connections of an endpoint"
	is "$(sample 'lunette_service_flows{service="default/web:http"}')" 5 "$mode: connections of a service"
	traffic='lunette_service_bytes_total{service="default/web:http",direction="reply"}'
	if [[ $mode == commit ]]; then
		is "$(sample "$traffic") $(grep -c service_packets "$work/metrics" || true)" "absent 0" "$mode: what the kernel does not count"
		is "$(sample lunette_commit_seconds_count) $(sample lunette_committed_flows_total)" "5 5" "$mode: commits"
		sysctl_of node net.netfilter.nf_conntrack_acct=1
		client curl -s --max-time 5 -o /dev/null http://10.96.0.10/big
		wait_for eval 'scrape; [[ $(sample "$traffic") -gt 8000000 ]]'
		cat "$work/families" >"$work/all"
	else
		is "$(sample lunette_commit_seconds_count)" absent "$mode: commits"
		client curl -s --max-time 5 -o /dev/null http://10.96.0.10/big
		scrape
		[[ $(sample "$traffic") -gt 8000000 ]] || fail "$mode: bytes: $(sample "$traffic")"
	fi
	echo "ok: $mode: bytes of a service: $(sample "$traffic")"
	each() { awk -v wanted="lunette_$1_bytes_total" -v way="$2" 'index($0, wanted) == 1 && index($0, "\"" way "\"") { sum += $NF } END { printf "%d\n", sum }' "$work/metrics"; }
	grep -q '^lunette_endpoint_packets_total{protocol="tcp",endpoint="10.244.0.[56]:8080",direction="reply"} [1-9]' "$work/metrics" ||
		fail "$mode: no packets of endpoints: $(grep lunette_endpoint "$work/metrics")"
	is "$(each endpoint reply) $(each endpoint orig)" "$(each service reply) $(each service orig)" "$mode: bytes of all endpoints, and of all services"

	# A wrong policy is told, and the right one after it; numbers do not fall when connections end.
	before=$(sample "$traffic")
	echo 'service "x' >"$work/policy.lua"
	kill -HUP "$agent"
	wait_for eval 'loaded failure 1'
	is "$(sample lunette_policy_last_load_successful)" 0 "$mode: a policy that was refused"
	cp "$work/right.lua" "$work/policy.lua"
	kill -HUP "$agent"
	wait_for eval 'scrape; [[ $(sample lunette_policy_last_load_successful) -eq 1 ]]'
	"$LUNETTE" flows --control "$work/control" --source ::/0 --end >/dev/null
	wait_for eval 'scrape; [[ $(sample "lunette_service_flows{service=\"default/web:http\"}") -eq 0 ]]'
	is "$(each endpoint reply)" "$(each service reply)" "$mode: bytes of all endpoints, when connections ended"
	[[ $(sample "$traffic") -ge $before ]] || fail "$mode: bytes fell from $before to $(sample "$traffic")"

	# Whoever asks badly, or all at once, or goes away, holds up nobody.
	for _ in {1..30}; do node curl -s --max-time 3 -o /dev/null http://127.0.0.1:9464/metrics & done
	node perl -MIO::Socket::INET -e '$SIG{PIPE} = "IGNORE"; for (1 .. 20) { $s = IO::Socket::INET->new("127.0.0.1:9464") or die; print $s "GET /metrics HTTP/1.1\r\nHost: x\r\n\r\n" if $_ % 2; print $s "\0" x 70000; }'
	requests 1
	scrape
	# More connections than are served at once, which end in the same moment, leave room for new ones.
	node perl -MIO::Socket::INET -e '@all = map { IO::Socket::INET->new("127.0.0.1:9464") or die } 1 .. 20; print {$all[0]} "GET"; sleep 1; kill "STOP", $ARGV[0]' "$agent"
	kill -CONT "$agent"
	is "$(get /healthz)" ok "$mode: health after a crowd"
	agent_stop TERM
	is "$agent_status" 0 "$mode: exit status"
done

# Two cannot have one address, and what is none is refused.
for place in 127.0.0.1:80000 nonsense 192.0.2.1:9464; do
	status=0
	node "$LUNETTE" run -p "$work/policy.lua" --control none --metrics "$place" 2>"$work/said" || status=$?
	[[ $status -ge 2 ]] && grep -qF "$place" "$work/said" || fail "--metrics $place: $status $(cat "$work/said")"
done
node nft list tables | grep -q queue && fail "rules are left"

# Every metric that a rule speaks of is there, and each rule has what a rule needs.
perl -MCPAN::Meta::YAML -e '
	my $rules = CPAN::Meta::YAML->read($ARGV[0])->[0]{groups}[0]{rules};
	for (@$rules) {
		die "a rule without alert, expr, severity or summary\n"
			unless $_->{alert} && $_->{expr} && $_->{labels}{severity} && $_->{annotations}{summary};
		print "$_->{expr}\n";
	}' "$LUNETTE_SOURCE/examples/alerts.yml" >"$work/expressions"
known=$(awk '{ print $1; if ($2 == "histogram") print $1 "_bucket" }' "$work/all")
while read -r name; do
	grep -qx "$name" <<<"$known" || fail "examples/alerts.yml: there is no $name"
done < <(grep -oE 'lunette_[a-z_]+' "$work/expressions")
echo "ok: $(wc -l <"$work/expressions") alert rules"
