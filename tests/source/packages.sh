#!/usr/bin/env bash
# The Debian packages: what is in which, that no two share a file, what they depend on; and that the program runs out of them, with
# the unit that systemd itself finds sound and well closed.
set -euo pipefail

folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
fail() { echo "$*"; exit 1; }

if nm "$LUNETTE_BUILD/liblunette.a" | grep -q __asan_; then
	echo "skipped: with sanitizers, which nobody packs"
	exit 77
fi
for program in cpack dpkg-deb dpkg-shlibdeps systemd-analyze systemd-sysusers; do
	command -v "$program" >/dev/null || { echo "skipped: $program is not installed"; exit 77; }
done

(cd "$LUNETTE_BUILD" && cpack -G DEB -B "$folder") >"$folder/log" 2>&1 || { cat "$folder/log"; exit 1; }
version=$("$LUNETTE" --version | cut -d ' ' -f 2)
soversion=${version%.*} # while the first number is 0
for package in liblunette$soversion liblunette-dev lunette; do
	file=$(echo "$folder/${package}_$version"_*.deb)
	[[ -f $file ]] || fail "no package $package: $(ls "$folder")"
	dpkg-deb -c "$file" | awk '$1 !~ /^d/ { print $6 }' | sort >"$folder/$package.files"
	dpkg-deb -f "$file" >"$folder/$package.control"
	dpkg-deb -e "$file" "$folder/$package.scripts"
	dpkg-deb -x "$file" "$folder/root"
done
twice=$(sort "$folder"/*.files | uniq -d)
[[ -z $twice ]] || fail "in two packages: $twice"

holds() { # PACKAGE FILE...
	local package=$1
	for file in "${@:2}"; do
		grep -qxF "./usr/$file" "$folder/$package.files" || fail "$package lacks /usr/$file: $(<"$folder/$package.files")"
	done
}
for name in lunette lunette-lua lunette-replay lunette-live lunette-control; do
	holds liblunette$soversion "lib/lib$name.so.$soversion" "lib/lib$name.so.$version"
	holds liblunette-dev "lib/lib$name.so" "lib/lib$name.a" "lib/pkgconfig/$name.pc" "lib/cmake/$name/$name-config.cmake"
done
holds liblunette-dev include/lunette/{lunette,lua,replay,live,control}.h
holds lunette bin/lunette share/man/man1/lunette.1 share/man/man5/lunette-policy.5 lib/systemd/system/lunette.service lib/sysusers.d/lunette.conf
depends() { # PACKAGE TEXT
	grep -q "^Depends:.*$2" "$folder/$1.control" || fail "$1 does not depend on $2: $(<"$folder/$1.control")"
}
depends liblunette-dev "liblunette$soversion (= $version)"
depends liblunette$soversion "libuv1"
depends lunette "libnetfilter-queue1"
grep -q systemd-sysusers "$folder/lunette.scripts/postinst" || fail "lunette makes no user when it is configured"

# Out of the packages, not out of the build.
packed=$folder/root/usr/bin/lunette
[[ $("$packed" trace -p "$LUNETTE_SOURCE/examples/kind.lua" tcp 192.168.31.9:40000 172.18.0.2:32329) == *"=> dnat"* ]] ||
	fail "the packed program does not trace"
for library in "$folder"/root/usr/lib/liblunette*.so.$soversion; do
	missing=$(LD_LIBRARY_PATH=$folder/root/usr/lib ldd "$library" | grep 'not found' || true)
	[[ -z $missing ]] || fail "$library: $missing"
done

# Where systemd looks for the program, there is none here.
unit=$folder/lunette.service
sed "s|/usr/bin/lunette|$packed|" "$folder/root/usr/lib/systemd/system/lunette.service" >"$unit"
systemd-analyze verify "$unit" >"$folder/log" 2>&1 && [[ ! -s $folder/log ]] || fail "the unit: $(<"$folder/log")"
systemd-analyze security --offline=true --threshold=40 "$unit" >"$folder/log" 2>&1 ||
	fail "the unit leaves open more than 4.0 of 10: $(tail -1 "$folder/log")"
mkdir "$folder/root/etc"
systemd-sysusers --root="$folder/root" lunette.conf >"$folder/log" 2>&1 || fail "sysusers: $(<"$folder/log")"
grep -q '^lunette:' "$folder/root/etc/passwd" || fail "there is no user lunette: $(cat "$folder/root/etc/passwd")"
