#!/usr/bin/env bash
# The same source gives the same bytes: two builds of copies of this tree, in folders of two names and at two times, have equal programs,
# libraries and packages.  Not looked at is the second form that liblunette.a has its objects in, for who optimises at link time: GCC writes the
# place of the source into it, so that equal bytes there want equal folders.
set -euo pipefail

folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
export SOURCE_DATE_EPOCH=1700000000 # of the packages' files

build() { # FOLDER
	mkdir -p "$folder/$1"
	(cd "$LUNETTE_SOURCE" && git ls-files -z | xargs -0 cp --parents -t "$folder/$1")
	cmake -G Ninja -S "$folder/$1" -B "$folder/$1/build" -DCMAKE_BUILD_TYPE=Release -DBUILD_TESTING=OFF >"$folder/log"
	cmake --build "$folder/$1/build" --parallel 2 --target lunette-program lunette-manual \
		$(printf 'lunette%s lunette%s-shared ' '' '' -lua -lua -replay -replay -live -live -control -control) >"$folder/log" ||
		{ cat "$folder/log"; exit 1; }
	(cd "$folder/$1/build" && cpack -G DEB -B packages >"$folder/log") || { cat "$folder/log"; exit 1; }
}
# "SUM NAME" of everything that is given away.
sums() { # FOLDER
	(
		cd "$folder/$1/build"
		objcopy --enable-deterministic-archives --remove-section='.gnu.lto_*' liblunette.a
		rm packages/liblunette-dev_*.deb # which holds it as it was
		sha256sum bin/lunette liblunette*.a liblunette*.so lunette.1 packages/*.deb
	)
}

build one
build two-with-a-longer-name
sums one >"$folder/one.sums"
sums two-with-a-longer-name >"$folder/two.sums"
diff "$folder/one.sums" "$folder/two.sums" || { echo "(< one build, > the other one)"; exit 1; }
echo "reproducible: $(wc -l <"$folder/one.sums") files, twice the same"
