-- patterns_policy.lua - patterns.lua as a policy.
node { name = "n", pods = { "10.244.0.0/16" } }
require "patterns"
