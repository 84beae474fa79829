-- Maps: see maps.c.

local ebpf = require "ebpf"
local place = require "bench.place"

local M = {}

local function filled(value_size, entries)
  local map = place.keep(ebpf.map.create{
    type = "hash", key_size = 4, value_size = value_size, max_entries = entries, name = "bench",
  })
  for key = 0, entries - 1 do
    assert(map:set(key, key))
  end
  return map
end

function M.map_get()
  local map = filled(8, 10000)
  return function(count)
    local sum = 0
    for _ = 1, count do
      sum = sum + map:get(1)
    end
  end
end

function M.map_set()
  local map = filled(8, 10000)
  return function(count)
    for value = 1, count do
      if not map:set(1, value) then
        error "set"
      end
    end
  end
end

-- All of it, as a sum: one operation is one reading.
function M.each(entries)
  entries = entries or 10000
  local map = filled(8, entries)
  return function(count)
    for _ = 1, count do
      local sum, seen = 0, 0
      for _, value in map:each() do
        sum, seen = sum + value, seen + 1
      end
      assert(seen == entries)
    end
  end
end

function M.read_structs()
  local object = place.keep(ebpf.object.open "build/bench/bench.bpf.o")
  assert(object:load())
  local map = place.keep(object:map "traffic")
  for key = 0, 9999 do
    assert(map:set(key, {packets = key, bytes = key * 100, ifindex = 1, mark = key}))
  end
  return function(count)
    for _ = 1, count do
      local sum, seen = 0, 0
      for _, value in map:each() do
        sum, seen = sum + value.packets, seen + 1
      end
      assert(seen == 10000)
    end
  end
end

M.read_numbers = M.each

-- A program's counter in .bss, mapped.
function M.counter()
  local object = place.keep(ebpf.object.open "build/bench/bench.bpf.o")
  assert(object:load())
  local variables = object.bss
  return function(count)
    local sum = 0
    for _ = 1, count do
      sum = sum + variables.counter
    end
  end
end

return M
