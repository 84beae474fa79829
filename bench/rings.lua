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

-- A ring, and a cgroup with the program that writes into it.
local function open(opts, program, attach_type)
  local object = place.keep(ebpf.object.open "build/bench/bench.bpf.o")
  assert(object:load())
  local cgroup = place.cgroup()
  place.keep(place.keep(cgroup:mprog(attach_type)):link(object:program(program)))
  return place.keep(ebpf.ringbuf.open(object:map "events", opts)), cgroup
end

local function consumer(opts, take)
  local ring, cgroup = open(opts, "produce", "cgroup_sysctl")
  contents(cgroup:path() .. "/cgroup.procs", "0")
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

-- Another process on another CPU, within the cgroup, sends packets; the program writes a record for each.
local function receiver(opts, take)
  local ring, cgroup = open(opts, "send", "cgroup_inet_egress")
  local sender = place.keep(io.popen(("exec taskset -c 0 build/bench/libbpf send %s >/dev/null"):format(cgroup:path()),
    "w"))
  sender:setvbuf "line"
  return function(count)
    for _ = 1, count, BATCH do
      sender:write(("%d\n"):format(BATCH))
      local seen = 0
      while seen < BATCH do
        local more = assert(ring:poll(10000, nil, take))
        assert(more > 0, "records are missing")
        seen = seen + more
      end
    end
  end
end

local sum = 0

local function add(event)
  sum = sum + event.serial + event.mark
end

local function add_length(bytes)
  sum = sum + #bytes
end

function M.ring_typed()
  return consumer({type = "event"}, add)
end

function M.ring_reuse()
  return consumer({type = "event", reuse = true}, add)
end

function M.ring_raw()
  return consumer(nil, add_length)
end

function M.ring_live_typed()
  return receiver({type = "event"}, add)
end

function M.ring_live_raw()
  return receiver(nil, add_length)
end

return M
