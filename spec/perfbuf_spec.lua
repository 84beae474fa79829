-- Perf buffers: the same as ring buffers, for programs that send by bpf_perf_event_output.

local ebpf = require "ebpf"
local sent = require "spec.support.sent"
local system = require "spec.support.system"
local w = require "spec.support.world"

w.describe("a perf buffer", function(world)
  local source, map

  before_each(function()
    source = sent.new(world(), "send_perf")
    map = world():keep(source.object:map "perf_events")
  end)

  local function open(opts)
    return world():keep(ebpf.perfbuf.open(map, opts))
  end

  -- Which CPU sends is the scheduler's to say, and they come in no order.
  local function numbers(list)
    local found = sent.sequences(list)
    table.sort(found)
    return found
  end

  it("gives records as bytes or as values of their C type, each once", function()
    local rb = open()
    assert.same({}, rb:consume())
    source:send(3)
    local list = rb:consume()
    assert.same({0, 1, 2}, numbers(list))
    assert.is_true(#list[1] >= 64 and #list[1] < 72)
    assert.same({}, rb:consume())
    rb:close()
    rb = open{type = "event"}
    source:send(2)
    list = rb:poll(10000)
    assert.same({3, 4}, numbers(list))
    assert.equal("packet", list[1].name)
    assert.same({consumed = 2, dropped = 0}, rb:counts())
  end)

  it("gives all records in one table, if told to", function()
    local rb = open{type = "event", reuse = true}
    source:send(3)
    local seen, tables = {}, {}
    assert.equal(3, rb:poll(10000, nil, function(event)
      seen[#seen + 1] = event.sequence
      tables[event] = true
    end))
    table.sort(seen)
    assert.same({0, 1, 2}, seen)
    assert.is_nil(next(tables, next(tables)))
  end)

  it("gives no more than asked for, keeps the rest and says that it is there", function()
    local rb = open{type = "event"}
    assert.is_nil(rb:timeout())
    source:send(5)
    local list = rb:consume(2)
    assert.equal(2, #list)
    assert.equal(0, rb:timeout())
    for record in rb:events() do
      table.insert(list, record)
    end
    assert.same(sent.range(0, 4), numbers(list))
    assert.is_nil(rb:timeout())
    assert.equal(5, rb:counts().consumed)
  end)

  it("keeps the record at which a function raised, and those after it", function()
    local rb = open{type = "event"}
    source:send(3)
    local seen, refused = {}, nil
    assert.same({false, "no"}, {pcall(rb.consume, rb, nil, function(event)
      if #seen == 1 then
        refused = event.sequence
        error("no", 0)
      end
      table.insert(seen, event)
    end)})
    assert.equal(2, rb:consume(nil, function(event) table.insert(seen, event) end))
    assert.equal(refused, seen[2].sequence)
    assert.same(sent.range(0, 2), numbers(seen))
  end)

  it("is waited for, by itself or by an event library", function()
    local rb = open()
    assert.same({}, rb:poll(20))
    assert.equal("r", rb:events_mask())
    assert.is_not_nil(system.fds()[rb:pollfd()]:find "eventpoll")
    source:send(1)
    assert.equal(1, #rb:poll(10000))
  end)

  it("tells how many records found it full", function()
    local rb = open{pages = 1}
    source:send(200)
    local found = #rb:consume()
    assert.is_true(found > 0 and found < 200)
    source:send(16) -- the kernel says how many were lost as soon as there is room
    found = found + #rb:consume()
    assert.same({consumed = found, dropped = 216 - found}, rb:counts())
  end)

  it("is not to be opened twice in a process: the events of the second would be put over those of the first", function()
    local pb = open()
    assert.fails({ebpf.perfbuf.open(map)}, "EBUSY", "open here already, and has one consumer")
    source:send(1)
    assert.equal(1, #pb:consume())
    pb:close()
    pb = open()
    source:send(1)
    assert.equal(1, #pb:consume())
  end)

  it("goes on when its map is closed, and leaves nothing behind", function()
    local before = system.count_fds()
    local rb = open()
    map:close()
    source:send(1)
    assert.equal(1, #rb:consume())
    rb:close()
    assert.equal(before - 1, system.count_fds())
    assert.is_nil(system.read "/proc/self/maps":find "perf_event")
    for _, method in ipairs {"consume", "poll", "events", "pollfd", "events_mask", "timeout", "counts"} do
      assert.misuse {{"perfbuf is closed", function() rb[method](rb) end}}
    end
  end)

  it("is its opener's: a child neither reads it nor, when it closes it, stops it", function()
    if not jit then -- luacheck: ignore
      w.skip "no fork() for this interpreter"
    end
    local pin = world():pin()
    assert(pin:put(map))
    local reader = system.start(([[
      local ebpf = require "ebpf"
      local ffi = require "ffi"
      ffi.cdef "int fork(void); int wait(int *); void _exit(int);"
      local rb = assert(ebpf.perfbuf.open(assert(assert(ebpf.pin.at(%q)):get "map")))
      io.stdout:setvbuf "no"
      if ffi.C.fork() == 0 then
        print(rb:consume())
        rb:close()
        ffi.C._exit(0)
      end
      ffi.C.wait(nil)
      print "ready"
      print(#rb:poll(20000))
    ]]):format(pin:path()))
    assert.matches("EBUSY: process %d+ opened it", reader.line())
    assert.equal("ready", reader.line())
    source:send(1)
    assert.equal("1", reader.line())
    reader.close()
  end)

  it("refuses what makes no sense, naming it", function()
    assert.fails({ebpf.perfbuf.open(source.control)}, "EINVAL", "it is a map of type array, not perf_event_array")
    assert.fails({ebpf.perfbuf.open(map, {type = "none"})}, "ENOENT", "no such type")
    assert.misuse {
      {"map expected", function() ebpf.perfbuf.open() end},
      {"power of two expected, got 3", function() ebpf.perfbuf.open(map, {pages = 3}) end},
      {"integer from 1 expected", function() ebpf.perfbuf.open(map, {pages = 0}) end},
      {"unknown option 'size'", function() ebpf.perfbuf.open(map, {size = 1}) end},
    }
  end)
end)
