-- Links that an ELF section describes, and the lines of iterators.

local ebpf = require "ebpf"
local system = require "spec.support.system"
local w = require "spec.support.world"

local PROBES = "build/spec/support/auto.bpf.o"
local TRACING = "build/spec/support/tracing.bpf.o"

w.describe("a link by ELF section", function(world)
  local function loaded(path)
    local object = world():keep(ebpf.object.open(path))
    local done, message = object:load()
    if not done then
      w.skip("not loaded here: " .. message)
    end
    return object
  end

  local function program(object, name)
    return world():keep(object:program(name))
  end

  -- or skips the test, for lack of what is named
  local function attached(object, name)
    local link, message, errno = ebpf.link.auto(program(object, name))
    if not link and (errno == ebpf.errno.ENOENT or errno == ebpf.errno.EOPNOTSUPP or errno == 524) then
      w.skip(message)
    end
    return world():keep(link, message)
  end

  -- What runs: the name in the file, its key, what makes it run, what info tells
  local cases = {
    {"raw", 0, os.time, {type = "raw_tracepoint", tp_name = "sys_enter"}},
    {"point", 1, os.time, {type = "perf_event", event = "tracepoint", tp_name = "sys_enter"}},
    {"probe", 2, os.time, {type = "perf_event", event = "kprobe", func_name = "ksys_read", offset = 0}},
    {"user", 3, function() os.execute "date >/dev/null" end, {type = "perf_event", event = "uprobe"}},
  }

  for _, case in ipairs(cases) do
    local name, key, trigger, wanted = case[1], case[2], case[3], case[4]

    it("runs a " .. name .. " program until it is closed, whatever becomes of its object", function()
      local object = loaded(PROBES)
      local counts = world():keep(object:map "counts")
      local before = system.fds()
      local link = attached(object, name)
      local held = 0
      for number in pairs(system.fds()) do
        held = held + (before[number] and 0 or 1)
      end
      assert.equal(2, held) -- the program and the link: nothing of libbpf's
      object:close()
      collectgarbage()
      local function runs()
        local count = counts:get(key)
        for _ = 1, 3 do
          trigger()
          system.read "/proc/self/stat"
        end
        return counts:get(key) > count
      end
      assert.is_true(runs())
      assert.is_true(link:alive())
      local info = link:info()
      if info.type ~= "perf_event" or info.event then -- perf events tell since 6.6
        for field, value in pairs(wanted) do
          assert.same({field, value}, {field, info[field]})
        end
      end
      if info.event == "uprobe" then
        assert.matches("libc", info.file_name)
        assert.is_true(info.offset > 0)
      end
      local second = assert(ebpf.link.from_id(link:id()))
      link:close()
      assert.is_true(runs()) -- another holder's goes on
      assert.fails({second:detach()}, "EOPNOTSUPP", "close it")
      assert.fails({second:update(program(loaded(PROBES), name))}, "EINVAL")
      second:close()
      assert.is_false(runs())
    end)
  end

  it("puts one program on several functions", function()
    local link = attached(loaded "build/spec/support/multi.bpf.o", "multi")
    local info = link:info()
    assert.equal("kprobe_multi", info.type)
    if info.count then
      assert.is_true(info.count >= 1)
      assert.equal(info.count, #info.addrs)
      assert.is_true(info.addrs[1] ~= 0 and info.addrs[1] ~= nil)
    end
    assert.fails({link:detach()}, "EOPNOTSUPP")
  end)

  it("attaches fentry, typed tracepoints and LSM programs", function()
    local object = loaded(TRACING)
    for name, attach_type in pairs {entry = "trace_fentry", opened = "lsm_mac"} do
      local link = world():keep(ebpf.link.auto(program(object, name)))
      assert.same({"tracing", attach_type}, {link:info().type, link:info().attach_type})
      assert.is_true(link:info().target_btf_id > 0)
      assert.fails({link:detach()}, "EOPNOTSUPP")
    end
    local typed = world():keep(ebpf.link.auto(program(object, "typed")))
    assert.same({"raw_tracepoint", "sys_enter"}, {typed:info().type, typed:info().tp_name})
  end)

  it("of an iterator gives lines, as often as they are asked for", function()
    local link = attached(loaded(TRACING), "maps")
    assert.same({"iter", "bpf_map"}, {link:info().type, link:info().target_name})
    for _ = 1, 2 do
      local seen, last = {}, nil
      for line in link:lines() do
        seen[line], last = true, line
      end
      for map in ebpf.map.each() do
        assert.is_true(seen[("map %d"):format(map:id())])
      end
      assert.equal("end", last) -- without a newline
    end
    local cell = world():cell()
    local found = false
    for line in link:lines() do
      found = found or line == ("map %d"):format(cell:id())
    end
    assert.is_true(found)
  end)

  it("reads the lines of nothing else", function()
    local link = attached(loaded(PROBES), "raw")
    local ok, message = pcall(function() return link:lines() end)
    assert.is_false(ok)
    assert.matches("EINVAL: only the link of an iterator program has lines", message)
  end)

  it("is refused where the section names no place, or none that exists", function()
    local object = loaded(PROBES)
    assert.fails({ebpf.link.auto(program(object, "device"))}, "EOPNOTSUPP", "use the function of that hook")
    local link, message = ebpf.link.auto(program(object, "nowhere"))
    assert.is_nil(link)
    assert.matches("^link auto kprobe/no_such_function_4711: E", message)
  end)

  it("needs an open object of the program's", function()
    assert.fails({ebpf.link.auto(world():program())}, "EINVAL", "not taken from an Object")
    local object = loaded(PROBES)
    local raw = program(object, "raw")
    object:close()
    assert.fails({ebpf.link.auto(raw)}, "EINVAL", "its Object is closed")
    assert.has_error(function() ebpf.link.auto(object) end)
  end)

  it("keeps the object of a program that is held", function()
    local object = assert(ebpf.object.open(PROBES))
    if not object:load() then
      w.skip "not loaded here"
    end
    local raw = world():keep(object:program "raw")
    local seen = setmetatable({object}, {__mode = "v"})
    object = nil -- luacheck: ignore
    collectgarbage()
    collectgarbage()
    assert.is_userdata(seen[1])
    assert(ebpf.link.auto(raw)):close()
    seen[1]:close()
  end)
end)
