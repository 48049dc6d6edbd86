#!/usr/bin/env bash
# What the engine shows and what it needs.  The shared library exports the functions that lunette.h declares with LUN_API and
# nothing else; and the engine opens no descriptor, reads no clock, starts no thread, which is seen by what it calls.
set -euo pipefail

# Everything outside that the engine may call: memory, strings, text of numbers and addresses, assertions.
needs="
	aligned_alloc calloc free malloc posix_memalign realloc strdup strndup
	madvise mmap munmap
	memchr memcmp memcpy memmem memmove memset bcmp
	qsort bsearch
	strcasecmp strchr strcmp strcpy strcspn strlen strncasecmp strncmp strnlen strpbrk strrchr strspn strstr
	strtol strtoul strtoull snprintf vsnprintf sprintf __isoc99_sscanf
	__ctype_b_loc __ctype_tolower_loc __ctype_toupper_loc tolower toupper
	inet_ntop inet_pton ceil floor log pow
	__assert_fail __stack_chk_fail abort _GLOBAL_OFFSET_TABLE_
	__memcpy_chk __memmove_chk __memset_chk __snprintf_chk __sprintf_chk __vsnprintf_chk __strcpy_chk"

cd "$LUNETTE_BUILD"

declared=$(grep -E '^LUN_API ' "$LUNETTE_SOURCE/include/lunette/lunette.h" |
	grep -oE '\blun_[a-z0-9_]+ *\(' | tr -d ' (' | sort)
exported=$(nm -D --defined-only liblunette.so | awk '$2 != "A" { sub(/@.*/, "", $3); print $3 }' | sort)
if [[ $declared != "$exported" ]]; then
	echo "liblunette.so exports other symbols than lunette.h declares (< declared, > exported):"
	diff <(echo "$declared") <(echo "$exported") || true
	exit 1
fi

others=$(comm -23 <(nm --undefined-only liblunette.a | awk 'NF == 2 { print $2 }' | sort -u) \
	<(nm --defined-only liblunette.a | awk 'NF == 3 { print $3 }' | sort -u))
refused=$(comm -23 <(echo "$others") <(printf '%s\n' $needs | sort -u))
if [[ -n $refused ]]; then
	echo "the engine calls what it may not:"
	for symbol in $refused; do
		nm -A --undefined-only liblunette.a | awk -v symbol="$symbol" '$NF == symbol { print "  " symbol " in " $1 }'
	done
	exit 1
fi

echo "liblunette.so exports" $(wc -l <<<"$exported") "functions:" $exported
echo "liblunette.a needs:" $others
