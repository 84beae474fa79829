-- Ring buffers: see rings.c.

local clock = require "ebpf.core".clock
local ebpf = require "ebpf"
local place = require "bench.place"

local M = {}
local BATCH = 10000 -- as in bench.bpf.c

local function contents(path, text)
  local file = assert(io.open(path, text and "w" or "r"))
  local result = text and file:write(text) or file:read "*a"
  file:close()
  return result
end

-- Reading a sysctl from within the cgroup makes the program write BATCH records.
local function produce()
  contents "/proc/sys/kernel/ostype"
end

local function consumer(opts, take)
  local object = place.keep(ebpf.object.open "build/bench/bench.bpf.o")
  assert(object:load())
  local cgroup = place.cgroup()
  place.keep(place.keep(cgroup:mprog "cgroup_sysctl"):link(object:program "produce"))
  contents(cgroup:path() .. "/cgroup.procs", "0")
  local ring = place.keep(ebpf.ringbuf.open(object:map "events", opts))
  return function(count)
    local apart, seen = 0, 0
    while seen < count do
      local started = clock.now()
      produce()
      apart = apart + clock.now() - started
      assert(assert(ring:consume(BATCH, take)) == BATCH)
      seen = seen + BATCH
    end
    return apart
  end
end

local sum = 0

function M.ring_typed()
  return consumer({type = "event"}, function(event) sum = sum + event.serial + event.mark end)
end

function M.ring_reuse()
  return consumer({type = "event", reuse = true}, function(event) sum = sum + event.serial + event.mark end)
end

function M.ring_raw()
  return consumer(nil, function(bytes) sum = sum + #bytes end)
end

return M
