#!/usr/bin/env bash
# examples/embed_policy: a hook in C sends some clients elsewhere and refuses others; the map has the rest.
set -euo pipefail
source tests/program/lib.sh
LUNETTE=$LUNETTE_BUILD/examples/embed_policy

run "tcp 198.51.100.1:1000 10.96.0.10:80" "tcp 192.0.2.7:1000 10.96.0.10:80" "tcp 203.0.113.9:1000 10.96.0.10:80" \
	"udp 192.0.2.7:1000 10.9.9.9:53"
expect 0 "tcp 198.51.100.1:1000 10.96.0.10:80: accept tcp 198.51.100.1:1000 10.244.0.5:8080
tcp 192.0.2.7:1000 10.96.0.10:80: accept tcp 192.0.2.7:1000 10.244.0.6:8080
tcp 203.0.113.9:1000 10.96.0.10:80: reject, the policy script said reject
udp 192.0.2.7:1000 10.9.9.9:53: accept udp 192.0.2.7:1000 10.9.9.9:53" ""
run "tcp nowhere"
expect 2 "" "*expected*"
run
expect 2 "" "usage: *"
