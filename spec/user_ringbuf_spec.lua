-- User ring buffers: what user space sends, a program drains.

local ebpf = require "ebpf"
local system = require "spec.support.system"
local w = require "spec.support.world"

w.describe("a user ring buffer", function(world)
  local object, map, results, sender, port

  before_each(function()
    object = world():keep(ebpf.object.open "build/spec/support/user_ringbuf.bpf.o")
    local loaded = object:load()
    if not loaded then
      -- the kernel's own word: without the type of map nothing else of the object matters
      if not ebpf.map.create{type = "user_ringbuf", key_size = 0, value_size = 0, max_entries = 4096} then
        w.skip "no maps of type user_ringbuf (Linux 6.1)"
      end
      assert(object:load())
    end
    map = world():keep(object:map "orders")
    results = world():keep(object:map "results")
    local cgroup = world():cgroup()
    world():keep(world():hook("cgroup_inet_egress", cgroup):link(world():keep(object:program "drain")))
    sender = world():sender(cgroup)
    port = select(2, world():receiver())
  end)

  local function drained()
    assert(sender:sendto("x", "127.0.0.1", port))
    return {results:get(0), results:get(1), results:get(2), results:get(3)}
  end

  local function open(opts)
    return world():keep(ebpf.user_ringbuf.open(map, opts))
  end

  it("takes values of their C type, which a program then drains", function()
    local rb = open{type = "order"}
    assert.same({0, 0, 0, 0}, drained())
    assert.is_true(rb:push{amount = 40, kind = 1, note = "first"})
    assert.is_true(rb:push{amount = 2, kind = 7, note = ""})
    assert.same({2, 42, 8, 0}, drained())
    assert.same({2, 42, 8, 0}, drained())
    assert.is_true(rb:push{amount = 1, kind = 0, note = ""})
    assert.same({3, 43, 8, 0}, drained())
    assert.same({pushed = 3}, rb:counts())
  end)

  it("takes bytes, of any length", function()
    local rb = open()
    assert.is_true(rb:push "\5\0\0\0\1           ")
    assert.is_true(rb:push "\0\0\0\0s")
    assert.is_true(rb:push "\6\0\0\0\1           and more than an order")
    assert.same({3, 11, 2, 1}, drained())
  end)

  it("takes a string for the value that it is, where the type's are strings", function()
    local rb = open{type = "enum amount"}
    assert.is_true(rb:push "MANY")
    assert.same({1, 1000, 0, 1}, drained())
    assert.misuse {{"value: 'FEW' is no constant of enum amount", function() rb:push "FEW" end}}
    rb:close()
    rb = open{type = "__u32"}
    assert.is_true(rb:push "20000")
    assert.same({2, 21000, 0, 2}, drained())
    assert.misuse {{"value: an integer expected, got 'short'", function() rb:push "short" end}}
    assert.same({pushed = 1}, rb:counts())
  end)

  it("is full until it is drained, and then takes records again, all round its memory", function()
    local rb = open{type = "order"}
    assert.equal(4096, rb:size())
    local sum, count = 0, 0
    for round = 1, 40 do
      local fitted = 0
      while rb:available() >= 24 do
        assert.is_true(rb:push{amount = round, kind = 0, note = ""})
        sum, count, fitted = sum + round, count + 1, fitted + 1
      end
      assert.equal(170, fitted)
      assert.fails({rb:push{amount = 1, kind = 0, note = ""}}, "ENOSPC", "full until a program drains it")
      assert.same({count, sum, 0, 0}, drained())
      assert.equal(4096, rb:available())
    end
    assert.fails({rb:push(("x"):rep(4096))}, "E2BIG", "larger than the whole ring")
    assert.is_true(rb:push(("x"):rep(4088)))
    assert.equal(0, rb:available())
  end)

  it("is one producer's", function()
    local rb = open()
    assert.fails({ebpf.user_ringbuf.open(map)}, "EBUSY", "open here already")
    rb:close()
    open()
    if not jit then -- luacheck: ignore
      return
    end
    local output = system.lua([[
      local ebpf = require "ebpf"
      local ffi = require "ffi"
      ffi.cdef "int fork(void); int wait(int *); void _exit(int);"
      local map = assert(ebpf.map.create{type = "user_ringbuf", key_size = 0, value_size = 0, max_entries = 4096})
      local rb = assert(ebpf.user_ringbuf.open(map))
      io.stdout:setvbuf "no"
      if ffi.C.fork() == 0 then
        print(rb:push "x")
        rb:close()
        ffi.C._exit(0)
      end
      ffi.C.wait(nil)
      print(rb:push "x")
    ]])
    assert.matches("EBUSY: process %d+ opened it.*\ntrue$", output)
  end)

  it("refuses what makes no sense, naming it, and sends nothing", function()
    local rb = open{type = "order"}
    assert.fails({ebpf.user_ringbuf.open(results)}, "EINVAL", "it is a map of type array, not user_ringbuf")
    rb:close()
    assert.fails({ebpf.user_ringbuf.open(map, {type = "bill"})}, "ENOENT", "no such type")
    rb = open{type = "order"}
    assert.misuse {
      {"map expected", function() ebpf.user_ringbuf.open(1) end},
      {"unknown option 'size'", function() ebpf.user_ringbuf.open(map, {size = 1}) end},
      {"value.amount: .*does not fit", function() rb:push{amount = 2 ^ 32, kind = 0} end},
      {"value", function() rb:push(1) end},
    }
    assert.same({0, 0, 0, 0}, drained())
    rb:close()
    local raw = open()
    assert.misuse {{"string expected, got number", function() raw:push(1) end}}
    raw:close()
    for _, method in ipairs {"push", "size", "available", "counts"} do
      assert.misuse {{"user_ringbuf is closed", function() rb[method](rb) end}}
    end
    assert.equal("ebpf.user_ringbuf (closed)", tostring(rb))
  end)
end)
