#!/usr/bin/env bash
# Requests for another protocol on edited connections, in both modes: real WebSocket peers talk, and the head of the handshake is
# edited; what a client sends before the answer waits for it; an answer other than 101 leaves requests, which are edited.  Where the
# kernel carries, nothing of such a connection comes to the agent any more once the other protocol is spoken.
source "$(dirname "${BASH_SOURCE[0]}")/lib.sh"
for python in /usr/bin/python3 python3; do "$python" -c 'import websockets' 2>/dev/null && break; python=; done
[[ $python ]] || skip "python3-websockets is not installed"

# The server greets with the address that it was told of, then says everything again.
cat >"$work/server.py" <<-'EOT'
	import asyncio, websockets
	async def talk(socket):
	    await socket.send(socket.request_headers["X-Real-IP"])
	    async for message in socket:
	        await socket.send(message)
	async def main():
	    async with websockets.serve(talk, ["0.0.0.0", "::"], 8083, max_size=None):
	        await asyncio.Future()
	asyncio.run(main())
EOT
# A message of each length goes there and comes back; what is said first is printed.  Between the two lines the caller looks.
cat >"$work/client.py" <<-'EOT'
	import asyncio, os, sys, websockets
	async def main():
	    headers = {"X-Real-IP": "6.6.6.6"}
	    async with websockets.connect(sys.argv[1], extra_headers=headers, max_size=None, compression=None) as socket:
	        print(await socket.recv(), flush=True)
	        sys.stdin.readline()
	        for length in [0, 1, 125, 126, 1300, 1500, 65536, 3000000] + [10] * 100:
	            message = os.urandom(length)
	            await socket.send(message)
	            assert await socket.recv() == message, length
	        print("same", flush=True)
	asyncio.run(asyncio.wait_for(main(), 20))
EOT
pod1 "$python" "$work/server.py" 2>"$work/pod1/server.log" &
started+=($!)
wait_for pod1 bash -c "ss -ltn | grep -q :8083"

cat >"$work/policy.lua" <<-EOT
	node { name = "node", addresses = { "192.168.77.1", "fd77::1" }, pods = { "10.244.0.0/16", "fd44::/64" } }
	local function edited(name, number, masquerade)
		service(name) {
			cluster_ips = { "10.96.0." .. number, "fd96::" .. number }, endpoints = { "10.244.0.5", "fd44::5" },
			ports = { { port = 80, target_port = 8083 }, { port = 81, target_port = 8080 } },
			http = headers.forwarded(), masquerade = masquerade,
		}
	end
	edited("default/seen", 20, "never")
	edited("default/hidden", 21, "always")
EOT
edited() { "$LUNETTE" stats --control "$work/control" --json | jq 'select(.summary).summary.edited'; }

# talk HOST: two peers of WebSocket.
talk() {
	local from=192.168.77.2 before
	[[ $1 != *:* ]] || from=fd77::2
	coproc talker { exec ip netns exec "$lab-client" "$python" "$work/client.py" "ws://$1/" 2>&1; }
	read -r -t 10 said <&"${talker[0]}" || fail "$1: no WebSocket: $(cat "$work/pod1/server.log")"
	is "$said" "$from" "$1: the server of a WebSocket was told"
	before=$(edited)
	echo >&"${talker[1]}"
	read -r -t 20 said <&"${talker[0]}" || fail "$1: no end"
	is "$said" same "$1: messages that came back"
	[[ $mode == inline ]] || is "$(($(edited) - before))" 0 "$1: packets that came to the agent meanwhile"
	wait "$talker_PID" 2>/dev/null || true
}

# asks HOST BYTES PROGRAM: what a client of a few bytes, written at once, is answered, as that program reads it.
asks() { client bash -c "exec 3<>/dev/tcp/$1; printf '$2' >&3; timeout 5 $3 <&3"; }
head='GET /echo HTTP/1.1\r\nHost: a\r\nX-Real-IP: 6.6.6.6\r\n'

for mode in commit inline; do
	echo "-- $mode"
	options=(--flush --set-sysctls) && [[ $mode == commit ]] || options+=(--inline)
	agent_start "${options[@]}"
	for host in 10.96.0.20 10.96.0.21 [fd96::20] [fd96::21]; do talk "$host"; done

	# nginx stays with HTTP: the requests behind the first one wait for its answer, and are edited.
	said=$(asks 10.96.0.20/81 "${head}Connection: upgrade\r\nUpgrade: websocket\r\n\r\n${head}\r\n${head}Connection: close\r\n\r\n" cat)
	is "$(grep -c '^192.168.77.2' <<<"$said") $(grep -c '6.6.6.6' <<<"$said" || true)" "3 0" "requests behind one that was not upgraded"
	# A frame that is masked with nothing, sent before it may be.
	key="Connection: upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\nSec-WebSocket-Key: MDEyMzQ1Njc4OWFiY2RlZg==\r\n\r\n"
	said=$(asks 10.96.0.21/80 "$head$key\x81\x86\0\0\0\0hello\n" "grep -am1 hello" | tr -d '\0' || true)
	[[ $said == *192.168.77.2*hello ]] || fail "frames behind the handshake: $said"
	echo "ok: frames that did not wait for the answer"
	agent_stop TERM
	is "$agent_status" 0 "the agent's exit status"
done
