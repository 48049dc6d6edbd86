#!/usr/bin/env bash
# Installs what building, testing and the demo need on Debian 12, if something is missing; silent when nothing is.  The only
# list of packages in the tree.  dpkg-dev makes our own packages, of systemd only its checks of our unit are used; doxygen reads
# the public headers, cppcheck all sources; node-llhttp has the C sources of the parser that our reading of requests is compared
# with; haproxy, caddy, nodejs and python3-websockets are what others run: peers in tests with real packets.
set -euo pipefail

packages=(
	gcc g++ clang cmake ninja-build pkg-config binutils libc6-dev
	liblua5.4-dev libuv1-dev libnetfilter-queue-dev libnetfilter-conntrack-dev libmnl-dev libpcap-dev libxxhash-dev
	libcjson-dev libmicrohttpd-dev dpkg-dev systemd
	libcmocka-dev clang-format clang-tidy libclang-rt-14-dev node-llhttp valgrind jq procps libxml2-utils perl
	doxygen cppcheck yamllint
	iproute2 ethtool iptables nftables conntrack tcpdump nginx-light curl wrk
	haproxy caddy nodejs python3 python3-websockets
)

if ! command -v dpkg-query >/dev/null; then
	echo "tests/install.sh: this is not a Debian; needed are the likes of: ${packages[*]}" >&2
	exit 0
fi

# dpkg-query fails for a package that it has never heard of, and still lists the others.
installed=$(dpkg-query -W -f '${Package} ${db:Status-Status}\n' "${packages[@]}" 2>/dev/null || true)
missing=()
for package in "${packages[@]}"; do
	grep -qx "$package installed" <<<"$installed" || missing+=("$package")
done
[[ ${#missing[@]} -gt 0 ]] || exit 0

if [[ $(id -u) -eq 0 ]]; then
	as_root=(env DEBIAN_FRONTEND=noninteractive)
elif command -v sudo >/dev/null && sudo -n true 2>/dev/null; then
	as_root=(sudo -n env DEBIAN_FRONTEND=noninteractive)
else
	echo "packages are missing; please run:  sudo apt-get install ${missing[*]}" >&2
	exit 1
fi

echo "installing ${missing[*]}" >&2
log=$(mktemp)
trap 'rm -f "$log"' EXIT
if ! { "${as_root[@]}" apt-get update -qq &&
	"${as_root[@]}" apt-get install -y -qq --no-install-recommends "${missing[@]}"; } </dev/null >"$log" 2>&1; then
	cat "$log" >&2
	exit 1
fi

# These packages start servers, which nobody asked for: tests start their own in namespaces.
for package in nginx-light haproxy caddy; do
	[[ " ${missing[*]} " == *" $package "* ]] || continue
	if [[ -d /run/systemd/system ]]; then
		"${as_root[@]}" systemctl disable --quiet --now "${package%-light}"
	else
		"${as_root[@]}" service "${package%-light}" stop >/dev/null 2>&1 || true
	fi
done
