#!/usr/bin/env bash
# What `cmake --install` leaves is all that a program of somebody else's needs: one that calls every library is built outside the
# tree with CMake, with pkg-config and with cc alone, shared and static, from a staged copy that was moved, and run.  It is C and
# C++ at once.  Each shared library shows what its header declares and nothing else.
set -euo pipefail

folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
fail() { echo "$*"; exit 1; }

if nm "$LUNETTE_BUILD/liblunette.a" | grep -q __asan_; then
	echo "skipped: libraries with sanitizers want programs with sanitizers"
	exit 77
fi

# Staged at one place and moved to another: nothing may hold the path.
cmake --install "$LUNETTE_BUILD" --prefix "$folder/staged" >"$folder/log" || { cat "$folder/log"; exit 1; }
mv "$folder/staged" "$folder/shared"
if grep -rF -e "$LUNETTE_BUILD" -e "$LUNETTE_SOURCE" -e "$folder" --include='*.cmake' --include='*.pc' "$folder/shared"; then
	fail "these lines hold a path of the machine that built them"
fi
# The same without shared libraries, so that -l finds the others.
cp -r "$folder/shared" "$folder/static"
find "$folder/static" -name '*.so*' -delete
libraries=$(dirname "$(find "$folder/shared" -name liblunette.a -printf '%P\n')")

for header in lunette lua replay live control; do
	name=lunette-$header
	[[ $header != lunette ]] || name=lunette
	file=$folder/shared/$libraries/lib$name.so
	declared=$(grep -oE '^LUN_API [^(]*\blun_[a-z0-9_]+ *\(' "$folder/shared/include/lunette/$header.h" |
		grep -oE '\blun_[a-z0-9_]+ *\($' | tr -d ' (' | sort)
	exported=$(nm -D --defined-only "$file" | awk '$2 != "A" { print $3 }' | sort)
	diff <(sed 's/$/@@LUNETTE_0.1/' <<<"$declared") <(echo "$exported") ||
		fail "lib$name.so exports other symbols than $header.h declares (< declared, > exported)"
	[[ $(readelf -d "$file") == *"soname: [lib$name.so.0.1]"* ]] || fail "lib$name.so has another SONAME than lib$name.so.0.1"
done

cat >"$folder/consumer.c" <<'C'
#include <lunette/control.h>
#include <lunette/lua.h>
#include <lunette/replay.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

int main(int argc, char **argv)
{
	char text[LUN_TUPLE_TEXT], path[LUN_CONTROL_PATH], *rules = NULL;
	struct lun_live_config live;
	struct lun_config config;
	struct lun_packet packet;
	struct lun_engine *engine;
	struct lun_policy *policy;
	struct lun_error error;
	uint8_t data[128];

	memset(&live, 0, sizeof(live));
	memset(&config, 0, sizeof(config));
	memset(&packet, 0, sizeof(packet));
	live.size = sizeof(live);
	config.size = sizeof(config);
	config.flows = 100;
	if (argc != 2 || lun_lua_policy_load(&policy, argv[1], NULL, &error) < 0 ||
	    lun_engine_new(&engine, &config, policy, &error) < 0 ||
	    lun_replay_query("tcp 192.0.2.9:40000 10.96.0.10:80", data, sizeof(data), &packet, &error) < 0)
		return fprintf(stderr, "%s\n", error.text), 1;
	lun_engine_packets(engine, &packet, 1, 0);
	live.loop = uv_default_loop();
	live.policy = policy;
	if (lun_live_rules(&rules, &live, &error) < 0)
		return fprintf(stderr, "%s\n", error.text), 1;
	printf("%s; %s; %s\n", lun_tuple_format(&packet.is, text), strstr(rules, "inet lunette") ? "rules" : "no rules",
	       strncmp(lun_control_path(path), "/run/lunette-", 13) == 0 ? "socket" : "no socket");
	free(rules);
	lun_engine_free(engine);
	lun_policy_unref(policy);
	return uv_loop_close(live.loop);
}
C
cat >"$folder/policy.lua" <<'LUA'
node { name = "n", addresses = { "192.0.2.1" } }
service "default/web" { cluster_ips = { "10.96.0.10" }, ports = { { port = 80 } }, endpoints = { "10.244.0.5:8080" } }
LUA

# It runs from where its libraries are, or without them.
runs() { # PROGRAM shared|static
	local said
	said=$(LD_LIBRARY_PATH=$folder/$2/$libraries "$1" "$folder/policy.lua") || fail "$1 failed"
	[[ $said == "tcp 192.0.2.9:40000 10.244.0.5:8080; rules; socket" ]] || fail "$1 said: $said"
	if [[ $2 == shared ]]; then
		[[ $(readelf -d "$1") == *liblunette.so.0.1* ]] || fail "$1 is not linked with the shared library"
	elif [[ $(readelf -d "$1") == *liblunette* ]]; then
		fail "$1 is not linked with the static libraries"
	fi
}

# gnu11, because uv.h wants more of libc than c11 shows.
# The engine's objects hold GCC's intermediate form too, which linking would optimise as a whole; that takes its time.
plainly=-fno-lto
warnings=(-Wall -Wextra -Werror "$plainly")
all=(-llunette-lua -llunette-control -llunette-live -llunette-replay -llunette)
read -ra flags < <(PKG_CONFIG_PATH=$folder/shared/$libraries/pkgconfig \
	pkg-config --cflags --libs lunette-lua lunette-replay lunette-control)
cc -std=gnu11 "${warnings[@]}" "$folder/consumer.c" -o "$folder/pkg-config-shared" "${flags[@]}"
runs "$folder/pkg-config-shared" shared

# Not all of them: --static names whatever libpcap was built with, which need not be installed.
cat >"$folder/alone.c" <<'C'
#include <lunette/lua.h>
#include <stdio.h>

int main(void)
{
	struct lun_policy *policy;
	struct lun_error error;

	return lun_lua_policy_load(&policy, "nowhere.lua", NULL, &error) == LUN_BAD_FILE ? puts(error.text), 0 : 1;
}
C
read -ra flags < <(PKG_CONFIG_PATH=$folder/static/$libraries/pkgconfig pkg-config --static --cflags --libs lunette-lua)
cc -std=c11 "${warnings[@]}" "$folder/alone.c" -o "$folder/pkg-config-static" "${flags[@]}"
said=$("$folder/pkg-config-static")
[[ $said == *nowhere.lua* ]] || fail "the program with static libraries said: $said"

ln -s consumer.c "$folder/consumer.cc"
c++ -std=c++11 "${warnings[@]}" -Wpedantic -I"$folder/shared/include" "$folder/consumer.cc" -o "$folder/cc-shared" \
	-L"$folder/shared/$libraries" -Wl,-rpath-link,"$folder/shared/$libraries" "${all[@]}" -luv
runs "$folder/cc-shared" shared
cc -std=gnu11 "${warnings[@]}" -I"$folder/static/include" "$folder/consumer.c" -o "$folder/cc-static" -L"$folder/static/$libraries" \
	"${all[@]}" -llua5.4 -lcjson -lpcap -lmicrohttpd -luv -lnetfilter_queue -lnetfilter_conntrack -lmnl -lm
runs "$folder/cc-static" static

mkdir "$folder/cmake"
cat >"$folder/cmake/CMakeLists.txt" <<CMAKE
cmake_minimum_required(VERSION 3.25)
project(consumer LANGUAGES C)
find_package(lunette-lua 0.1 REQUIRED)
find_package(lunette-replay 0.1 REQUIRED)
find_package(lunette-control 0.1 REQUIRED)
foreach(suffix "" "-static")
	add_executable(cmake\${suffix} $folder/consumer.c)
	target_link_libraries(cmake\${suffix} PRIVATE
		lunette::lunette-lua\${suffix} lunette::lunette-replay\${suffix} lunette::lunette-control\${suffix})
endforeach()
CMAKE
(cmake -S "$folder/cmake" -B "$folder/cmake/build" -DCMAKE_PREFIX_PATH="$folder/shared" \
	-DCMAKE_EXE_LINKER_FLAGS="$plainly" &&
	cmake --build "$folder/cmake/build") >"$folder/log" 2>&1 || { cat "$folder/log"; exit 1; }
runs "$folder/cmake/build/cmake" shared
runs "$folder/cmake/build/cmake-static" static
