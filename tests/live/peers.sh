#!/usr/bin/env bash
# Programs that others run, as upstreams and clients of edited connections, in both modes: Python's http.server, Node.js, caddy, and
# haproxy, which gets a PROXY header before the requests; and one on the node itself, which also the node asks.  The pod would take
# requests out of SYNs (TCP Fast Open): none of them gets there unedited.
source "$(dirname "${BASH_SOURCE[0]}")/lib.sh"
for program in python3 node caddy haproxy; do
	command -v "$program" >/dev/null || skip "$program is not installed"
done
cd "$work"
head -c 1000000 /dev/urandom >body

# Each says whom it was told of and how many bytes it got.
cat >serve.py <<-'EOT'
	import http.server, sys
	class Handler(http.server.BaseHTTPRequestHandler):
	    protocol_version = "HTTP/1.1"
	    def do_POST(self):
	        length = len(self.rfile.read(int(self.headers.get("Content-Length", 0))))
	        text = f"{self.headers['X-Real-IP']} {length}\n".encode()
	        self.send_response(200)
	        self.send_header("Content-Length", str(len(text)))
	        self.end_headers()
	        self.wfile.write(text)
	    do_GET = do_POST
	    def log_message(self, *arguments): pass
	http.server.ThreadingHTTPServer(("0.0.0.0", int(sys.argv[1])), Handler).serve_forever()
EOT
cat >serve.js <<-'EOT'
	require("http").createServer((request, response) => {
	    let length = 0;
	    request.on("data", bytes => { length += bytes.length; });
	    request.on("end", () => response.end(`${request.headers["x-real-ip"]} ${length}\n`));
	}).listen(8085);
EOT
cat >Caddyfile <<-'EOT'
	{
		admin off
	}
	:8086 {
		respond "{http.request.header.X-Real-IP} {http.request.header.Content-Length}"
	}
EOT
cat >haproxy.cfg <<-'EOT'
	defaults
		mode http
		timeout client 10s
	frontend pod
		bind :8087 accept-proxy
		http-request return status 200 content-type text/plain lf-string "%[req.hdr(X-Real-IP)] %[src]\n"
EOT
cat >ask.py <<-'EOT'
	import http.client, sys
	connection = http.client.HTTPConnection(sys.argv[1], timeout=5)
	for i in range(3):
	    connection.request("POST", "/", body=b"x" * 100000, headers={"X-Real-IP": "6.6.6.6"})
	    print(connection.getresponse().read().decode().strip())
EOT
cat >ask.js <<-'EOT'
	const http = require("http"), agent = new http.Agent({ keepAlive: true, maxSockets: 1 });
	function ask(left) {
	    const options = { host: process.argv[2], method: "POST", agent, headers: { "X-Real-IP": "6.6.6.6" } };
	    const request = http.request(options, response => {
	        response.on("data", bytes => process.stdout.write(bytes));
	        response.on("end", () => left ? ask(left - 1) : process.exit());
	    });
	    request.end("x".repeat(100000)); // without a length: chunked
	}
	ask(2);
EOT
sysctl_of pod1 net.ipv4.tcp_fastopen=$((0x602)) # from everybody, to every server that starts behind this
sysctl_of client net.ipv4.tcp_fastopen=5
by_syn() { pod1 nstat -asz TcpExtTCPFastOpenPassive | awk '/Passive/ { print $2 }'; }

begin() { # NAMESPACE PORT COMMAND...
	HOME=$work ip netns exec "$lab-$1" "${@:3}" >"$work/said.$2" 2>&1 &
	started+=($!)
	wait_for ip netns exec "$lab-$1" bash -c "ss -Hltn sport = :$2 | grep -q ."
}
begin pod1 8084 python3 serve.py 8084
begin node 8084 python3 serve.py 8084
begin pod1 8085 node serve.js
begin pod1 8086 caddy run --config Caddyfile --adapter caddyfile
begin pod1 8087 haproxy -db -f haproxy.cfg
is "$(client curl -s --tcp-fastopen -H 'X-Real-IP: 6.6.6.6' http://10.244.0.5:8084/) $(by_syn)" "6.6.6.6 0 1" "a request in a SYN, past the agent"

cat >policy.lua <<-'EOT'
	node { name = "node", addresses = { "192.168.77.1" }, pods = { "10.244.0.0/16" } }
	local function edited(name, number, port, more)
		more = more or {}
		service(name) {
			cluster_ips = { "10.96.0." .. number }, endpoints = { more.endpoint or "10.244.0.5" },
			ports = { { port = 80, target_port = port } }, http = headers.forwarded(), proxy_protocol = more.proxy_protocol,
		}
	end
	edited("peers/python", 84, 8084)
	edited("peers/node", 85, 8085)
	edited("peers/caddy", 86, 8086)
	edited("peers/haproxy", 87, 8087, { proxy_protocol = 2 })
	service "peers/less" {
		cluster_ips = { "10.96.0.89" }, endpoints = { "10.244.0.5" }, ports = { { port = 80, target_port = 8084 } },
		http = { remove = { "X-Real-IP", "User-Agent" } },
	}
	edited("peers/here", 88, 8084, { endpoint = "192.168.77.1" })
EOT

for mode in commit inline; do
	echo "-- $mode"
	options=(--flush --set-sysctls) && [[ $mode == commit ]] || options+=(--inline)
	agent_start "${options[@]}"
	for peer in 84:python 85:node 86:caddy 87:haproxy 88:here; do
		url=http://10.96.0.${peer%:*}/
		client curl -s --max-time 10 -H Expect: -H 'X-Real-IP: 6.6.6.6' --data-binary @body "$url" --next -s "$url" >answers || fail "$peer: curl status $?"
		case $peer in
		*caddy) wanted="192.168.77.2 1000000192.168.77.2 " ;;
		*haproxy) wanted="192.168.77.2 192.168.77.2 192.168.77.2 192.168.77.2" ;;
		*) wanted="192.168.77.2 1000000 192.168.77.2 0" ;;
		esac
		is "$(tr '\n' ' ' <answers | sed 's/ *$//')" "${wanted%% }" "${peer#*:}, asked by curl, twice on one connection"
	done
	is "$(node curl -s --max-time 5 http://10.96.0.88/)" "192.168.77.1 0" "the node asks itself"
	is "$(client curl -s --max-time 5 -H 'X-Real-IP: 6.6.6.6' http://10.96.0.89/)" "None 0" "a request that became shorter"
	is "$(client curl -s --max-time 10 --tcp-fastopen -H 'X-Real-IP: 6.6.6.6' http://10.96.0.84/) $(by_syn)" "192.168.77.2 0 1" \
		"a request in a SYN"
	is "$(client nstat -asz TcpExtTCPSynRetrans | awk '/Retrans/ { print $2 }')" 0 "SYNs that were sent again"
	for host in 84 85; do
		is "$(client python3 ask.py 10.96.0.$host | sort | uniq -c | xargs)" "3 192.168.77.2 100000" "python asks 10.96.0.$host"
		is "$(client node ask.js 10.96.0.$host | sort | uniq -c | xargs)" "3 192.168.77.2 100000" "node asks 10.96.0.$host"
	done
	agent_stop TERM
	is "$agent_status" 0 "the agent's exit status"
done
