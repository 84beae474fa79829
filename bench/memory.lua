-- Opens and closes every kind of object so many times: neither memory nor descriptors may grow. The collector runs
-- every so often: by its own pace Lua 5.4 lets closed objects, which wait for their finalizers, pile up to some tens of
-- megabytes, and doesn't give these back.
-- usage: memory.lua COUNT; a line each: name, KiB that the process grew by, descriptors, ns an opening and closing

local clock = require "ebpf.core".clock
local ebpf = require "ebpf"
local place = require "bench.place"

local count = tonumber(arg[1])
local warm = math.min(count, 50000)
local COLLECT = 10000

local function resident()
  local file = assert(io.open "/proc/self/status")
  local text = file:read "*a"
  file:close()
  return tonumber(text:match "VmRSS:%s*(%d+)")
end

-- Later, since popen(3) closes the pipe's other end once the child runs.
local function descriptors()
  local list = assert(io.popen(("sleep 0.1; exec ls -1 /proc/%d/fd"):format(place.process())))
  local number = 0
  for _ in list:lines() do
    number = number + 1
  end
  list:close()
  return number
end

local function settle()
  collectgarbage()
  collectgarbage()
end

local function repeatedly(once, times)
  for number = 1, times do
    once()
    if number % COLLECT == 0 then
      collectgarbage()
    end
  end
end

local function show(name, once)
  repeatedly(once, warm)
  settle()
  local size, open, started = resident(), descriptors(), clock.now()
  repeatedly(once, count)
  local took = clock.now() - started
  settle()
  print(("%s\t%d\t%d\t%d\t%.0f"):format(name, count, resident() - size, descriptors() - open, took / count * 1e9))
end

local function opens(open)
  return function() assert(open()):close() end
end

local hook = place.busy_hook()
local program = place.program(0)
local link = place.keep(hook:link(program))
local map = place.keep(ebpf.map.create{type = "hash", key_size = 4, value_size = 8, max_entries = 1, name = "bench"})
local cgroup = place.cgroup()
local directory = "/sys/fs/bpf"
local pin = place.keep(ebpf.pin.at(directory .. "/" .. place.name()))
assert(pin:put(link))

io.stdout:setvbuf "line"
show("link", opens(function() return hook:link(program) end))
show("link by id", opens(function() return ebpf.link.from_id(link:id()) end))
show("link of a descriptor", opens(function() return ebpf.link.from_fd(link:fd()) end))
show("program by id", opens(function() return ebpf.program.from_id(program:id()) end))
show("program loaded", opens(function()
  return ebpf.program.load{type = "cgroup_skb", insns = "\183\0\0\0\1\0\0\0\149\0\0\0\0\0\0\0", license = "GPL"}
end))
show("map by id", opens(function() return ebpf.map.from_id(map:id()) end))
show("map made", opens(function()
  return ebpf.map.create{type = "array", key_size = 4, value_size = 8, max_entries = 1}
end))
show("cgroup", opens(function() return ebpf.cgroup.open(cgroup:path()) end))
show("hook", opens(function() return cgroup:mprog "cgroup_inet_egress" end))
show("attachment", function()
  local attachment = assert(hook:attach(program))
  assert(attachment:detach())
  attachment:close()
end)
show("pin", opens(function() return ebpf.pin.at(pin:path()) end))
show("what is pinned", opens(function() return pin:get() end))
show("lock", opens(function() return ebpf.pin.lock(directory) end))
show("object", opens(function() return ebpf.object.open "build/bench/bench.bpf.o" end))
local rings = {}
for _, kind in ipairs {"ringbuf", "user_ringbuf"} do
  rings[kind] = place.keep(ebpf.map.create{type = kind, key_size = 0, value_size = 0, max_entries = 4096})
end
show("ring buffer", opens(function() return ebpf.ringbuf.open(rings.ringbuf) end))
show("user ring buffer", opens(function() return ebpf.user_ringbuf.open(rings.user_ringbuf) end))
local events = place.keep(ebpf.map.create{type = "perf_event_array", key_size = 4, value_size = 4, max_entries = 64})
show("perf buffer", opens(function() return ebpf.perfbuf.open(events, {pages = 1}) end))
local mapped = place.keep(ebpf.map.create{
  type = "array", key_size = 4, value_size = 8, max_entries = 1, flags = 2 ^ 10, -- BPF_F_MMAPABLE
})
show("memory of a map", opens(function() return mapped:mmap() end))
local object = place.keep(ebpf.object.open "build/bench/bench.bpf.o")
show("types of an object", opens(function() return object:btf() end))

local function collected(name, open, pause)
  local uncollected = 0
  show(name, function()
    assert(open())
    uncollected = uncollected + 1
    if uncollected % pause == 0 then
      collectgarbage() -- it counts neither descriptors nor memory of C
    end
  end)
end

collected("link by id, collected", function() return ebpf.link.from_id(link:id()) end, 1000)
local types = place.keep(object:btf())
collected("codec, collected", function() return types:codec "struct event" end, 1000)
