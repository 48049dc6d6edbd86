#!/usr/bin/env bash
# sbom.sh BUILD: what the program and the shared libraries of a build are made of, as a CycloneDX document on standard output.  It is read out
# of the binaries: which libraries each wants, and of which Debian package of which version these are; of xxHash a header is compiled in.
# Holds no time and no random number, so that the same build gives the same document.
set -euo pipefail
build=$1
version=$("$build/bin/lunette" --version | cut -d ' ' -f 2)

xxhash=/usr/include/xxhash.h

# A line "OURS FILE" for each file of others that one of our binaries wants, and "OURS OURS" for each of our libraries.
edges() {
	local binary name
	for binary in "$build/bin/lunette" "$build"/liblunette*.so; do
		name=$(basename "$binary" .so)
		[[ $name == liblunette-* ]] || echo "$name $xxhash"
		awk -v name="$name" '
			FNR == NR { path[$1] = $3; next }
			$1 == "NEEDED" && $2 ~ /^liblunette/ { sub(/\.so.*/, "", $2); print name, $2 }
			$1 == "NEEDED" && $2 in path { print name, path[$2] }' <(ldd "$binary") <(objdump -p "$binary")
	done
}

# "FILE pkg:deb/debian/NAME@VERSION" for each of these files.  Where it lies, dpkg may know by the way through /usr or by the other one.
packages() { # FILE...
	local owners
	owners=$(dpkg-query -S "${@/#\/usr/}" "${@/#\/lib/\/usr\/lib}" "$xxhash" 2>/dev/null || true)
	awk 'FNR == NR { version[$1] = $2; next }
		{ split($1, name, ":"); file = $2; sub(/^\/usr\/lib/, "/lib", file); print file, "pkg:deb/debian/" name[1] "@" version[name[1]] }' \
		<(cut -d : -f 1 <<<"$owners" | sort -u | xargs dpkg-query -W -f '${Package} ${Version}\n') - <<<"$owners"
}

wanted=$(edges | sort -u)
# shellcheck disable=SC2046
lines=$(awk 'FNR == NR { package[$1] = $2; next }
	$2 ~ /^\// { file = $2; sub(/^\/usr\/lib/, "/lib", file); if (!(file in package)) { print "sbom.sh: no package has " $2 >"/dev/stderr"; exit 1 }
		$2 = package[file] }
	{ print $1, $2 }' <(packages $(awk '$2 ~ /^\// { print $2 }' <<<"$wanted" | sort -u)) - <<<"$wanted" | sort -u)
jq -n --arg version "$version" --arg edges "$lines" '
	($edges | split("\n") | map(split(" "))) as $edges |
	($edges | map(.[0]) | unique) as $ours |
	{
		bomFormat: "CycloneDX", specVersion: "1.4", version: 1,
		metadata: { component: { type: "application", "bom-ref": "pkg:generic/lunette", name: "lunette", version: $version,
			licenses: [{ license: { id: "MIT" } }] } },
		components: [
			($ours[] | { type: (if . == "lunette" then "application" else "library" end), "bom-ref": ., name: ., version: $version,
				licenses: [{ license: { id: "MIT" } }] }),
			([$edges[][1]] - $ours | unique[] | { type: "library", "bom-ref": ., purl: .,
				name: (split("/")[-1] | split("@")[0]), version: split("@")[1] })
		],
		dependencies: ([{ ref: "pkg:generic/lunette", dependsOn: $ours }] +
			[$ours[] as $one | { ref: $one, dependsOn: [$edges[] | select(.[0] == $one)[1]] }])
	}'
