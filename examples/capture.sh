#!/usr/bin/env bash
# capture.sh - how kind.pcap and kind.conntrack were made: examples/capture.sh [FOLDER], as root; needs ethtool.
#
# A replay wants each packet once, as it reached the node and before anything was translated: `-Q in` on every interface
# gives exactly these.  What the node sends itself does not come in, so its own connections are not in the capture.  In
# order, by the client's port:
#
#   40000..  connections from the laptop to the NodePort and from the pods to their own service, also over IPv6; carried by
#            `lunette run`, and in kind.conntrack as the kernel's conntrack listed them
#   41000..  100 connections from the laptop, of which only the opening packets are kept
#   42000..  a connection from the laptop to default/nginx-headers, kept alive for two requests.  `lunette run` does not
#            edit heads yet: this one went through embed_tun, so nginx got edited heads, and acknowledges their bytes
#
# The policy draws pods at random, and a replay draws its own (always the same ones: its seed is 0).  So that the pod which
# answers in the capture is the one that the replay draws, each connection is made again, from another port, until it is.
# When the engine comes to draw in another order, tests/program/demo.sh fails, and this has to be run again.
set -euo pipefail
folder=$(realpath "${1:-$(dirname "${BASH_SOURCE[0]}")}")
cd "$(dirname "${BASH_SOURCE[0]}")/.."
source examples/network.sh

build=${LUNETTE_BUILD:-build/release}
unwanted='(portrange 41000-41099 and not tcp[13] = 2)' # packets that are not kept
ports=()                                               # of connections that are

stop() {
	kill "$1"
	wait "$1" || true
}

# kept: what is captured so far, without what is not wanted, goes to kind.pcap.
kept() {
	sleep 0.3 # for tcpdump to see the end of the connection
	tcpdump -Z root -r "$work/all.pcap" -w "$folder/kind.pcap" "not ($unwanted)" 2>"$work/kept.log"
}

# drawn PORT: the pod to which the replay sends the connection from this port.
drawn() {
	"$build/bin/lunette" replay -p examples/kind.lua --packets "$folder/kind.pcap" |
		sed -nE "/SYN_SENT .*:$1 .*->/ { s/.*5\]?:80$/pod1/p; s/.*6\]?:80$/pod2/p }"
}

# connect PLACE CURL-ARGUMENT...: from port $port, or from a later one, until the replay agrees.
connect() {
	local answer
	for _ in {1..32}; do
		answer=$("$1" curl --local-port "$port" "${@:2}")
		kept
		if [[ ${answer%% *} == "$(drawn "$port")" ]]; then
			echo "port $port: $answer"
			ports+=("$((port++))")
			return
		fi
		unwanted+=" or port $((port++))"
	done
	echo "capture.sh: the replay never agrees" >&2
	return 1
}

# Captured packets have whole checksums only if the sender does not leave them to its interface.
complete_checksums() {
	local place
	for place in laptop pod1 pod2; do "$place" ethtool -K eth0 tx off >"$work/ethtool.log"; done
}

network_up
complete_checksums
# What comes out of the TUN device comes in once more, translated: with a source of the node's.
# Short slots in a large ring: with the defaults there are eight slots, and packets are lost.
start node "$work/tcpdump.log" tcpdump -i any -Q in -U --immediate-mode -s 2048 -B 16384 -w "$work/all.pcap" \
	'tcp and not src host 10.244.0.1 and not src net 10.96.0.0/12'
wait_for grep -q "listening on" "$work/tcpdump.log"

agent_up "$build/bin/lunette" --flush
port=40000
for _ in 1 2; do connect laptop 172.18.0.2:32329; done
for _ in 1 2 3; do connect pod1 10.96.176.241; done
for _ in 1 2 3; do connect pod2 10.96.176.241; done
connect laptop '[fc00:f853:ccd:e793::2]:32329'
for _ in 1 2; do connect pod1 '[fd00:10:96::b0f1]'; done
for port in "${ports[@]}"; do
	node conntrack -L -p tcp --orig-port-src "$port" 2>"$work/conntrack.log"
done >"$folder/kind.conntrack"
for port in {41000..41099}; do laptop curl --local-port "$port" 172.18.0.2:32329; done | sort | uniq -c
stop "$agent"

tun_up "$build/examples/embed_tun"
port=42000
connect laptop -H 'X-Real-IP: 1.2.3.4' 10.96.176.242/edited 10.96.176.242/again
kept
if "$build/bin/lunette" replay -p examples/kind.lua --json --packets "$folder/kind.pcap" | grep '"ct":"invalid"'; then
	echo "capture.sh: packets are missing in the capture: run it again" >&2
	exit 1
fi
ls -l "$folder/kind.pcap" "$folder/kind.conntrack"
