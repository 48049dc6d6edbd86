#!/usr/bin/env bash
# The bill of materials: CycloneDX's shape, with everything that the binaries want and the packages that are installed.
set -euo pipefail

for program in dpkg-query objdump jq; do
	command -v "$program" >/dev/null || { echo "skipped: $program is not installed"; exit 77; }
done
if nm "$LUNETTE_BUILD/liblunette.a" | grep -q __asan_; then
	echo "skipped: with sanitizers, which nobody ships"
	exit 77
fi
bom=$(bash "$LUNETTE_SOURCE/core/install/sbom.sh" "$LUNETTE_BUILD")
holds() { # JQ-CONDITION
	[[ $(jq "$1" <<<"$bom") == true ]] || { echo "expected $1 of:"; echo "$bom"; exit 1; }
}
holds '.bomFormat == "CycloneDX" and .specVersion == "1.4"'
holds '[.components[] | select(.name | startswith("liblunette"))] | length == 5'
holds '[.components[]["bom-ref"]] as $known | [.dependencies[].dependsOn[]] | length > 20 and . - $known == []'
holds '.components | map(.version | length > 0) | all'
for package in liblua5.4-0 libuv1 libcjson1 libpcap0.8 libxxhash-dev libnetfilter-queue1 libmicrohttpd12 libc6; do
	version=$(dpkg-query -W -f '${Version}\n' "$package" | head -1)
	holds ".components | any(.purl == \"pkg:deb/debian/$package@$version\")"
done
# The engine alone touches nothing but libc and one header.
holds '.dependencies[] | select(.ref == "liblunette").dependsOn | map(split("/")[-1] | split("@")[0]) - ["libc6", "libxxhash-dev"] == []'
