-- Readers of ring buffers: how they wait, by themselves or in an event library; that there is one; and how it goes.

local ebpf = require "ebpf"
local sent = require "spec.support.sent"
local system = require "spec.support.system"
local w = require "spec.support.world"

local sequences = sent.sequences

local function mappings()
  collectgarbage()
  collectgarbage()
  return select(2, system.read "/proc/self/maps":gsub("bpf%-map", ""))
end

w.describe("an open ring buffer", function(world)
  local source, map

  before_each(function()
    source = sent.new(world(), "send_ring")
    map = world():keep(source.object:map "events")
  end)

  local function open(opts)
    return world():keep(ebpf.ringbuf.open(map, opts))
  end

  it("is waited for, until a record or the time is there", function()
    local rb = open{type = "event"}
    local begun = require "socket".gettime()
    assert.same({}, rb:poll(30))
    assert.equal(0, rb:poll(0, nil, error))
    assert.is_true(require "socket".gettime() - begun >= 0.03)
    source:send(3)
    assert.same({0}, sequences(rb:poll(10000, 1)))
    local seen = {}
    assert.equal(2, rb:poll(nil, nil, function(event) table.insert(seen, event) end))
    assert.same({1, 2}, sequences(seen))
  end)

  it("wakes whoever waits in another process, record by record", function()
    local pin = world():pin()
    assert(pin:put(map))
    local reader = system.start(([[
      local ebpf = require "ebpf"
      io.stdout:setvbuf "no"
      local rb = assert(ebpf.ringbuf.open(assert(assert(ebpf.pin.at(%q)):get "map")))
      print "ready"
      for _ = 1, 3 do
        for _, record in ipairs(assert(rb:poll(20000))) do print(record:byte()) end
      end
    ]]):format(pin:path()))
    assert.equal("ready", reader.line())
    for i = 0, 2 do
      source:send(1)
      assert.equal(tostring(i), reader.line())
    end
    reader.close()
  end)

  it("is waited for through signals, which Lua hears of meanwhile", function()
    local reader = system.start [[
      local ebpf = require "ebpf"
      io.stdout:setvbuf "no"
      local map = assert(ebpf.map.create{type = "ringbuf", key_size = 0, value_size = 0, max_entries = 4096})
      local rb = assert(ebpf.ringbuf.open(map))
      print(pcall(function()
        print "ready"
        rb:poll(60000)
      end))
    ]]
    assert.equal("ready", reader.line())
    os.execute(("kill -INT %d"):format(reader.pid))
    assert.matches("interrupted", reader.line())
    reader.close()
  end)

  it("tells an event library what to wait for", function()
    local rb = open()
    assert.equal(rb:fd(), rb:pollfd())
    assert.equal("r", rb:events_mask())
    assert.is_nil(rb:timeout())
    source:send(1)
    assert.equal(0, rb:timeout())
    rb:consume()
    assert.is_nil(rb:timeout())
  end)

  -- Event libraries keep descriptors of their own, so each waits in a process of its own: for three records, as it
  -- would for anything else.
  for library, loop in pairs {
    luv = [[
      local uv = require "luv"
      local poll = uv.new_poll(rb:pollfd())
      poll:start(rb:events_mask(), function(failure)
        assert(not failure, failure)
        if not take() then
          poll:stop()
        end
      end)
      uv.run()]],
    cqueues = [[
      local cqueues = require "cqueues"
      local loop = cqueues.new()
      loop:wrap(function()
        repeat
          cqueues.poll{pollfd = rb:pollfd(), events = rb:events_mask(), timeout = rb:timeout()}
        until not take()
      end)
      assert(loop:loop())]],
  } do
    it("is waited for by " .. library, function()
      local pin = world():pin()
      assert(pin:put(map))
      local reader = system.start(([[
        local ebpf = require "ebpf"
        io.stdout:setvbuf "no"
        local rb = assert(ebpf.ringbuf.open(assert(assert(ebpf.pin.at(%q)):get "map")))
        local left = 3
        local function take()
          for record in rb:events() do
            print(record:byte())
            left = left - 1
          end
          return left > 0
        end
        print "ready"
        %s
        print "done"
      ]]):format(pin:path(), loop))
      assert.equal("ready", reader.line())
      for i = 0, 2 do
        source:send(1)
        assert.equal(tostring(i), reader.line())
      end
      assert.equal("done", reader.line())
      reader.close()
    end)
  end

  it("knows when another consumer took records, and goes on after them", function()
    local pin = world():pin()
    assert(pin:put(map))
    local rb = open()
    source:send(3)
    assert.equal("2", system.lua(([[
      local ebpf = require "ebpf"
      local rb = assert(ebpf.ringbuf.open(assert(assert(ebpf.pin.at(%q)):get "map")))
      print(#rb:consume(2))
    ]]):format(pin:path())))
    assert.fails({rb:consume()}, "ESTALE", "another consumer reads it")
    assert.same({2}, sequences(rb:consume()))
  end)

  it("is not to be opened twice in a process", function()
    local rb = open()
    local other = world():keep(ebpf.map.from_id(map:id()))
    assert.fails({ebpf.ringbuf.open(other)}, "EBUSY", "open here already")
    rb:close()
    world():keep(ebpf.ringbuf.open(other))
  end)

  it("is its opener's, not a child's", function()
    if not jit then -- luacheck: ignore
      w.skip "no fork() for this interpreter"
    end
    local output = system.lua([[
      local ebpf = require "ebpf"
      local ffi = require "ffi"
      ffi.cdef "int fork(void); int wait(int *); void _exit(int);"
      local map = assert(ebpf.map.create{type = "ringbuf", key_size = 0, value_size = 0, max_entries = 4096})
      local rb = assert(ebpf.ringbuf.open(map))
      io.stdout:setvbuf "no"
      if ffi.C.fork() == 0 then
        print(rb:consume())
        print(rb:poll(0))
        print(pcall(rb:events()))
        rb:close()
        ffi.C._exit(0)
      end
      ffi.C.wait(nil)
      print(#rb:consume())
    ]])
    local lines = {}
    for line in output:gmatch "[^\n]+" do
      table.insert(lines, line)
    end
    for i = 1, 3 do
      assert.matches("EBUSY: process %d+ opened it", lines[i])
    end
    assert.equal("0", lines[4])
  end)

  it("goes on when its map and its Object are closed, and leaves no mapping behind", function()
    local before = mappings()
    local rb = open{type = "event"}
    assert.equal(before + 2, mappings())
    map:close()
    source:send(1)
    source.object:close()
    assert.same({0}, sequences(rb:consume()))
    rb:close()
    assert.equal(before, mappings())
    assert.is_true(rb:close())
    map = world():keep(ebpf.map.create{type = "ringbuf", key_size = 0, value_size = 0, max_entries = 4096})
    open()
    world().handles[#world().handles] = nil -- and now it is garbage
    collectgarbage()
    collectgarbage()
    assert.equal(before, mappings())
  end)

  it("may be used, and closed, by finalizers that run while a record is made", function()
    local function finalizer(call)
      local function body() pcall(call) end -- LuaJIT does not survive errors in finalizers
      if newproxy then -- luacheck: ignore
        getmetatable(newproxy(true)).__gc = body -- luacheck: ignore
      else
        setmetatable({}, {__gc = body})
      end
    end
    for _, opts in ipairs {{}, {type = "event"}} do
      local rb = open(opts)
      for _ = 1, 200 do
        source:send(3)
        finalizer(function() rb:consume(1) end)
        rb:consume()
        collectgarbage "step"
      end
      for _ = 1, 100 do
        source:send(1)
        local victim = rb
        finalizer(function() victim:close() end)
        local ok, message = pcall(rb.consume, rb)
        assert.is_true(ok or message:find "ringbuf is closed" ~= nil, message)
        if rb:closed() then
          rb = open(opts)
        end
      end
      rb:close()
    end
  end)
end)
