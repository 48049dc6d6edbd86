#!/usr/bin/env bash
# demo.sh - the way of a packet from `curl` on a laptop to nginx in a pod, and what Lunette has to do with it.
#
#	examples/demo.sh [--check] [--replay]
#
#	--check    print only what was checked, and the result
#	--replay   leave out the live part, as happens by itself where the privileges for it are missing
#
# Installs the packages that are missing (Debian 12, root or sudo), builds, makes a kind cluster's network in network
# namespaces (network.sh), starts `lunette run` with kind.lua in the node, and asks.  Then the same questions are put to
# kind.pcap, which was captured in this very network (capture.sh).  The exit status is 0 only if every answer was right.
# Everything is removed at the end.  With LUNETTE=PROGRAM in the environment nothing is installed or built.
set -euo pipefail
shopt -s extglob
[[ ! ${LUNETTE:-} ]] || LUNETTE=$(realpath "$LUNETTE")
cd "$(dirname "${BASH_SOURCE[0]}")/.."

usage() { sed -n '4,7s/^#\t*//p' examples/demo.sh; }

check='' live=yes
for option in "$@"; do
	case $option in
	--check) check=yes ;;
	--replay) live='' ;;
	--help) usage; exit ;;
	*) usage >&2; exit 2 ;;
	esac
done
source examples/network.sh
LUNETTE=${LUNETTE:-}
export work LUNETTE LC_ALL=C

# ---- Showing and checking -------------------------------------------------------------------------------------------------

say() { [[ $check ]] || printf '%s\n' "$@"; }

step() { say "" "--- $1" "${@:2}" ""; }

here() { "$@"; }

lunette() { "$LUNETTE" "$@"; }
export -f lunette

show_answer() { [[ $check ]] || sed 's/^/      /' <<<"$answer"; }

# on PLACE LINE: runs a command line there, and shows it and its output, which is also left in $answer.
on() {
	say "  $1\$ $2"
	answer=$("$1" bash -c "$2" 2>&1 </dev/null) || true
	show_answer
}

right=0 wrong=0

# is WHAT GOT EXPECTED: GOT must be EXPECTED, to the letter or as a pattern of the shell.
is() {
	if [[ $2 == "$3" || $2 == $3 ]]; then
		right=$((right + 1))
		echo "ok: $1"
	else
		wrong=$((wrong + 1))
		printf '%s\n' "FAILED: $1" "  expected: $3" "  got:      $2"
	fi
}

# ---- One connection, as the kernel and as trace see it --------------------------------------------------------------------

# read_entry LINE: reads from a line of `conntrack -L` the opening packet of the connection, as it came to the node and
# as it went on ($came, $went), and what the pod has to say of it ($saw).
read_entry() {
	local tuple='src=([^ ]+) dst=([^ ]+) sport=([0-9]+) dport=([0-9]+)' part=() i
	came='' went='' saw=''
	[[ $1 =~ $tuple\ $tuple ]] || return 0
	part=("${BASH_REMATCH[@]}")
	saw="pod2 saw ${part[6]}"
	[[ ${part[5]} != *5 ]] || saw="pod1 saw ${part[6]}"
	for i in 1 2 5 6; do [[ ${part[i]} != *:* ]] || part[i]="[${part[i]}]"; done
	came="tcp ${part[1]}:${part[3]} ${part[2]}:${part[4]}"
	went="tcp ${part[6]}:${part[8]} ${part[5]}:${part[7]}" # an entry has the way of the answer: turned round
}

# trace_of CAME WENT: what `lunette trace` says of a packet goes to $traced.  The pod is drawn at random; $seed is one with
# which it is the pod of WENT: that which was right for this pod before, if there is one.
declare -A seed_for
trace_of() {
	local pod=to:${2##* }
	for seed in ${seed_for[$pod]-} {0..15}; do
		traced=$(lunette trace -p examples/kind.lua --seed "$seed" "$1" </dev/null) || true
		traced=$(sed -n 's/^  => dnat  //p' <<<"$traced")
		[[ $traced != "$2" ]] || break
	done
	seed_for[$pod]=$seed
}

# ---- Live -----------------------------------------------------------------------------------------------------------------

# Why the live part cannot be shown; nothing if it can.
obstacle() {
	local program
	[[ $(id -u) -eq 0 ]] || { echo "it needs root"; return; }
	for program in ip sysctl nginx curl conntrack; do
		command -v "$program" >/dev/null || { echo "$program is not installed"; return; }
	done
	ip netns add "$lab-node" 2>/dev/null || { echo "network namespaces may not be made here"; return; }
	ip netns delete "$lab-node"
	lunette doctor >"$work/doctor" 2>&1 || echo "this kernel does not allow it, see lunette doctor"
}

# visit WHAT PLACE PORT URL EXPECTED: one connection from there, from this port.  What the pod says must be as expected,
# and as the kernel's entry has it, and `lunette trace` must say the same of the packet.  Leaves it in $said.
shown='' # trace is shown in full once, then only these lines
visit() {
	on "$2" "curl --local-port $3 '$4'"
	said=$answer
	is "$1: $said" "$said" "$5"
	on node "conntrack -L -p tcp --orig-port-src $3 2>/dev/null"
	read_entry "$answer"
	is "$1: the kernel's entry agrees" "$saw" "$said"
	trace_of "$came" "$went"
	on here "lunette trace -p examples/kind.lua --seed $seed '$came'$shown"
	is "$1: lunette trace of the same packet agrees" "$traced" "$went"
	shown=" | grep -E 'masquerade|=>'"
}

# visit_itself PORT URL NODE POD: pod1, with address POD, visits its own service until it has met itself and the other pod.
visit_itself() {
	local port=$1 itself="pod1 saw $3" other="pod2 saw $4" met=''
	while [[ $port -lt $(($1 + 32)) && ! ($met == *"$itself"* && $met == *"$other"*) ]]; do
		visit "from pod1 to its own service" pod1 "$port" "$2" "@($itself|$other)"
		met+=" $said"
		port=$((port + 1))
	done
	is "pod1 met the other pod, which saw its address" "$met" "*$other*"
	is "pod1 met itself, and saw the node's address" "$met" "*$itself*"
}

# spread_is WHAT COUNTS: "40 pod1 saw .. 60 pod2 saw ..": both pods got a fair share of 100 (one run in a million has less).
spread_is() {
	local first second
	first=$(awk '/pod1/ { print $1 }' <<<"$2") second=$(awk '/pod2/ { print $1 }' <<<"$2")
	is "$1" "$((${first:-0} + ${second:-0})) $((first > 25 && second > 25))" "100 1"
}

show_live() {
	step "The network: a laptop, the one node of a kind cluster, and two pods with nginx, in network namespaces" \
		"    laptop 172.18.0.1 ----- 172.18.0.2 node 10.244.0.1 ---+--- pod1 10.244.0.5" \
		"                                                          \`--- pod2 10.244.0.6" \
		"There is no kube-proxy.  In the node runs \`lunette run -p examples/kind.lua\`: it gets the packet that" \
		"opens a connection, picks a pod, and hands the connection to the kernel's conntrack, which carries it on."
	network_up
	agent_up "$LUNETTE"
	say "$(cat "$work/agent.log")"

	step "The laptop asks port 32329 of the node" \
		"The pod sees the node as its client, for its answer has to come back through the node, which undoes the" \
		"translation.  Then the kernel's entry for the connection, and, from lunette trace, why it has become so."
	visit "from the laptop to the NodePort" laptop 40000 172.18.0.2:32329 'pod[12] saw 10.244.0.1'

	step "The node asks the cluster IP" "It is no pod, so it is masqueraded, too."
	visit "from the node to the cluster IP" node 40001 10.96.176.241 'pod[12] saw 10.244.0.1'

	step "A pod asks its own service, until it has met itself" \
		"The other pod may see its address.  But when it is sent to itself (hairpin), it would answer itself" \
		"directly, from an address that it never asked: so then the source is masqueraded."
	visit_itself 40100 10.96.176.241 10.244.0.1 10.244.0.5

	step "The same over IPv6"
	local seen='pod[12] saw fd00:10:244::1'
	visit "from the laptop to the NodePort, IPv6" laptop 40002 '[fc00:f853:ccd:e793::2]:32329' "$seen"
	visit "from the node to the cluster IP, IPv6" node 40003 '[fd00:10:96::b0f1]' "$seen"
	visit_itself 40200 '[fd00:10:96::b0f1]' fd00:10:244::1 fd00:10:244::5

	step "A hundred connections from the laptop" "Each is dealt to a pod at random, as kube-proxy does it."
	on laptop "curl -H 'Connection: close' 'http://172.18.0.2:32329/[1-100]' | sort | uniq -c"
	spread_is "100 connections are spread over the pods" "$answer"
	show_headers
}

# Header edits need all packets of a connection: the agent once more, in its other mode.
show_headers() {
	step "Headers in flight" \
		"The service default/nginx-headers at 10.96.176.242 adds what a proxy would, while the connection stays one" \
		"connection.  For that the agent, now with --inline, sees each of its packets.  The laptop lies about who it is:"
	kill "$agent"
	wait "$agent" 2>/dev/null || true
	agent_up "$LUNETTE" --inline --set-sysctls
	on laptop "curl -H 'X-Real-IP: 1.2.3.4' http://10.96.176.242/"
	is "nginx is told who the client is, whatever that claims" "$answer" "pod[12] saw 10.244.0.1, on behalf of 172.18.0.1"
	on laptop "curl -H 'X_Real_IP: 1.2.3.4' 'http://10.96.176.242/[1-2]' | sort -u"
	is "in the second request of a connection, too" "$answer" "pod[12] saw 10.244.0.1, on behalf of 172.18.0.1"
}

# ---- From a capture -------------------------------------------------------------------------------------------------------

# The lines of `lunette replay --json --packets` as columns: direction, flow, source and destination as it came, as it left.
columns() {
	sed -nE 's/.*"dir":"([a-z]+)","flow":([0-9]+),.*"in":"tcp (.*) (.*)","out":"tcp (.*) (.*)"\}/\1 \2 \3 \4 \5 \6/p'
}

# Each connection that the kernel had: the replay and lunette trace must translate it alike, but for the client's port,
# which in a masqueraded connection the kernel chooses.
same_as_kernel() {
	local line replayed port=':+([0-9]) '
	while read -r line; do
		read_entry "$line"
		replayed=$(awk -v came="$came" \
			'$1 == "orig" && "tcp " $3 " " $4 == came { print "tcp", $5, $6; exit }' "$work/columns")
		trace_of "$came" "$went"
		is "$came  ->  $went" "${replayed/$port/ } | ${traced/$port/ }" "${went/$port/ } | ${went/$port/ }"
	done <examples/kind.conntrack
}

# What the pods saw, in a few sentences.
sources() {
	awk '$1 == "orig" && $3 ~ /:400[0-9][0-9]$/ {
		from = $3; by = $6; seen = $5
		sub(/:[0-9]+$/, "", from); sub(/:[0-9]+$/, "", by); sub(/:[0-9]+$/, "", seen)
		if (from !~ /244/) print "the laptop is seen as", seen
		else if (from == by) print "a pod is seen by itself as", seen
		else print "a pod is seen by the other one as", from == seen ? "what it is" : seen
	}' "$work/columns" | sort -u
}

# Answers that do not go back the way that the flow came.
astray() {
	awk '$1 == "orig" { from[$2] = $3; to[$2] = $4 }
		$1 == "reply" { answers++; astray += $5 != to[$2] || $6 != from[$2] }
		END { print astray + 0, "of", answers }' "$work/columns"
}

# Where the hundred connections went that are openings only.
spread() {
	awk '$3 ~ /:410[0-9][0-9]$/ && !seen[$2]++ { print($6 ~ /5:80$/ ? "pod1" : "pod2") }' "$work/columns" |
		sort | uniq -c
}

# head_in CAPTURE: the head of the request for /edited.
head_in() {
	sed -n '/GET \/edited /,/^\r$/p' "$1" | sed '1s/.*GET/GET/; s/\r$//; /^$/d'
}

show_replay() {
	step "The same from a capture" \
		"examples/kind.pcap was taken in the node of such a network: each packet as it came in, before it was" \
		"translated.  lunette replay runs it through the same engine and policy; out.pcap gets what leaves."
	on here 'lunette replay -p examples/kind.lua examples/kind.pcap -w $work/out.pcap'
	lunette replay -p examples/kind.lua --json --packets examples/kind.pcap | columns >"$work/columns" || true
	if [[ ! $shown ]]; then
		say "" "Why a connection is translated as it is, lunette trace explains:"
		on here "lunette trace -p examples/kind.lua 'tcp 172.18.0.1:40000 172.18.0.2:32329'"
	fi
	say "" "Each connection is translated as the kernel did it when the capture was taken, and as lunette trace says:"
	same_as_kernel
	say "" "So this is what the pods see:"
	answer=$(sources)
	show_answer
	is "the pods see the node where they must, else the client" "$answer" "a pod is seen by itself as 10.244.0.1
a pod is seen by itself as [fd00:10:244::1]
a pod is seen by the other one as what it is
the laptop is seen as 10.244.0.1
the laptop is seen as [fd00:10:244::1]"
	say ""
	answer=$(astray)
	is "all answers go back to the client, from the address that it asked" "$answer" "0 of [1-9]*"
	say "" "The capture also holds the opening packets of a hundred connections from the laptop, which are dealt to"
	answer=$(spread)
	show_answer
	spread_is "100 connections are spread over the pods, replayed" "$answer"

	step "An edited head" \
		"Requests to default/nginx-headers get the headers that a proxy would add.  The client sends:"
	answer=$(head_in examples/kind.pcap)
	show_answer
	is "in the capture the client claims to be 1.2.3.4" "$answer" "GET /edited HTTP/1.1*X-Real-IP: 1.2.3.4*"
	say "" "and this is what leaves the node; the numbers of the stream are translated accordingly, in both directions:"
	answer=$(head_in "$work/out.pcap" 2>&1) || true
	show_answer
	is "its claim is replaced, and the other headers are there" "$(sort <<<"$answer")" "$(expected_head | sort)"
	say "" "In the capture nginx had got a head edited in the same way.  It answers:"
	answer=$(sed -n 's/.*\(pod[12] saw .*, on behalf of .*\)/\1/p' examples/kind.pcap | sort -u)
	show_answer
	is "nginx learnt who the client is" "$answer" "pod[12] saw 10.244.0.1, on behalf of 172.18.0.1"
}

expected_head() {
	local hex='[0-9a-f]'
	cat <<-END
		GET /edited HTTP/1.1
		X-Forwarded-For: 172.18.0.1
		X-Forwarded-Host: 10.96.176.242
		X-Forwarded-Port: 80
		X-Forwarded-Proto: http
		X-Real-IP: 172.18.0.1
		X-Request-ID: $(printf "$hex%.0s" {1..32})
		X-Scheme: http
		Host: 10.96.176.242
		Accept: [*]/[*]
		User-Agent: curl/*
	END
}

# ---- All of it ------------------------------------------------------------------------------------------------------------

build() {
	local folder=build/release
	[[ -w . && (! -e $folder || -w $folder) ]] || folder=$work/build # somebody else's tree
	tests/install.sh || say "going on without them"
	if [[ -z ${CMAKE_GENERATOR:-} ]] && command -v ninja >/dev/null; then
		export CMAKE_GENERATOR=Ninja
	fi
	say "building $folder/bin/lunette"
	{
		cmake --preset release -B "$folder" &&
			cmake --build "$folder" --parallel "$(nproc)" --target lunette-program
	} >"$work/build.log" 2>&1 || { cat "$work/build.log"; exit 1; }
	LUNETTE=$folder/bin/lunette
}

[[ $LUNETTE ]] || build
if [[ $live ]]; then
	obstacle=$(obstacle)
	if [[ $obstacle ]]; then
		echo "no live part: $obstacle; going on with a capture"
	else
		show_live
	fi
fi
show_replay
say ""
echo "$right answers were right, $wrong were wrong"
[[ $wrong -eq 0 ]]
