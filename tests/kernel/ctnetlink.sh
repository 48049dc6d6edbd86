#!/usr/bin/env bash
# Beliefs about conntrack over netlink (ctnetlink.c), in a network namespace of their own.
set -euo pipefail
unshare -n true 2>/dev/null || { echo "skipped: may not make network namespaces"; exit 77; }
# NAT is there once some rule uses it.
unshare -n sh -c 'nft "table inet x { chain x { type nat hook postrouting priority 100; }; }" && exec "$0"' \
	"$LUNETTE_BUILD/tests/helper-ctnetlink"
