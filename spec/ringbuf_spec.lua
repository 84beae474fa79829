-- Ring buffers: what programs send arrives, once and in order, as bytes or values. How and by whom it is waited for is
-- in ringbuf_reader_spec.lua.

local descriptors = require "descriptors"
local ebpf = require "ebpf"
local sent = require "spec.support.sent"
local system = require "spec.support.system"
local w = require "spec.support.world"

local range, sequences = sent.range, sent.sequences

w.describe("a ring buffer", function(world)
  local source, map

  before_each(function()
    source = sent.new(world(), "send_ring")
    map = world():keep(source.object:map "events")
  end)

  local function open(opts)
    return world():keep(ebpf.ringbuf.open(map, opts))
  end

  it("gives records as bytes, in order, and each once", function()
    local rb = open()
    assert.same({}, rb:consume())
    source:send(3)
    local list = rb:consume()
    assert.same({0, 1, 2}, sequences(list))
    assert.equal(64, #list[1])
    assert.equal("packet", list[1]:match("packet", 17))
    assert.same({}, rb:consume())
    source:send(1)
    assert.same({3}, sequences(rb:consume()))
    assert.same({consumed = 4, discarded = 0}, rb:counts())
    assert.equal(65536, rb:size())
    assert.equal(("ebpf.ringbuf: map %d fd %d"):format(map:id(), rb:fd()), tostring(rb))
  end)

  it("gives records as values of their C type, which the map's Object knows", function()
    local rb = open{type = "event"}
    source:send(2)
    local list = rb:consume()
    assert.equal("table", type(list[1]))
    assert.same({
      {sequence = 0, length = list[1].length, negative = -1, name = "packet", reason = "FIRST", cpu = 0,
       values = {0, 0, 0}},
      {sequence = 1, length = list[1].length, negative = -2, name = "packet", reason = "LATER", cpu = 0,
       values = {1, 0, 1}},
    }, list)
  end)

  it("gives all records in one table, if told to", function()
    local rb = open{type = "event", reuse = true}
    source:send(3)
    local seen, first = {}, nil
    assert.equal(2, rb:consume(2, function(event)
      first = first or event
      assert.equal(first, event)
      assert.equal(3, #event.values)
      seen[#seen + 1] = event.sequence .. event.reason .. event.values[1]
    end))
    for event in rb:events() do
      assert.equal(first, event)
      seen[#seen + 1] = event.sequence .. event.reason .. event.values[1]
    end
    assert.same({"0FIRST0", "1LATER1", "2LATER2"}, seen)
    assert.misuse {
      {"a function is expected: with reuse there is one table", function() rb:consume() end},
      {"spec/ringbuf_spec.lua:%d+: .*a function is expected: with reuse there is one table", function()
        local list = rb:poll(0)
        return list
      end},
      {"boolean expected", function() ebpf.ringbuf.open(map, {type = "event", reuse = 1}) end},
    }
    source:send(1)
    assert.equal(1, rb:poll(0, nil, function(event) assert.equal(3, event.sequence) end))
  end)

  it("has nothing to reuse where records are bytes", function()
    local rb = open{reuse = true}
    source:send(2)
    assert.same({0, 1}, sequences(rb:consume()))
  end)

  it("learns the type from whom it is told to, where the map is not from an Object", function()
    local pin = world():pin()
    assert(pin:put(map))
    local pinned = world():keep(pin:get "map")
    assert.fails({ebpf.ringbuf.open(pinned, {type = "event"})}, "ENOENT", "the kernel has no types of it")
    local program = world():keep(source.object:program "send_ring")
    local btf = world():keep(source.object:btf())
    for _, opts in ipairs {
      {type = "event", btf = source.object}, {type = "struct event", btf = btf}, {type = "event", btf = program},
      {type = assert(btf:codec "event")}, {type = "event", btf = world():keep(source.object:map "control")},
    } do
      local rb = world():keep(ebpf.ringbuf.open(pinned, opts))
      source:send(1)
      assert.equal("packet", rb:consume()[1].name)
      rb:close()
    end
    assert.fails({ebpf.ringbuf.open(map, {type = "evnt"})}, "ENOENT")
  end)

  it("gives a record that is shorter than its type as the bytes that it is", function()
    local rb = open{type = "event"}
    source:send(1, {bytes = 4})
    source:send(1)
    local list = rb:consume()
    assert.equal("\0\0\0\0", list[1])
    assert.equal(1, list[2].sequence)
  end)

  it("gives no more than asked for, and keeps the rest", function()
    local rb = open()
    source:send(5)
    assert.same({0, 1}, sequences(rb:consume(2)))
    assert.same({}, rb:consume(0))
    assert.equal(3 * 72, rb:available())
    assert.same({2, 3, 4}, sequences(rb:consume(100)))
    assert.equal(0, rb:available())
  end)

  it("calls a function with each, and says how often", function()
    local rb = open()
    source:send(5)
    local seen = {}
    local function note(record) table.insert(seen, record) end
    assert.equal(3, rb:consume(3, note))
    assert.equal(2, rb:consume(nil, note))
    assert.equal(0, rb:consume(nil, note))
    assert.same(range(0, 4), sequences(seen))
    assert.equal(5, rb:counts().consumed)
  end)

  it("keeps the record at which the function raised, and those after it", function()
    local rb = open{type = "event"}
    source:send(4)
    local seen = {}
    local function fragile(event)
      if event.sequence == 2 and #seen == 2 then
        error("no", 0)
      end
      table.insert(seen, event)
    end
    assert.same({false, "no"}, {pcall(rb.consume, rb, nil, fragile)})
    assert.equal(2, rb:counts().consumed)
    assert.has_error(function() rb:consume(1, function() error "again" end) end)
    table.insert(seen, "go on")
    assert.equal(2, rb:consume(nil, fragile))
    table.remove(seen, 3)
    assert.same(range(0, 3), sequences(seen))
    assert.equal(4, rb:counts().consumed)
  end)

  it("may be consumed by the function, which then has what it was called with twice", function()
    local rb = open()
    source:send(4)
    local inner
    local count = rb:consume(nil, function()
      inner = inner or sequences(rb:consume(2))
    end)
    assert.same({0, 1}, inner)
    assert.equal(3, count)
    assert.equal(4, rb:counts().consumed)
  end)

  it("may be closed by the function; whoever opens the map next goes on with what it was called with", function()
    local rb = open()
    source:send(3)
    assert.equal(2, rb:consume(nil, function(record)
      if record:byte() == 1 then
        rb:close()
      end
    end))
    assert.same({1, 2}, sequences(open():consume()))
  end)

  it("is iterated over until it is empty, and consumes what the body had before a break", function()
    local rb = open{type = "event"}
    source:send(4)
    for event in rb:events() do
      if event.sequence == 1 then
        break
      end
    end
    local rest = {}
    for event in rb:events() do
      table.insert(rest, event)
    end
    assert.same({2, 3}, sequences(rest))
    source:send(2)
    pcall(function()
      for _ in rb:events() do
        error "the body's own"
      end
    end)
    assert.same({5}, sequences(rb:consume()))
    for _ in rb:events(5) do
      error "there is none"
    end
    source:send(2)
    local count = 0
    for _ in rb:events(5) do
      count = count + 1
    end
    assert.equal(2, count)
  end)

  it("may be iterated over by a coroutine that yields", function()
    local rb = open{type = "event"}
    source:send(3)
    local take = coroutine.wrap(function()
      for event in rb:events() do
        coroutine.yield(event.sequence)
      end
    end)
    assert.same({0, 1, 2}, {take(), take(), take()})
  end)

  it("passes what programs gave up, and counts it", function()
    local rb = open{type = "event"}
    source:send(6, {discard = 2})
    assert.same({0, 2, 4}, sequences(rb:consume()))
    assert.same({consumed = 3, discarded = 3}, rb:counts())
    source:send(2, {discard = 1})
    assert.same({}, rb:poll(5))
    assert.same({consumed = 3, discarded = 5}, rb:counts())
    assert.equal(0, rb:available())
  end)

  it("tells what programs could not send, as far as they count it", function()
    local refused = world():keep(source.object:map "refused")
    local rb = open{dropped = refused}
    source:send(1000)
    local fitted = math.floor(65536 / 72)
    local counts = rb:counts()
    assert.same({0, 1000 - fitted}, {counts.consumed, counts.dropped})
    assert.equal(fitted, #rb:consume())
    rb:close()
    rb = open{dropped = function() return 7 end}
    assert.equal(7, rb:counts().dropped)
    source:send(2) -- there is room again
    assert.equal(2, #rb:consume())
  end)

  it("goes round its memory whole: many records of two sizes", function()
    local rb = open()
    local bytes, records = 0, 0
    for i = 1, 100 do
      source:send(90, i % 3 == 0 and {bytes = 4} or nil)
      for _, record in ipairs(rb:consume()) do
        bytes, records = bytes + #record, records + 1
        assert.is_true(#record == 4 or record:sub(17, 22) == "packet")
      end
    end
    assert.same({9000, 33 * 90 * 4 + 67 * 90 * 64}, {records, bytes})
  end)

  it("stops at a record that is being written, and gives it before those behind it", function()
    local object = world():keep(ebpf.object.open "build/spec/support/busy.bpf.o")
    assert(object:load())
    local rb = world():keep(ebpf.ringbuf.open(world():keep(object:map "events")))
    local fill, send = world():keep(object:program "fill"), world():keep(object:program "send")
    local writer = system.start(([[
      local program = assert(require "ebpf".program.from_id(%d))
      require "descriptors".run_stuck(program:fd())
      print "not stuck" io.stdout:flush()
    ]]):format(fill:id()))
    if not system.eventually(function() return rb:available() > 0 end) then
      writer.kill()
      w.skip "nothing can wait for memory (CONFIG_USERFAULTFD)"
    end
    local ok, message = pcall(function()
      assert.is_true(descriptors.run(send:fd()))
      assert.equal(32, rb:available())
      assert.same({{}, {}, 0}, {rb:consume(), rb:poll(5), rb:consume(nil, error)})
      assert.is_nil(rb:events()(rb))
      assert.is_nil(rb:timeout())
      assert.same({consumed = 0, discarded = 0}, rb:counts())
    end)
    writer.kill() -- the program goes on, since reading failed
    assert(ok, message)
    assert.same({"\0\0\0\0"}, rb:poll(20000, 1))
    assert.same({"\2\0\0\0"}, rb:poll(20000))
    assert.equal(0, rb:available())
  end)

  it("of a kind that overwrites is refused", function()
    local overwriting = ebpf.map.create{
      type = "ringbuf", key_size = 0, value_size = 0, max_entries = 4096, flags = 2 ^ 19,
    }
    if not overwriting then
      w.skip "no BPF_F_RB_OVERWRITE (Linux 6.19)"
    end
    world():keep(overwriting)
    assert.fails({ebpf.ringbuf.open(overwriting)}, "EOPNOTSUPP", "it overwrites what was not consumed")
  end)

  it("refuses what makes no sense, naming it", function()
    local rb = open()
    assert.fails({ebpf.ringbuf.open(source.control)}, "EINVAL", "it is a map of type array, not ringbuf")
    local closed = world():keep(ebpf.btf.kernel())
    closed:close()
    assert.misuse {
      {"spec/ringbuf_spec.lua:%d+: bad option 'btf' to 'ringbuf.open' %(btf is closed", function()
        local ring = ebpf.ringbuf.open(map, {type = "event", btf = closed})
        return ring
      end},
      {"map expected, got no value", function() ebpf.ringbuf.open() end},
      {"unknown option 'typ'", function() ebpf.ringbuf.open(map, {typ = "event"}) end},
      {"string or codec expected", function() ebpf.ringbuf.open(map, {type = 1}) end},
      {"bad argument #1 to 'consume'", function() rb:consume(-1) end},
      {"integer expected", function() rb:consume "all" end},
      {"function expected", function() rb:consume(1, {}) end},
      {"spec/ringbuf_spec.lua:%d+: bad argument '1' to 'ringbuf:poll' %(number", function() rb:poll "long" end},
      {"spec/ringbuf_spec.lua:%d+: bad argument 'self' to 'ringbuf:poll'", function() rb.poll(map, 0) end},
      {"spec/ringbuf_spec.lua:%d+: bad argument '2' to 'ringbuf:poll'", function() rb:poll(0, "all") end},
      {"spec/ringbuf_spec.lua:%d+: bad argument '3' to 'ringbuf:poll'", function() rb:poll(0, 1, {}) end},
      {"milliseconds from 0", function() rb:poll(-1) end},
      {"milliseconds from 0", function() rb:events(0 / 0) end},
    }
    rb:close()
    for _, method in ipairs {
      "consume", "poll", "events", "pollfd", "events_mask", "timeout", "counts", "size", "available",
    } do
      assert.misuse {{"spec/ringbuf_spec.lua:%d+: ringbuf is closed", function() rb[method](rb) end}}
    end
  end)
end)
