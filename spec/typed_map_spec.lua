-- Maps with BTF: their keys and values as what the C types say; the view without; prefixes as keys of LPM tries.

local ebpf = require "ebpf"
local socket = require "socket"
local w = require "spec.support.world"

w.describe("a map with BTF", function(world)
  local object

  before_each(function()
    object = world():keep(ebpf.object.open "build/spec/support/types.bpf.o")
    assert(object:load())
  end)

  local function map(name)
    return world():keep(object:map(name))
  end

  it("has keys and values of its types, by the object's BTF and by the kernel's", function()
    local key = {cpu = 1, port = -2}
    local first = map "structs"
    local _, codec = first:codec()
    local value = codec:decode(("\0"):rep(codec:size()))
    value.stats[2].packets, value.name, value.verdict = 7, "name", "STRANGE"
    assert.is_nil((first:get(key)))
    assert.is_true(first:set(key, value))
    local pin = world():pin()
    assert(pin:put(first))
    for _, same in ipairs {
      first, world():keep(ebpf.map.from_id(first:id())), world():keep(ebpf.map.from_fd(first:fd())),
      world():keep(pin:get()),
    } do
      assert.same(value, same:get(key))
      for found_key, found in same:each() do
        assert.same({key, value}, {found_key, found})
      end
    end
    pin:remove()
    assert.is_true(first:delete(key))
    assert.is_false(first:delete(key))
  end)

  it("has the types of its file where the kernel takes none: of queues, of sockets, of maps", function()
    local storage = world():keep(ebpf.object.open "build/spec/support/storage.bpf.o")
    assert(storage:load())
    local left, right = {left = 1, right = {2, 3}}, {left = 4, right = {5, 6}}
    for name, order in pairs {queue_of_pairs = {left, right}, stack_of_pairs = {right, left}} do
      local values = world():keep(storage:map(name))
      assert.is_true(values:push(left))
      assert.is_true(values:push(right))
      assert.same(order[1], values:peek())
      assert.same(order, {values:pop(), values:pop()})
      assert.misuse {{"value.right%[2%]: 65536 does not fit __u16", function()
        values:push{left = 1, right = {1, 65536}}
      end}}
    end
    local maps, inner = world():keep(storage:map "maps_by_pair"), world():keep(storage:map "inner")
    assert.is_true(maps:set(left, inner))
    assert.equal(inner:id(), maps:get(left))
    assert.same({{key = left, value = inner:id()}}, maps:dump())
    local sockets, server = world():keep(storage:map "sockets_by_pair"), assert(socket.bind("127.0.0.1", 0))
    assert.is_true(sockets:set(right, server:getfd()))
    assert.same({{key = right, value = sockets:get(right)}}, sockets:dump())
    server:close()
  end)

  it("has integers by their sign", function()
    local integers = map "integers"
    assert.is_true(integers:set(-1, -2))
    assert.equal(-2, integers:get(-1))
    assert.equal(2 ^ 32 - 1, (integers.raw:each()()))
    local least = math.tointeger and math.mininteger or "-9223372036854775808" -- luacheck: ignore
    assert.is_true(integers:set(-2147483648, least))
    assert.equal(least, integers:get(-2147483648))
    assert.misuse {
      {"key: 2147483648 does not fit __s32", function() integers:get(2 ^ 31) end},
      {"value: 9223372036854775808 does not fit __s64", function() integers:set(1, 2 ^ 63) end},
      {"value: an integer expected, got table", function() integers:set(1, {}) end},
    }
  end)

  it("has a list of its values a CPU, where it keeps them so", function()
    local percpu = map "percpu"
    local values = percpu:get(0)
    for i, value in ipairs(values) do
      assert.same({packets = 0, bytes = 0}, value)
      value.packets = i
    end
    assert.is_true(percpu:set(0, values))
    assert.same(values, percpu:get(0))
    values[#values].bytes = -1
    assert.misuse {
      {("argument #2.*value%%[%d%%].bytes: %%-1 does not fit __u32"):format(#values), function()
        percpu:set(0, values)
      end},
      {"a list of", function() percpu:set(0, {}) end},
    }
    assert.equal(0, percpu:get(0)[#values].bytes)
  end)

  it("has its section's variables as a table", function()
    local bss = map "types.bss"
    local value = bss:get(0)
    assert.same({packets = 0, bytes = 0}, value.totals)
    value.counter, value.totals.bytes = 5, 9
    assert.is_true(bss:set(0, value))
    assert.same(value, bss:get(0))
  end)

  it("writes nothing where the value is of another shape", function()
    local structs = map "structs"
    local _, codec = structs:codec()
    local value = codec:decode(("\0"):rep(codec:size()))
    local key = {cpu = 1, port = 1}
    assert.is_true(structs:set(key, value))
    value.big, value.matrix[2][2] = 1, "x"
    assert.misuse {
      {"argument #2.*value.matrix%[2%]%[2%]: an integer expected, got 'x'", function() structs:set(key, value) end},
      {"argument #1.*key.port: 128 does not fit __s8", function() structs:get{cpu = 1, port = 128} end},
      {"argument #1.*key.port: missing", function() structs:delete{cpu = 1} end},
    }
    assert.equal(0, structs:get(key).big)
  end)

  it("is without them in its field `raw`, which ends with it", function()
    local structs = map "structs"
    local _, codec = structs:codec()
    local zeros = ("\0"):rep(codec:size())
    assert.is_true(structs.raw:set("\1\0\0\0\255\0\0\0", zeros))
    assert.same(codec:decode(zeros), structs:get{cpu = 1, port = -1})
    assert.equal(zeros, structs.raw:get "\1\0\0\0\255\0\0\0")
    assert.same({0xff00000001, zeros}, {structs.raw:each()()})
    assert.misuse {{"key of 8 bytes expected, got table", function() structs.raw:get{cpu = 1, port = -1} end}}
  end)

  it("gives one view, which may be closed alone", function()
    local structs = map "structs"
    local raw = structs.raw
    assert.equal(raw, structs.raw)
    assert.equal(raw, raw.raw)
    assert.equal(structs:fd(), raw:fd())
    assert.equal(structs:id(), raw:id())
    assert.is_true(raw:close())
    assert.is_true(raw:closed())
    assert.is_false(structs:closed())
    assert.is_not_nil(structs:info())
    local again = structs.raw
    assert.is_false(again:closed())
    structs:close()
    assert.is_true(again:closed())
    assert.misuse {
      {"map is closed", function() again:info() end},
      {"map is closed", function() return structs.raw end},
    }
  end)

  it("keeps its view, and is kept by it", function()
    local function collect()
      for _ = 1, 4 do
        collectgarbage()
      end
    end
    local raw = ebpf.map.from_id(map("integers"):id()).raw
    collect()
    assert.is_true(raw:set(1, 2))
    assert.equal(2, raw:get(1))
    raw = nil -- luacheck: ignore
    collect() -- both: no descriptor may be left
  end)

  it("tells its codecs; without BTF it has none", function()
    local key, value = map("structs"):codec()
    assert.equal(8, key:size())
    assert.equal(map("structs"):info().value_size, value:size())
    assert.same({false, false}, {world():cell():codec()})
    assert.same({false, false}, {map("structs").raw:codec()})
  end)

  it("may be closed by a finalizer that runs while a value is read", function()
    local structs = map "structs"
    local _, codec = structs:codec()
    local key, zeros = {cpu = 1, port = 1}, codec:decode(("\0"):rep(codec:size()))
    for _ = 1, 200 do
      local other = ebpf.map.from_id(structs:id())
      other:set(key, zeros)
      local function body() other:close() end
      if newproxy then -- luacheck: ignore
        getmetatable(newproxy(true)).__gc = body -- luacheck: ignore
      else
        setmetatable({}, {__gc = body})
      end
      local ok, read = pcall(other.get, other, key)
      if ok then
        assert.same(zeros, read)
      else
        assert.matches("map is closed", read)
      end
      other:close()
    end
  end)
end)

w.describe("an LPM trie", function(world)
  local function trie(size)
    return world():keep(ebpf.map.create{
      type = "lpm_trie", key_size = 4 + size, value_size = 4, max_entries = 16, name = "trie", flags = 1,
    })
  end

  local function keys(map)
    local list = {}
    for key in map:each() do
      list[#list + 1] = key
    end
    table.sort(list)
    return list
  end

  it("of addresses has prefixes as keys, and finds the longest of an address", function()
    local object = world():keep(ebpf.object.open "build/spec/support/types.bpf.o")
    assert(object:load())
    for _, map in ipairs {trie(4), world():keep(object:map "prefixes")} do
      assert.is_true(map:set("10.0.0.0/8", 8))
      assert.is_true(map:set(ebpf.lpm "10.1.0.0/16", 16))
      assert.is_true(map:set("10.1.2.3", 32))
      assert.same({8, 16, 32}, {map:get "10.9.9.9", map:get "10.1.9.9", map:get "10.1.2.3"})
      assert.is_nil((map:get "11.0.0.0"))
      assert.same({"10.0.0.0/8", "10.1.0.0/16", "10.1.2.3/32"}, keys(map))
      for key in map:each() do
        assert.is_true(map:delete(key))
      end
      assert.same({}, keys(map))
    end
  end)

  it("of IPv6 addresses too, and neither takes the other's", function()
    local object = world():keep(ebpf.object.open "build/spec/support/types.bpf.o")
    assert(object:load())
    local map, other = trie(16), trie(4)
    for _, each in ipairs {map, world():keep(object:map "prefixes6")} do
      assert.is_true(each:set("2001:db8::/32", 1))
      assert.equal(1, each:get "2001:db8::1")
      assert.same({"2001:db8::/32"}, keys(each))
    end
    assert.misuse {
      {"key '10.0.0.0/8': it is an IPv4 address, and this trie's are IPv6", function() map:get "10.0.0.0/8" end},
      {"key '::/0': it is an IPv6 address, and this trie's are IPv4", function() other:set("::/0", 1) end},
      {"key '10.0.0.1/8': the address has bits set", function() other:set("10.0.0.1/8", 1) end},
      {"key 'x': no IPv4 or IPv6 address", function() other:delete "x" end},
    }
  end)

  it("takes keys as bytes, and drops bits beyond the prefix as it reads", function()
    local map = trie(4)
    local bytes = map.raw
    local key = string.char(8, 0, 0, 0, 10, 1, 2, 3)
    assert.is_true(map:set(key, 1))
    assert.is_true(bytes:set(key, 2))
    assert.equal(2, bytes:get(key))
    assert.equal(2, map:get "10.1.2.3")
    assert.same({"10.0.0.0/8"}, keys(map))
    assert.is_true(map:delete "10.0.0.0/8")
  end)

  it("of anything else has keys as its types or its size say", function()
    local map = trie(8)
    local key = string.char(8, 0, 0, 0, 1, 0, 0, 0, 0, 0, 0, 0)
    assert.is_true(map:set(key, 1))
    assert.same({key}, keys(map))
  end)
end)

w.describe("a map made of types", function(world)
  local function btf()
    local object = world():keep(ebpf.object.open "build/spec/support/types.bpf.o")
    return world():keep(object:btf())
  end

  it("has those of a BTF that was loaded, also for others, and needs no sizes", function()
    local types = btf()
    assert.is_nil(types:fd())
    assert.is_true(types:load())
    assert.is_true(types:load()) -- the second time too
    assert.is_number(types:id())
    local map = world():keep(ebpf.map.create{
      type = "hash", max_entries = 4, btf = types, key_type = "__u32", value_type = "struct value",
    })
    local value = types:codec "struct value":decode(("\0"):rep(types:codec "struct value":size()))
    assert.is_true(map:set(7, value))
    types:close()
    assert.same(value, map:get(7))
    local info = map:info()
    assert.is_true(info.btf_id > 0)
    local other = world():keep(ebpf.map.from_id(info.id))
    assert.same(value, other:get(7))
    assert.misuse {{"value", function() other:set(7, {nothing = 1}) end}}
  end)

  it("can't have those of a file that has variables, and the kernel says why", function()
    local types = world():keep(ebpf.btf.parse "build/spec/support/types.bpf.o")
    assert.fails({types:load()}, "EINVAL", "size == 0")
    assert.is_nil(types:fd())
  end)

  it("says which type there is not, and what it wants first", function()
    local types = btf()
    local function create(spec)
      spec.type, spec.max_entries = "hash", 1
      return ebpf.map.create(spec)
    end
    assert.misuse {
      {"'btf' to 'map.create' %(load it first", function() create{btf = types, key_type = "__u32"} end},
      {"'key_type' to 'map.create' %(it goes with btf", function() create{key_type = "__u32"} end},
      {"'btf'.*btf expected, got string", function() create{btf = "x"} end},
      {"unknown option 'tokn' to 'btf:load'", function() types:load{tokn = 1} end},
    }
    assert(types:load())
    assert.fails({create{btf = types, key_type = "__u32", value_type = "struct none"}}, "ENOENT", "no such type")
    assert.fails({create{btf = types, key_type = 999999, value_type = "__u32"}}, "ENOENT", "no such type")
    assert.fails({create{btf = types, key_type = "__u32", value_type = "struct value", value_size = 1}}, "EINVAL")
    types:close()
    assert.misuse {{"btf is closed", function() create{btf = types, key_type = "__u32"} end}}
  end)
end)
