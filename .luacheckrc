std = "min" -- what every Lua from 5.1 to 5.5 has
max_line_length = 120
cache = false

exclude_files = { "build" }
include_files = {
  "**/*.lua", "**/*.rockspec", "spec/vm/tally", "bench/run", "bench/callgrind", ".busted", ".luacheckrc", "config.ld" }

files["lua/resty"] = { std = "ngx_lua" }
files["spec"] = { std = "max+busted" }
files["spec/vm/tally"] = { std = "lua54" }
files["examples"] = { std = "max" }
files["bench"] = { std = "max" }
files["spec/fuzz"] = { std = "lua54", read_globals = { "core" } }
