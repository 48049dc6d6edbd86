#!/usr/bin/env bash
# What five RFCs ask of a NAT, and which test shows that the engine does it: a table made from the names of tests.
#
#	tests/source/requirements.sh [--markdown]	prints RFC, REQ, what is asked, shown by which test, or why by none
#
# A test shows a requirement by its name: rfc4787_req_5_... shows REQ-5 of RFC 4787, rfc7857_section_2_1_... section 2.1 of
# RFC 7857 (which has no other numbers); behind the number comes a letter.  Tests count once they are registered in a
# tests/unit/*.c, whatever the file.  The list below has every requirement, one a line: number | what it asks | verdict.
#
#	(no verdict)		met, a test must show it
#	partly: WHY		met but for that; a test must show the rest
#	not met: WHY		there is no test, for none may pretend
#	does not apply: WHY	likewise
#
# It fails, with a line for each, if a requirement has no test that ought to have one, has one that ought not, or if a test
# has a number that the list does not know.  First it makes sure that it can fail.
set -euo pipefail

list='
4787 REQ-1  | the external port does not depend on the destination | partly: while the own port is free; a port that must change is drawn for each destination, as on Linux
4787 REQ-2  | a client has one external address of several
4787 REQ-3  | two clients never share a mapping; a port keeps its class
4787 REQ-4  | an even port stays even | not met: a port that must change is random (RFC 7857, section 8, allows it)
4787 REQ-5  | UDP mappings live two minutes at least, better five
4787 REQ-6  | packets that leave refresh the mapping
4787 REQ-7  | inside and outside addresses may not conflict | does not apply: addresses are given by the host
4787 REQ-8  | an open port admits any peer, or any port of a known peer | not met: stricter, only the very peer address and port, as on Linux
4787 REQ-9  | hairpinned packets come from the external address | partly: toward what the policy maps; a port opened by a flow admits its peer only (REQ-8)
4787 REQ-10 | helpers that read payload are off | does not apply: there are none for UDP
4787 REQ-11 | behaviour never changes | not met: a taken port changes the mapping (REQ-1)
4787 REQ-12 | ICMP from anybody passes and ends no mapping
4787 REQ-13 | too long a packet is answered by ICMP, or cut | does not apply: who forwards does that; the engine knows no MTU
4787 REQ-14 | fragments in any order; floods of them do no harm | partly: all fragments wait for the last one, so 64 datagrams begun in between lose it

5382 REQ-1  | the external port does not depend on the destination | partly: while the own port is free, as with UDP
5382 REQ-2  | connections open from either side and from both at once
5382 REQ-3  | an open port admits any peer, or any port of a known peer | not met: stricter, as with UDP
5382 REQ-4  | a SYN to no mapping is held for 6 s without an answer | not met: it is left alone and goes on to the host, which answers as it likes, as on Linux
5382 REQ-5  | connections may idle 2 h 4 min, half-open and closing ones 4 min
5382 REQ-6  | helpers that read payload are off | does not apply: there are none; headers are edited only where the policy says so
5382 REQ-7  | two clients never share a mapping
5382 REQ-8  | hairpinned connections come from the external address | partly: toward what the policy maps, as with UDP
5382 REQ-9  | destination unreachable about TCP is translated
5382 REQ-10 | ICMP ends no connection

5508 REQ-1  | queries and answers pass; identifiers do not depend on the destination | partly: while the own identifier is free, as with UDP
5508 REQ-2  | query sessions live a minute at least
5508 REQ-3  | errors with a wrong checksum are dropped; quoted IP options are skipped | partly: by the configuration (verify, drop_invalid); the quoted IP checksum is not checked
5508 REQ-4  | errors from outside are put back as the sender knows them, others dropped | partly: others are dropped by the configuration (drop_invalid), else left alone
5508 REQ-5  | errors from inside likewise, and hide who sent them | partly: as REQ-4
5508 REQ-6  | errors about queries neither end nor refresh them
5508 REQ-7  | errors about hairpinned packets find their way
5508 REQ-8  | who is refused gets an ICMP error | partly: with code 1 (RFC 6888, REQ-11) instead of 13
5508 REQ-9  | such errors may be switched off | does not apply: optional, by interface, of which the engine knows none (limits_drop is for all)
5508 REQ-10 | unreachable, time exceeded and echo work; source quench and information queries do not | partly: the latter work as well, as on Linux; errors of our own have no rate limit
5508 REQ-11 | other ICMP may be dropped

7857 section 2   | TCP is followed from both SYNs to both FINs | partly: after one FIN 4 min of silence end the flow, and a reset is final
7857 section 2.1 | opening and closing have timeouts of their own
7857 section 2.2 | a reset is translated, and the mapping kept for 4 min | partly: a SYN that is refused at once leaves nothing, as on Linux
7857 section 3   | clients may share a port toward different destinations
7857 section 4   | one external address for all protocols of a client
7857 section 5   | a mapping is of one protocol
7857 section 6   | an open port is of one protocol | does not apply: no port is open to all peers
7857 section 7   | strangers do not refresh a mapping | does not apply: strangers have no way to one
7857 section 7.1 | errors and resets that leave refresh nothing
7857 section 8   | parity of ports on request | not met: nobody can ask for it
7857 section 9   | a port that must change is random, else it is kept
7857 section 10  | identifications of fragments stay unique | not met: those of the senders are left, as on Linux
7857 section 11  | query mappings may end with their session
7857 section 12  | queries are hairpinned

6888 REQ-1  | the RFCs above hold | does not apply: said line by line above
6888 REQ-2  | a client has one external address by default
6888 REQ-3  | any set of external addresses will do
6888 REQ-4  | ports of a client can be limited | partly: in number, not in new ones a second
6888 REQ-5  | state of a client can be limited
6888 REQ-6  | destinations can be left untranslated
6888 REQ-7  | an open port admits any peer | not met: the very peer only, as RFC 4787, REQ-8
6888 REQ-8  | a port rests 120 s, unless it is open to known peers only
6888 REQ-9  | clients can ask for mappings (PCP) | not met: the policy says what is mapped
6888 REQ-10 | it can be managed | partly: flows and counters are data of the C interface, no MIB
6888 REQ-11 | the newcomer over a limit is refused with an ICMP error, nobody evicted
6888 REQ-12 | destinations are not logged | does not apply: the engine logs nothing
6888 REQ-13 | ports are used up as far as can be
6888 REQ-14 | ports are handed out so that logs stay short | does not apply: the engine logs nothing
6888 REQ-15 | ports are hard to guess
'

# The tests of a tree that have a number in their name.
registered() { # TREE
	grep -ohE '\(rfc[0-9]+_(req|section)_[a-z0-9_]+\)' "$1"/tests/unit/*.c | tr -d '()'
}

# Prints a row "RFC|number|asked|shown by" a requirement; complaints go to stderr.  Fails if there are any.
rows() { # LIST TESTS
	local left=" $2 " failed=0 rfc number asked verdict key shown test
	while IFS='|' read -r number asked verdict; do
		[[ -n $number ]] || continue
		rfc=${number%% *} number=${number#* } shown=""
		key=${number,,}
		key=rfc${rfc}_${key//[ .-]/_}_
		for test in $2; do
			[[ $test == "$key"[a-z]* ]] || continue
			shown+=${shown:+, }$test
			left=${left/ $test / }
		done
		case $verdict in
		"" | "partly: "?*)
			[[ $shown ]] || { echo "RFC $rfc $number has no test, expected $key..." >&2; failed=1; } ;;
		"not met: "?* | "does not apply: "?*)
			[[ -z $shown ]] || { echo "RFC $rfc $number: '$verdict', and yet there is $shown" >&2; failed=1; } ;;
		*)
			echo "RFC $rfc $number: unknown verdict '$verdict'" >&2; failed=1 ;;
		esac
		echo "$rfc|$number|$asked|$shown${shown:+${verdict:+; }}$verdict"
	done < <(sed -E 's/ *\| */|/g' <<<"$1")
	[[ -z ${left// } ]] || { echo "not in the list:$left" >&2; failed=1; }
	return $failed
}

# A list and tests that must be refused, with these words.
refuses() { # LIST TESTS WORDS
	local said
	if said=$(rows "$1" "$2" 2>&1 >/dev/null) || [[ $said != *"$3"* ]]; then
		echo "expected '$1' with '$2' to be refused with '$3', got: ${said:-nothing}" >&2
		exit 1
	fi
}
refuses "1 REQ-5 | time" "" "RFC 1 REQ-5 has no test, expected rfc1_req_5_..."
refuses "1 REQ-5 | time | partly: a bit" "rfc1_req_50_x" "RFC 1 REQ-5 has no test"
refuses "1 section 2 | time" "rfc1_section_2_1_x" "RFC 1 section 2 has no test"
refuses "1 REQ-5 | time | not met: why" "rfc1_req_5_x" "and yet there is rfc1_req_5_x"
refuses "1 REQ-5 | time | perhaps" "rfc1_req_5_x" "unknown verdict 'perhaps'"
refuses "1 REQ-5 | time" "rfc1_req_5_x rfc1_req_6_x" "not in the list: rfc1_req_6_x"

tests=$(registered "${LUNETTE_SOURCE:-.}")
repeated=$(sort <<<"$tests" | uniq -d)
[[ -z $repeated ]] || { echo "two tests have the name ${repeated//$'\n'/ }" >&2; exit 1; }
table=$(rows "$list" "${tests//$'\n'/ }")
if [[ ${1:-} == --markdown ]]; then
	printf '| RFC | REQ | asks that | shown by |\n|---|---|---|---|\n'
	sed -E 's/[a-z0-9]*_[a-z0-9_]+/`&`/g; s/\|/ | /g; s/.*/| & |/' <<<"$table"
else
	awk -F'|' '{ printf "%s %-12s %-84s %s\n", $1, $2, $3, $4 }' <<<"RFC|REQ|asks that|shown by
$table"
fi
