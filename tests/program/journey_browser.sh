#!/usr/bin/env bash
# What a browser makes of journeys, light and dark: every text is inside the picture, none lies on another, and all of them stand out from
# what is behind them (WCAG 2.1, 1.4.3: a contrast of 4.5).  A browser is large, so it is not among what tests install.
source tests/program/lib.sh
browser=$(command -v chromium || command -v google-chrome || true)
[[ $browser ]] || { echo "skipped: chromium is not installed"; exit 77; }

# An edited flow, one over IPv6, one that is dropped.
draw() { # FILE POLICY FLOW
	run replay -p "$2" examples/kind.pcap --journey "$folder/$1.svg" --flow "$3"
	((status == 0)) || { echo "$3: $complained"; exit 1; }
}
draw edited examples/kind.lua 172.18.0.1:42001
six=$("$LUNETTE" replay -p examples/kind.lua --packets examples/kind.pcap | grep -oE 'tcp \[[^ ]*:[0-9]+ \[' | head -1 | cut -d ' ' -f 2)
draw six examples/kind.lua "$six"
draw dropped tests/policies/replay.lua 172.18.0.1:42001
grep -q 'dropped: unallocated' "$folder/dropped.svg" || { echo "nothing is dropped"; exit 1; }

cat >"$folder/page.html" <<-EOT
	<!DOCTYPE html><html><head><meta charset="utf-8"/><meta name="color-scheme" content="light dark"/></head><body>
	$(cat "$folder"/{edited,six,dropped}.svg | grep -v '^<?xml')
	<pre id="said"></pre><script>
	const said = [];
	const numbers = color => color.match(/[\d.]+/g).map(Number);
	const light = color => numbers(color).slice(0, 3).map(v => v / 255)
		.map(v => v <= 0.03928 ? v / 12.92 : ((v + 0.055) / 1.055) ** 2.4)
		.reduce((sum, v, i) => sum + v * [0.2126, 0.7152, 0.0722][i], 0);
	const fill = element => getComputedStyle(element).fill;
	const apart = (a, b) => a.right <= b.left + 1 || b.right <= a.left + 1 || a.bottom <= b.top + 3 || b.bottom <= a.top + 3;
	for (const svg of document.querySelectorAll("svg")) {
		const frame = svg.getBoundingClientRect();
		const texts = [...svg.querySelectorAll("text")].map(text => [text, text.getBoundingClientRect()]);
		const areas = [...svg.querySelectorAll("rect")].map(area => [area, area.getBoundingClientRect()]);
		texts.forEach(([text, box], i) => {
			if (box.left < frame.left || box.right > frame.right || box.top < frame.top || box.bottom > frame.bottom)
				said.push("outside: " + text.textContent);
			for (const [other, place] of texts.slice(i + 1))
				if (!apart(box, place))
					said.push("on each other: " + text.textContent + " | " + other.textContent);
			const behind = areas.filter(([area, place]) => place.left <= box.left && place.right >= box.right &&
				place.top <= box.top + 2 && place.bottom >= box.bottom - 2).pop();
			for (const part of [text, ...text.querySelectorAll("tspan")]) {
				const a = light(fill(part)), b = light(fill(behind[0]));
				if ((Math.max(a, b) + 0.05) / (Math.min(a, b) + 0.05) < 4.5)
					said.push("hard to read: " + part.textContent);
			}
		});
		said.push("texts: " + texts.length + ", paper: " + fill(areas[0][0]));
	}
	document.getElementById("said").textContent = said.join("\n");
	</script></body></html>
EOT

look() { # SCHEME (of Chromium's): what the page has to say
	timeout 60 "$browser" --headless --no-sandbox --disable-gpu --user-data-dir="$folder/profile" --window-size=1300,1000 \
		--blink-settings=preferredColorScheme="$1" --dump-dom "file://$folder/page.html" 2>"$folder/err" |
		sed -n '/<pre id="said">/,/<\/pre>/p' | sed 's/<[^>]*>//g'
}
for scheme in "1 rgb(251, 251, 250)" "0 rgb(20, 23, 27)"; do
	said=$(look "${scheme%% *}")
	[[ $(grep -c "^texts: [1-9][0-9]*, paper: ${scheme#* }\$" <<<"$said") == 3 && $(wc -l <<<"$said") == 3 ]] ||
		{ printf '%s\n' "$scheme" "$said" "$(tail -3 "$folder/err")"; exit 1; }
done

echo "journeys in a browser: nothing is hidden, nothing is pale"
