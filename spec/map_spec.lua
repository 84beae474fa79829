-- Maps: integers and byte strings in and out, per key and all of them.

local ebpf = require "ebpf"
local system = require "spec.support.system"
local w = require "spec.support.world"

w.describe("a map", function(world)
  local function create(kind, key_size, value_size, max_entries, flags)
    return world():keep(ebpf.map.create{
      type = kind, key_size = key_size, value_size = value_size, max_entries = max_entries or 8, name = "m",
      flags = flags,
    })
  end

  it("tells what it is", function()
    local map = create("hash", 4, 12, 7)
    local info = map:info()
    assert.is_true(info.memlock > 0)
    info.memlock = nil
    assert.same({
      type = "hash", name = "m", id = map:id(), key_size = 4, value_size = 12, max_entries = 7, flags = 0, btf_id = 0,
      btf_key_type_id = 0, btf_value_type_id = 0, btf_vmlinux_value_type_id = 0, map_extra = 0, ifindex = 0,
      frozen = false,
    }, info)
    assert.equal(("ebpf.map: id %d fd %d"):format(map:id(), map:fd()), tostring(map))
    assert.equal(map:id(), world():keep(ebpf.map.from_id(map:id())):id())
    assert.equal(map:id(), world():keep(ebpf.map.from_fd(map:fd())):id())
    local seen
    for found in ebpf.map.each() do
      seen = seen or found:id() == map:id()
    end
    assert.is_true(seen)
  end)

  it("keeps integers of 1, 2, 4 and 8 bytes, to their last bit", function()
    for _, size in ipairs {1, 2, 4, 8} do
      local map = create("hash", size, size)
      local most = size == 8 and 2 ^ 53 - 1 or 2 ^ (8 * size) - 1
      if math.tointeger then -- luacheck: ignore
        most = size == 8 and math.maxinteger or math.tointeger(most) -- luacheck: ignore
      end
      for _, value in ipairs {0, 1, most} do
        assert.is_true(map:set(value, value))
        assert.equal(value, map:get(value))
      end
      assert.is_true(map:set(1, -1))
      assert.not_equal(-2, map:get(1))
    end
  end)

  it("keeps 64 bits whole on every Lua", function()
    local map = create("hash", 8, 8)
    assert.is_true(map:set("9007199254740993", "18446744073709551615"))
    local value = map:get "9007199254740993"
    assert.equal(math.tointeger and -1 or "18446744073709551615", value) -- luacheck: ignore
    assert.is_nil((map:get "9007199254740992")) -- 2^53: as doubles the two keys are one
    assert.is_true(map:set(1, "-9223372036854775808")) -- an s64's least, as it is read of a map with that type
    assert.equal(math.mininteger or "9223372036854775808", map:get(1)) -- luacheck: ignore
    assert.is_true(map:set(1, value)) -- what was read is accepted back
    assert.equal(value, map:get(1))
  end)

  it("answers alike however often it is asked by name", function()
    local map, other = create("array", 4, 8, 2), create("array", 4, 8, 2)
    local get, raw = map.get, map.raw
    for round = 1, 20 do
      assert.equal(get, map.get)
      assert.is_true(map:set(0, round))
      assert.equal(round, map:get(0))
      assert.equal(0, other:get(0))
      assert.equal(raw, map.raw)
      assert.is_nil(map.no_such_method)
      assert.same({}, {map[1], map[true]})
      assert.matches("^ebpf%.map: ", tostring(map))
    end
    assert.is_true(raw:close())
    assert.not_equal(raw, map.raw) -- a new view, not the closed one
    assert.equal(20, map.raw:get(0))
    assert.is_true(map:close())
    assert.misuse {{"map is closed", function() map:get(0) end}, {"map is closed", function() return map.raw end}}
    assert.equal("ebpf.map (closed)", tostring(map))
  end)

  it("is collected however often it was asked", function()
    for _ = 1, 20 do
      local map = ebpf.map.create {type = "array", key_size = 4, value_size = 8, max_entries = 1}
      for key = 1, 20 do
        assert.is_nil((map:get(key)))
      end
    end
    collectgarbage()
    collectgarbage() -- no descriptor may be left
  end)

  it("is collected even if it was an argument after that", function()
    local left, count = setmetatable({}, {__mode = "k"}), 0
    for _ = 1, 20 do
      local map = ebpf.map.create {type = "array", key_size = 4, value_size = 8, max_entries = 1}
      for _ = 1, 20 do
        assert.equal(0, map:get(0))
      end
      assert.misuse {{"table expected, got number", function() ebpf.ringbuf.open(map, 5) end}}
      left[map] = true
    end
    collectgarbage()
    collectgarbage()
    for map in pairs(left) do
      count = count + 1
      map:close()
    end
    assert.is_true(count <= 1, count) -- LuaJIT's stack may still show the last one
  end)

  it("has a metatable that harms nobody who calls what is in there", function()
    local map = create("array", 4, 8, 1)
    for _ = 1, 20 do
      assert.equal(0, map:get(0))
    end
    local index = getmetatable(getmetatable(map).__index).__index
    for _, owner in pairs {1, "text", true, {}, print} do
      assert.has_error(function() index(owner, "raw") end)
    end
    assert.has_error(function() index(nil, "raw") end)
    assert.has_error(function() index() end)
  end)

  it("reads and writes whole numbers of every width up to their limits, and refuses the next one", function()
    for _, size in ipairs {1, 2, 4, 8} do
      local keys, values = create("hash", size, 1, 8), create("array", 4, size, 1)
      local bits = size * 8
      local highest = size == 8 and (math.tointeger and -1 or "18446744073709551615") or 2 ^ bits - 1 -- luacheck: ignore
      local wanted = {0, 1, size == 8 and 2 ^ 52 or 2 ^ (bits - 1) - 1, highest}
      for _, number in ipairs(wanted) do
        assert.is_true(values:set(0, number))
        assert.equal(number, values:get(0))
        assert.is_true(keys:set(number, 1))
        assert.equal(1, keys:get(number))
      end
      assert.is_true(values:set(0, -1))
      assert.equal(highest, values:get(0))
      assert.is_nil((keys:get(2)))
      if size < 8 then
        assert.misuse {
          {"value does not fit " .. size .. " bytes", function() values:set(0, 2 ^ bits) end},
          {"value does not fit " .. size .. " bytes", function() values:set(0, -2 ^ (bits - 1) - 1) end},
          {"key does not fit " .. size .. " bytes", function() keys:get(2 ^ bits) end},
        }
      end
      assert.misuse {
        {"of " .. size .. " bytes expected, got number", function() values:set(0, 1.5) end},
        {"of " .. size .. " bytes expected, got number", function() keys:get(0.5) end},
        {"of " .. size .. " bytes expected, got nil", function() values:set(0) end},
      }
    end
  end)

  it("may be used by a finalizer that runs while a value is read, and even be closed by it", function()
    local map = create("array", 4, 24, 2)
    map:set(0, ("a"):rep(24))
    map:set(1, ("b"):rep(24))
    local function finalizer(call)
      local function body() pcall(call) end -- LuaJIT does not survive errors in finalizers
      if newproxy then -- luacheck: ignore
        getmetatable(newproxy(true)).__gc = body -- luacheck: ignore
      else
        setmetatable({}, {__gc = body})
      end
    end
    for _ = 1, 2000 do
      finalizer(function() map:get(1) end)
      assert.equal(("a"):rep(24), map:get(0))
    end
    local percpu = create("percpu_array", 4, 8, 1)
    for _ = 1, 200 do
      finalizer(function() percpu:close() end)
      local ok, message = pcall(percpu.get, percpu, 0)
      assert.is_true(ok or message:find "map is closed" ~= nil)
    end
  end)

  it("has no keys where its type has none: a queue", function()
    local queue = create("queue", 0, 4)
    assert.is_nil((queue:get()))
    assert.is_true(queue:set(nil, 7))
    assert.equal(7, queue:get())
  end)

  it("that can't be read says so when it is walked", function()
    local map = create("cgroup_array", 4, 4)
    local fd = world():cgroup():fd()
    assert.is_true(map:set(0, fd))
    assert.has_error(function() for _ in map:each() do error "not to be reached" end end)
  end)

  it("keeps byte strings of any other size, and of these too", function()
    local map = create("hash", 3, 5)
    assert.is_true(map:set("a\0b", "\0\1\2\3\255"))
    assert.equal("\0\1\2\3\255", map:get "a\0b")
    local words = create("hash", 4, 4)
    assert.is_true(words:set("\1\0\0\0", "\2\0\0\0"))
    assert.equal(2, words:get(1))
  end)

  it("has no value for a key that isn't there, and that is no failure", function()
    local map = create("hash", 4, 4)
    assert.equal(1, select("#", map:get(1)))
    assert.is_nil((map:get(1)))
    assert.is_false(map:delete(1))
    map:set(1, 2)
    assert.is_true(map:delete(1))
    assert.is_nil((map:get(1)))
  end)

  it("is set as a new key, as one that exists, or as either", function()
    local map = create("hash", 4, 4, 2)
    assert.fails({map:set(1, 1, "exist")}, "ENOENT", "no such key")
    assert.is_true(map:set(1, 1, "noexist"))
    assert.fails({map:set(1, 2, "noexist")}, "EEXIST", "such a key already")
    assert.equal(1, map:get(1))
    assert.is_true(map:set(1, 3, "exist"))
    assert.is_true(map:set(2, 4, "any"))
    assert.equal(3, map:get(1))
    assert.fails({map:set(3, 5)}, "E2BIG", "full")
    assert.fails({create("array", 4, 4, 2):set(2, 0)}, "E2BIG", "beyond its last")
    assert.fails({create("array", 4, 4, 2):delete(1)}, "EINVAL", "can't be deleted")
  end)

  it("is walked key by key, and the body may delete what it is given", function()
    local map = create("hash", 4, 8, 100)
    for i = 1, 100 do
      map:set(i, i * i)
    end
    local sum, count = 0, 0
    for key, value in map:each() do
      assert.equal(key * key, value)
      sum, count = sum + key, count + 1
    end
    assert.same({5050, 100}, {sum, count})
    count = 0
    for key in map:each() do
      assert.is_true(map:delete(key))
      count = count + 1
    end
    assert.equal(100, count)
    assert.is_nil((map:each()()))
  end)

  it("gives and takes one value a CPU, where it keeps them so", function()
    local cpus = 0
    for range in system.read "/sys/devices/system/cpu/possible":gmatch "[^,%s]+" do
      local first, last = range:match "(%d+)%-?(%d*)"
      cpus = cpus + (tonumber(last) or tonumber(first)) - tonumber(first) + 1
    end
    local map = create("percpu_array", 4, 4, 1)
    local values = {}
    for i = 1, cpus do
      values[i] = i * 3
    end
    assert.equal(cpus, #map:get(0))
    assert.is_true(map:set(0, values))
    assert.same(values, map:get(0))
    assert.has_error(function() map:set(0, 1) end)
    values[cpus + 1] = 0
    assert.has_error(function() map:set(0, values) end)
  end)

  it("refuses what does not fit, naming the argument, and writes nothing", function()
    local map = create("hash", 2, 4)
    local closed = create("hash", 2, 4)
    closed:close()
    map:set(1, 1)
    for _, case in ipairs {
      {"key of 2 bytes expected, got nil", function() map:get() end},
      {"key does not fit 2 bytes", function() map:get(65536) end},
      {"key does not fit 2 bytes", function() map:get(-32769) end},
      {"key of 2 bytes expected, got 3", function() map:get "abc" end},
      {"key of 2 bytes expected, got number", function() map:get(1.5) end},
      {"value does not fit 4 bytes", function() map:set(1, 2 ^ 32) end},
      {"value does not fit 4 bytes", function() map:set(1, 2 ^ 64 - 2048) end}, -- as 64 bits -2048
      {"value does not fit 4 bytes", function() map:set(1, "18446744073709551615") end},
      {"value does not fit 4 bytes", function() map:set(1, 2 ^ 64) end},
      {"value of 4 bytes expected, got 6", function() map:set(1, "12\0abc") end},
      {"value of 4 bytes expected, got table", function() map:set(1, {}) end},
      {"invalid option 'never'", function() map:set(1, 2, "never") end},
      {"map is closed", function() closed:get(1) end},
      {"map is closed", function() closed:each() end},
      {"map type expected, got 'tree'", function() create("tree", 4, 4) end},
      {"'key_size'.*number expected", function() ebpf.map.create{type = "hash"} end},
      {"at most 15", function()
        ebpf.map.create{type = "hash", key_size = 4, value_size = 4, max_entries = 1, name = ("x"):rep(16)}
      end},
    } do
      local ok, message = pcall(case[2])
      assert.is_false(ok)
      assert.matches(case[1], message)
    end
    assert.equal(1, map:get(1))
    assert.fails({ebpf.map.create{type = "hash", key_size = 0, value_size = 4, max_entries = 1}}, "EINVAL", "sizes")
  end)
end)
