-- Bytes of garbage a call, with the collector stopped, of what is called often.
-- usage: garbage.lua; a line each: name, bytes

local ebpf = require "ebpf"
local place = require "bench.place"

local CALLS = 100000

local function bytes(call)
  local before, after
  collectgarbage()
  collectgarbage "stop"
  for _ = 1, 2 do -- what is made once is made the first time, LuaJIT's code too
    before = collectgarbage "count"
    for number = 1, CALLS do
      call(number)
    end
    after = collectgarbage "count"
  end
  collectgarbage "restart"
  return (after - before) * 1024 / CALLS
end

local hook = place.busy_hook()
local first, second = place.program(0), place.program(1)
local link, detached = place.keep(hook:link(first)), place.keep(place.hook():link(first))
local map = place.keep(ebpf.map.create{type = "hash", key_size = 4, value_size = 8, max_entries = 1, name = "bench"})

local function show(name, call)
  print(name, ("%.3f"):format(bytes(call)))
end

show("link:update", function(number) assert(link:update(number % 2 == 0 and first or second)) end)
show("link:detach", function() assert(detached:detach()) end)
show("map:set", function(number) assert(map:set(1, number)) end)
show("map:get", function() assert(map:get(1)) end)
