-- colour.lua - which version blue_green.lua serves: "blue" or "green".
return "blue"
