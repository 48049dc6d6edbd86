# documentation.awk - a public header as Doxygen wants it.  The headers are to be read as they are, so their comments are plain: here
# the first one becomes the file's, those above a declaration become its description, those behind a member the member's, and each
# heading begins a group.
function close_group() { return grouped ? "/** @} */ " : "" }

NR == 1 { sub(/^\/\* /, "/** @file\n * ") }

/^\/\* ---- .* ---+ \*\/$/ {
	title = $0
	gsub(/^\/\* ---- | ---+ \*\/$/, "", title)
	name = FILENAME
	gsub(/.*\/|\.h$/, "", name)
	print close_group() "/** @defgroup " name "_" (++groups) " " title " */ /** @{ */"
	grouped = 1
	next
}

# The end of what is C in C++.
/^#ifdef __cplusplus$/ && grouped {
	print close_group()
	grouped = 0
}

{
	gsub(/::ffff/, "\\\\&") # an address, no name of C++
	behind = match($0, /[^ \t\/*].*[;,{)] *\/\* /) && !/^[ \t]*X\(/
	if (behind)
		sub(/\/\* /, "/**< ")
	else if (/^\t*\/\* /)
		sub(/\/\* /, "/** ")
	print
}
