-- The Lua side of the benchmark, on this library. bench/bench.c is its twin.
-- usage: worker.lua ROW [ARGUMENT...]
-- Says "ready" when it is; then, for each "N" on its input, does the row's operation N times and says how many
-- nanoseconds that took. "absent": this library doesn't have what the row measures.

local clock = require "ebpf.core".clock

local row
for _, subject in ipairs {"links", "hooks", "maps", "rings"} do
  row = row or require("bench." .. subject)[arg[1]]
end
if not row then
  print "absent"
  os.exit(0)
end

local run = row(tonumber(arg[2]))
io.stdout:setvbuf "line"
print "ready"
for line in io.lines() do
  local count = tonumber(line)
  local started = clock.now()
  local apart = run(count) or 0 -- seconds spent on what isn't measured
  print(("%.0f"):format((clock.now() - started - apart) * 1e9))
end
