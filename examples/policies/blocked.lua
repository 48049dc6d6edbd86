-- blocked.lua - who block_list.lua lets wait in vain.
return {
	["203.0.113.0/24"]   = "scans",
	["198.51.100.66/32"] = "abuse",
	["2001:db8:bad::/48"] = "scans",
}
