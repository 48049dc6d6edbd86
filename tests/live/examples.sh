#!/usr/bin/env bash
# The programs in examples/ that work on real packets, in the demo's network: embed serves, stops, and leaves nothing;
# through tun nginx gets edited heads.
set -euo pipefail
cd "${LUNETTE_SOURCE:?}"

skip() { echo "skipped: $*"; exit 77; }
fail() { echo "FAILED: $*"; exit 1; }

[[ $(id -u) -eq 0 ]] || skip "needs root"
unshare -n true 2>/dev/null || skip "may not make network namespaces"
"$LUNETTE" doctor >/dev/null || skip "this kernel cannot commit, see lunette doctor"
source examples/network.sh
programs=${LUNETTE_BUILD:?}/examples

# is WHAT GOT EXPECTED, as a pattern
is() {
	[[ $2 == $3 ]] || fail "$1: expected $3, got $2"
	echo "ok: $1: $2"
}

status_of() {
	local status=0
	"$@" >"$work/out" 2>&1 || status=$?
	echo $status
}

network_up

start node "$work/embed.log" "$programs/embed" examples/kind.lua
embed=$!
wait_for grep -q '^serving' "$work/embed.log" || fail "embed does not serve: $(cat "$work/embed.log")"
is "NodePort" "$(laptop curl 172.18.0.2:32329)" 'pod[12] saw 10.244.0.1'
is "cluster IP, IPv6" "$(node curl '[fd00:10:96::b0f1]')" 'pod[12] saw fd00:10:244::1'
is "embed a second time" "$(status_of node "$programs/embed" examples/kind.lua)" 1
is "and why" "$(cat "$work/out")" '*queue*4242*'
kill -INT $embed
status=0
wait $embed || status=$?
is "embed stopped, status" $status 0
is "rules left" "$(node nft list ruleset)" ''
is "NodePort without embed: curl" "$(status_of laptop curl 172.18.0.2:32329)" 7
echo 'service "a/b" { endpont = {} }' >"$work/wrong.lua"
is "a wrong policy" "$(status_of node "$programs/embed" "$work/wrong.lua")" 1
is "and why" "$(cat "$work/out")" '*wrong.lua:1: *endpont*'
is "no policy" "$(status_of node "$programs/embed")" 2

if [[ ! -c /dev/net/tun ]]; then
	echo "no /dev/net/tun: example tun was not tried"
	exit
fi
tun_up "$programs/tun"
said='pod[12] saw 10.244.0.1, on behalf of 172.18.0.1'
is "two requests with a false claim" \
	"$(laptop curl -H 'X-Real-IP: 1.2.3.4' 10.96.176.242/one 10.96.176.242/two | sort -u)" "$said"
head -c 300000 /dev/zero >"$work/body"
is "a large body" "$(laptop curl --data-binary "@$work/body" 10.96.176.242 -H 'X-Real-IP: 1.2.3.4')" "$said"
