#!/usr/bin/env bash
# `lunette replay --capture`: a pcapng file with packets before and after, which tcpdump and lunette read; what was decided is each
# one's comment; filters and limits hold, and what is wrong is said.
set -euo pipefail

command -v tcpdump >/dev/null || { echo "skipped: tcpdump is not installed"; exit 77; }
examples=${LUNETTE_SOURCE:?}/examples
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
cd "$folder"

fail() { echo "FAILED: $*" >&2; exit 1; }
is() { [[ $1 == "$2" ]] || fail "$3: expected '$2', got '$1'"; }
replay() { "$LUNETTE" replay -p "$examples/kind.lua" "$examples/kind.pcap" "$@"; }
packets() { tcpdump -nnr "$@" 2>/dev/null | wc -l; }
# says STATUS TEXT COMMAND...
says() {
	local status=0
	"${@:3}" >out 2>err || status=$?
	[[ $status -eq $1 ]] && grep -qF -- "$2" err || fail "${*:3}: expected $1 and '$2', got $status and '$(cat err)'"
}

# Every packet as it came, and every one that left, as `--write` has it.
replay --capture both.pcapng -w left.pcap >out
is "$(packets both.pcapng inbound)" "$(packets "$examples/kind.pcap")" "packets that came"
is "$(packets both.pcapng outbound)" "$(packets left.pcap)" "packets that left"
text() { tcpdump -Snnr "$@" 2>/dev/null | grep -o "IP.*"; }
diff <(text both.pcapng outbound) <(text left.pcap) >out || fail "what left is not what was written: $(head -5 out)"
diff <(text both.pcapng inbound) <(text "$examples/kind.pcap") >out || fail "what came is not the capture: $(head -5 out)"
"$LUNETTE" replay --json both.pcapng | tail -1 | jq -e ".summary.frames == $(packets both.pcapng)" >/dev/null || fail "not read back"
strings -n 8 both.pcapng >comments
grep -qE '^accept, new, tcp 172.18.0.1:40000 172.18.0.2:32329, flow [0-9]+, ESTABLISHED, endpoint 10.244.0.6:80$' comments ||
	fail "no comment on a translated packet: $(head -5 comments)"
is "$(grep -c '^translated$' comments || true)" "$(comm -13 <(text "$examples/kind.pcap" | sort) <(text left.pcap | sort) | wc -l)" "translated"

# A drop has its reason, and does not leave.
cat >drop.lua <<-'EOT'
	node { name = "kind-control-plane", addresses = { "172.18.0.2" } }
	service "default/none" { ports = { { port = 80, node_port = 32329 } }, endpoints = { "10.244.0.6" } }
	function on_flow(flow) if flow.destination_port == 32329 then return drop("no") end end
EOT
"$LUNETTE" replay -p drop.lua "$examples/kind.pcap" --capture drop.pcapng --filter 'dst port 32329' >out
is "$(packets drop.pcapng 'outbound and tcp[tcpflags] == tcp-syn')" 0 "openings of a dropped connection that left"
strings drop.pcapng >comments
grep -q 'drop, new, policy_drop (the policy script said drop)' comments || fail "no reason: $(head -3 comments)"

# A filter finds what fits as it came, and what fits as it left.
replay --capture filtered.pcapng --filter 'tcp port 32329' >out
came=$(packets filtered.pcapng 'inbound and dst port 32329') answers=$(packets filtered.pcapng 'outbound and src port 32329')
[[ $came -gt 0 && $answers -gt 0 ]] || fail "filtered: $came that came, $answers answers"
is "$(packets filtered.pcapng)" $((2 * (came + answers))) "filtered packets"
replay --capture none.pcapng --filter 'udp port 1' >out
is "$(packets none.pcapng)" 0 "packets that nobody wants"

says 2 "filter tcp prt 80: " replay --capture x.pcapng --filter 'tcp prt 80'
says 2 "--filter is for --capture" replay --filter tcp
says 3 "/nowhere/x.pcapng: No such file" replay --capture /nowhere/x.pcapng
[[ ! -e /dev/full ]] || says 3 "/dev/full: No space left on device; no more packets are written" replay --capture /dev/full
