-- patterns.lua - prints what find, match, gmatch and gsub answer to made-up patterns and subjects.  Run by this library's
-- matcher and by Lua's own, it must print the same (tests/unit/lua_pattern.c).
local state = 1
local function random(n) -- the same numbers in both, whatever math.random is seeded with
	state = (state * 1103515245 + 12345) % 2147483648
	return state // 65536 % n + 1
end
local function one_of(list) return list[random(#list)] end

local singles = { "a", "b", "c", ".", "%a", "%d", "%s", "%w", "%A", "%%", "%.", "[ab]", "[^a]", "[a-c]", "[%d_]",
	"[]]", "[^]b]", "[a-]", "[%a-z]", "%x", "%p", "%l", "%u", "%g", "%c", "1", "-", "*", "\0" }
local repeats = { "", "", "", "*", "+", "-", "?" }
local letters = { "a", "b", "c", "a", "b", "1", "2", "_", " ", "(", ")", ".", "-", "]", "\0", "\xff", "A" }

local function subject()
	local s = {}
	for i = 1, random(12) - 1 do s[i] = one_of(letters) end
	return table.concat(s)
end

local function pattern()
	local p, open, closed = {}, {}, {}
	if random(5) == 1 then p[1] = "^" end
	local captures = 0
	for _ = 1, random(5) do
		local kind = random(12)
		if kind == 1 and captures < 4 then
			captures = captures + 1
			open[#open + 1] = captures
			p[#p + 1] = "("
			p[#p + 1] = one_of(singles) .. one_of(repeats) -- "()" would be a position
		elseif kind == 2 and #open > 0 then
			closed[#closed + 1] = table.remove(open)
			p[#p + 1] = ")"
		elseif kind == 3 and captures < 4 then
			captures = captures + 1
			p[#p + 1] = "()"
		elseif kind == 4 and #closed > 0 then
			p[#p + 1] = "%" .. one_of(closed)
		elseif kind == 5 then
			p[#p + 1] = one_of { "%b()", "%baa", "%bab" }
		elseif kind == 6 then
			p[#p + 1] = one_of { "%f[a]", "%f[%w]", "%f[^b]" }
		else
			p[#p + 1] = one_of(singles) .. one_of(repeats)
		end
	end
	for _ = 1, #open do p[#p + 1] = ")" end
	if random(5) == 1 then p[#p + 1] = "$" end
	return table.concat(p)
end

local function show(...)
	local t = table.pack(...)
	for i = 1, t.n do t[i] = ("%q"):format(t[i]) end
	return table.concat(t, ",")
end

local replacements = { "", "x", "<%0>", "%%", "<%1>", { a = "A", b = false, ab = 12 },
	function(x) return x == "a" and "A" end }
for _ = 1, 4000 do
	local s, p, from = subject(), pattern(), random(16) - 8
	local found = {}
	for a, b in s:gmatch(p) do found[#found + 1] = show(a, b) end
	print(show(s, p, from), show(s:find(p, from)), show(s:match(p, from)), show(s:find(p, from, true)))
	print(table.concat(found, ";"), show(s:gsub(p, one_of(replacements), random(4) - 1)))
end

-- What is no pattern, and patterns at the edges.
for _, p in ipairs { "(", ")", "(()", "%", "[", "[a", "[^", "[%", "%b", "%ba", "%f", "%fa", "%1", "(%1)", ("()"):rep(33),
	"a)", "[]" } do
	print(p, (pcall(string.find, "a", p)), (pcall(string.match, "a", p)))
end
print((pcall(string.gsub, "a", "a", "%2")), (pcall(string.gsub, "a", "a", "%x")), (pcall(string.gsub, "a", "a")))
print(("abc"):gsub("", "-"), ("abc"):gsub(".", { a = 1 }), ("hello world"):gsub("o", "0", 1), ("x"):gsub("x", "%%%0"))
print(("a,b,,c"):gsub(",", ";"), (" trim "):match("^%s*(.-)%s*$"), ("key = value"):match("^(%w+)%s*=%s*(%w+)$"))
print(("x"):find("", 10), ("x"):find("", 2), (""):find(""), (""):match(".*"), ("x"):find("x", -5), ("abc"):find("b", -1))
