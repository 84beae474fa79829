-- Codecs: C types as Lua values and back, against what C compilers make of them.

local ebpf = require "ebpf"
local layouts = require "spec.support.layouts"
local w = require "spec.support.world"

local DIRECTORY = "build/spec/support/layouts"

local zeros = {
  small = 0, negative = 0, big = 0, verdict = "DROP", flag = false, name = "", mac = ("\0"):rep(6), port = 0,
  stats = {{packets = 0, bytes = 0}, {packets = 0, bytes = 0}, {packets = 0, bytes = 0}},
  source = "0.0.0.0", source6 = "::", u = {word = 0, byte = 0}, left = 0, low = 0, high = 0, a = 0, b = 0, c = 0,
  ratio = 0, half = 0, pointer = 0, matrix = {{0, 0}, {0, 0}},
}

local function copy(value)
  if type(value) ~= "table" then
    return value
  end
  local fresh = {}
  for key, part in pairs(value) do
    fresh[key] = copy(part)
  end
  return fresh
end

w.describe("a codec", function(world)
  local types, codec

  before_each(function()
    types = world():keep(ebpf.btf.parse "build/spec/support/types.bpf.o")
    codec = assert(types:codec "struct value")
  end)

  it("reads what C wrote, and writes what C would, for random types and values", function()
    local seed = tonumber(os.getenv "EBPF_VALUES_SEED") or os.time()
    assert.equal(layouts.TYPES, layouts.check(DIRECTORY, seed, tonumber(os.getenv "EBPF_VALUES") or 50))
  end)

  it("has a value for each kind of type", function()
    assert.same(zeros, codec:decode(("\0"):rep(codec:size())))
    for _, case in ipairs {
      {"small", 255}, {"negative", -32768}, {"verdict", "PASS"}, {"verdict", "STRANGE"}, {"verdict", 3},
      {"flag", true}, {"name", "twelve bytes"}, {"name", "a"}, {"mac", "\0\1\2\253\254\255"}, {"port", 443},
      {"source", "192.0.2.1"}, {"source6", "2001:db8::1"}, {"a", 7}, {"b", 127}, {"c", -16}, {"ratio", 0.1},
      {"half", -0.5}, {"half", math.huge}, {"pointer", 4096}, {"matrix", {{1, -2}, {3, -4}}},
      {"big", math.tointeger and math.mininteger or "18446744073709551615"}, -- luacheck: ignore
    } do
      local value = copy(zeros)
      value[case[1]] = case[2]
      assert.same(value, codec:decode(codec:encode(value)))
    end
  end)

  it("takes other spellings of a value, and reads them in one", function()
    for _, case in ipairs {
      {"small", 7.0, 7}, {"small", "12", 12}, {"negative", "-5", -5}, {"verdict", 1, "PASS"},
      {"verdict", -7, "STRANGE"},
      {"flag", 1, true}, {"name", "a\0\0", "a"}, {"mac", {1, 2, 3, 4, 5, 6}, "\1\2\3\4\5\6"},
      {"source", 0x0a000001, "10.0.0.1"}, {"source6", "2001:0db8:0:0::1", "2001:db8::1"},
    } do
      local value = copy(zeros)
      value[case[1]] = case[2]
      assert.same(case[3], codec:decode(codec:encode(value))[case[1]])
    end
    local bytes = ("\1"):rep(codec:size())
    assert.equal(bytes, codec:encode(bytes))
  end)

  it("has addresses and ports in network order", function()
    local value = copy(zeros)
    value.source, value.port = "10.0.0.1", 80
    local bytes = codec:encode(value)
    assert.is_truthy(bytes:find("\10\0\0\1", 1, true))
    assert.is_truthy(bytes:find("\0\80", 1, true))
  end)

  it("writes an IPv4 address where it is kept in a __u32, whole or as a field", function()
    local number = assert(types:codec "__u32")
    assert.equal("\10\0\0\1", number:encode "10.0.0.1")
    assert.equal(number:decode "\10\0\0\1", number:decode(number:encode "10.0.0.1"))
    local value = copy(zeros)
    value.u = {word = "10.0.0.1"}
    assert.same({word = number:decode "\10\0\0\1", byte = 10}, codec:decode(codec:encode(value)).u)
    for _, kind in ipairs {"__u16", "__u64", "int"} do
      assert.misuse {{"value: an integer expected, got '192.0.2.1'", function()
        types:codec(kind):encode "192.0.2.1"
      end}}
    end
    assert.misuse {
      {"value: an integer expected, got '10.0.0'", function() number:encode "10.0.0" end},
      {"value: an integer expected, got '::1'", function() number:encode "::1" end},
    }
  end)

  it("writes a union by any of its members, or by several that agree", function()
    local value = copy(zeros)
    value.u = {byte = 2}
    assert.same({word = 2, byte = 2}, codec:decode(codec:encode(value)).u)
    value.u = {byte = 2, word = 0x102}
    assert.same({word = 0x102, byte = 2}, codec:decode(codec:encode(value)).u)
    value.left, value.low, value.high = nil, 3, 1
    assert.equal(0x10003, codec:decode(codec:encode(value)).left)
    value.left, value.low, value.high = 0x10003, nil, nil
    assert.equal(3, codec:decode(codec:encode(value)).low)
  end)

  it("has the names of constants in bit-fields, of negative ones too, whatever the BTF says of signs", function()
    local verdicts = assert(types:codec "struct verdicts")
    local value = {narrow = "STRANGE", wide = "STRANGE", parity = "ODD"}
    local bytes = "\153\255\255\3" -- as C has it: 9, 0xffff9, 3
    assert.equal(bytes, verdicts:encode(value))
    assert.same(value, verdicts:decode(bytes))
    value = {narrow = "PASS", wide = 7, parity = "EVEN"}
    assert.same(value, verdicts:decode(verdicts:encode(value)))
  end)

  it("refuses what is of another shape, and names the path", function()
    local function refuses(message, change)
      local value = copy(zeros)
      change(value)
      local ok, said = pcall(codec.encode, codec, value)
      assert.is_false(ok)
      assert.equal(message, said:match "%((.*)%)$")
    end
    for _, case in ipairs {
      {"value.stats[3].bytes: 18446744073709551616 does not fit __u32", function(v) v.stats[3].bytes = 2 ^ 64 end},
      {"value.stats[3].bytes: 4294967296 does not fit __u32", function(v) v.stats[3].bytes = 2 ^ 32 end},
      {"value.stats[3].bytes: -1 does not fit __u32", function(v) v.stats[3].bytes = -1 end},
      {"value.stats[3].bytes: '4294967296' does not fit __u32", function(v) v.stats[3].bytes = "4294967296" end},
      {"value.stats[1].bytes: missing", function(v) v.stats[1].bytes = nil end},
      {"value.stats[1].octets: unknown field (known: packets, bytes)", function(v) v.stats[1].octets = 1 end},
      {"value.stats[2].[1]: unknown field (known: packets, bytes)", function(v) v.stats[2][1] = 1 end},
      {"value.stats[2]: missing: a list of 3 expected", function(v) v.stats = {v.stats[1]} end},
      {"value.stats[2]: a table expected, got 'x'", function(v) v.stats[2] = "x" end},
      {"value.stats: a list of 3 expected, and 4 is beyond it", function(v) v.stats[4] = v.stats[1] end},
      {"value.stats: a list of 3 expected, and 'n' is beyond it", function(v) v.stats.n = 3 end},
      {"value.stats: a list expected, got 5", function(v) v.stats = 5 end},
      {"value.matrix[2][1]: an integer expected, got 1.5", function(v) v.matrix[2][1] = 1.5 end},
      {"value.matrix[2][1]: 2147483648 does not fit int", function(v) v.matrix[2][1] = 2 ^ 31 end},
      {"value.negative: -32769 does not fit __s16", function(v) v.negative = -32769 end},
      {"value.small: an integer expected, got true", function(v) v.small = true end},
      {"value.small: an integer expected, got '0x1'", function(v) v.small = "0x1" end},
      {"value.small: an integer expected, got ''", function(v) v.small = "" end},
      {"value.small: an integer expected, got table", function(v) v.small = {} end},
      {"value.small: an integer expected, got a string of 41 bytes", function(v) v.small = ("x"):rep(41) end},
      {"value.a: 8 does not fit 3 bits", function(v) v.a = 8 end},
      {"value.c: -17 does not fit 5 bits", function(v) v.c = -17 end},
      {"value.c: 16 does not fit 5 bits", function(v) v.c = 16 end},
      {"value.verdict: 'BURN' is no constant of enum verdict", function(v) v.verdict = "BURN" end},
      {"value.verdict: 4294967296 does not fit verdict", function(v) v.verdict = 2 ^ 32 end},
      {"value.flag: a boolean expected, got 'true'", function(v) v.flag = "true" end},
      {"value.flag: 256 does not fit _Bool", function(v) v.flag = 256 end},
      {"value.name: at most 12 bytes expected, got 13", function(v) v.name = ("x"):rep(13) end},
      {"value.name: a string without a NUL byte in it expected, got one at 2", function(v) v.name = "a\0b" end},
      {"value.name: a string expected, got 1", function(v) v.name = 1 end},
      {"value.mac: 6 bytes expected, got 5", function(v) v.mac = "12345" end},
      {"value.mac[6]: 256 does not fit __u8", function(v) v.mac = {1, 2, 3, 4, 5, 256} end},
      {"value.mac: a string or a list expected, got 1", function(v) v.mac = 1 end},
      {"value.source: an IPv4 address expected, got '::1'", function(v) v.source = "::1" end},
      {"value.source: 4294967296 does not fit __be32", function(v) v.source = 2 ^ 32 end},
      {"value.source6: an IPv6 address expected, got '10.0.0.1'", function(v) v.source6 = "10.0.0.1" end},
      {"value.source6: an IPv6 address expected, got 1", function(v) v.source6 = 1 end},
      {"value.port: 65536 does not fit __be16", function(v) v.port = 65536 end},
      {"value.ratio: a number expected, got '1'", function(v) v.ratio = "1" end},
      {"value.half: 1e+300 does not fit float", function(v) v.half = 1e300 end},
      {"value.half: -3.5e+38 does not fit float", function(v) v.half = -3.5e38 end},
      {"value.u: missing: one of word, byte", function(v) v.u = {} end},
      {"value.u.byte: another member of the union says otherwise: give one", function(v) v.u.byte = 1 end},
      {"value.u.bits: unknown field (known: word, byte)", function(v) v.u.bits = 1 end},
      {"value.high: missing", function(v) v.left, v.high = nil, nil end},
      {"value: missing: one of left, low, high", function(v) v.left, v.low, v.high = nil, nil, nil end},
    } do
      refuses(case[1], case[2])
    end
    assert.misuse {
      {"value: a table expected, got nil", function() codec:encode(nil) end},
      {"value: a table expected, got 'short'", function() codec:encode "short" end},
      {codec:size() .. " bytes expected, got 3", function() codec:decode "abc" end},
      {"string expected", function() codec:decode {} end},
    }
  end)

  it("calls no metamethods", function()
    local key = assert(types:codec "struct key")
    local function never() error "called" end
    local value = setmetatable({cpu = 1, port = 2}, {__index = never, __len = never, __pairs = never})
    assert.same({cpu = 1, port = 2}, key:decode(key:encode(value)))
    assert.has_error(function() key:encode(setmetatable({cpu = 1}, {__index = {port = 2}})) end)
  end)

  it("is of a struct, a union, an enum, a typedef or a basic type, by name or by id", function()
    assert.equal(8, types:codec("struct key"):size())
    assert.equal(8, types:codec("key"):size())
    assert.equal(16, types:codec("stat_t"):size())
    assert.equal("PASS", types:codec("enum verdict"):decode "\1\0\0\0")
    assert.equal("\249\255\255\255", types:codec("enum verdict"):encode "STRANGE")
    assert.equal(-2, types:codec("int"):decode "\254\255\255\255")
    assert.equal("::1", types:codec("struct in6_addr"):decode(("\0"):rep(15) .. "\1"))
    assert.matches("^ebpf.codec: struct key, 8 bytes$", tostring(types:codec "struct key"))
    local id
    for i = 1, 1000 do
      local found = types:codec(i)
      if found and tostring(found) == tostring(codec) then
        id = i
        break
      end
    end
    assert.equal(codec:size(), types:codec(id):size())
    assert.fails({types:codec ".bss"}, "EOPNOTSUPP", "in the BTF of an Object")
    local object = world():keep(ebpf.object.open "build/spec/support/types.bpf.o")
    assert.equal(9, world():keep(object:btf()):codec(".bss"):decode(("\9"):rep(64)).totals.bytes % 256)
    assert.fails({types:codec "struct none"}, "ENOENT", "no such type")
    assert.fails({types:codec "struct stat_t"}, "ENOENT", "no such type")
    assert.fails({types:codec(100000)}, "EINVAL", "malformed")
    assert.misuse {
      {"string expected", function() types:codec() end},
      {"btf is closed", function()
        types:close()
        types:codec "int"
      end},
    }
    assert.same(zeros, codec:decode(("\0"):rep(codec:size()))) -- the Codec outlives its Btf
  end)

  it("reads what bytes have beyond a type into the flexible array at its end", function()
    local record = assert(types:codec "struct record")
    assert.equal(8, record:size())
    assert.same({size = 3, items = {}}, record:decode "\3\0\0\0\0\0\0\0")
    assert.same({size = 3, items = {{a = 1, b = 2}, {a = 3, b = 4}}},
      record:decode "\3\0\0\0\0\0\0\0\1\0\2\0\3\0\4\0\5\0")
    assert.equal("\3\0\0\0\0\0\0\0", record:encode{size = 3})
    assert.equal("\3\0\0\0\0\0\0\0", record:encode{size = 3, items = {}})
    assert.misuse {{"value.items: a list of 0 expected, and 1 is beyond it", function()
      record:encode{size = 3, items = {{a = 1, b = 2}}}
    end}}
    assert.same({size = 1, items = {{a = 1, b = 2}}}, record:decode(record:encode{size = 1} .. "\1\0\2\0"))
  end)

  it("fills the value that it read before, and the tables in it", function()
    local record = assert(types:codec "struct record")
    local value = record:decode "\3\0\0\0\0\0\0\0\1\0\2\0\3\0\4\0"
    local items, first = value.items, value.items[1]
    value.mine = true
    assert.equal(value, record:decode("\4\0\0\0\0\0\0\0\5\0\6\0", value))
    assert.equal(items, value.items)
    assert.equal(first, value.items[1])
    assert.same({size = 4, items = {{a = 5, b = 6}}, mine = true}, value)
    value.items[1] = "no table"
    value.items.extra = 1
    record:decode("\4\0\0\0\0\0\0\0\7\0\8\0\9\0\10\0", value)
    assert.same({{a = 7, b = 8}, {a = 9, b = 10}, extra = 1}, value.items)
    value.items = nil
    assert.same({size = 0, items = {}}, record:decode(("\0"):rep(8), {}))
    assert.same({size = 0, items = {}, mine = true}, record:decode(("\0"):rep(8), value))
    local number = assert(types:codec "__u32")
    assert.misuse {
      {"table expected, got number", function() record:decode(("\0"):rep(8), 1) end},
      {"values of this type are no tables", function() number:decode(("\0"):rep(4), {}) end},
    }
  end)

  it("reads nothing into an array without a size that something follows", function()
    local headed = assert(types:codec "struct headed")
    assert.equal(16, headed:size())
    local list = {{length = 2, data = ""}, {length = 3, data = ""}}
    assert.same({first = {length = 1, data = ""}, list = list, last = {length = 4, data = "end"}},
      headed:decode "\1\0\0\0\2\0\0\0\3\0\0\0\4\0\0\0end")
  end)

  it("leaves out what the kernel keeps in values for itself", function()
    local locked = assert(types:codec "struct locked")
    assert.same({count = 7}, locked:decode(locked:encode{count = 7}))
  end)

  it("makes no garbage of integers", function()
    local number = assert(types:codec "__u32")
    local map = world():keep(ebpf.map.create{type = "array", key_size = 4, value_size = 8, max_entries = 1})
    local function busy()
      for _ = 1, 1000 do
        number:decode "\1\2\3\4"
        map:set(0, 1)
        map:get(0)
      end
    end
    busy()
    collectgarbage()
    collectgarbage "stop"
    local before = collectgarbage "count"
    busy()
    local after = collectgarbage "count"
    collectgarbage "restart"
    assert.equal(before, after)
  end)
end)

w.describe("BTF", function(world)
  it("is an object's, a map's, a program's, the kernel's, of a file, of bytes or of an id", function()
    local object = world():keep(ebpf.object.open "build/spec/support/types.bpf.o")
    assert(object:load())
    local map = world():keep(object:map "structs")
    local of_object = world():keep(object:btf())
    object:close()
    assert.equal("ebpf.btf: ", tostring(of_object):match "^[%a.]+: ")
    assert.is_nil(of_object:id())
    local of_map = world():keep(map:btf())
    assert.equal(map:info().btf_id, of_map:id())
    assert.equal(of_map:bytes(), world():keep(ebpf.btf.from_id(of_map:id())):bytes())
    local again = world():keep(ebpf.btf.parse{data = of_object:bytes()})
    for _, btf in ipairs {of_object, of_map, again} do
      assert.equal(8, btf:codec("struct key"):size())
    end
    local kernel = world():keep(ebpf.btf.kernel())
    assert.is_true(kernel:codec("struct task_struct"):size() > 1000)
    assert.equal("BPF_MAP_TYPE_HASH", kernel:codec("enum bpf_map_type"):decode "\1\0\0\0")
    local program_object = world():keep(ebpf.object.open "build/spec/support/object.bpf.o")
    assert(program_object:load())
    assert.is_truthy(world():keep(world():keep(program_object:program "verdict"):btf()):codec "int")
  end)

  it("that isn't there, or isn't BTF, is said", function()
    assert.fails({world():cell():btf()}, "ENOENT", "made without BTF")
    assert.fails({world():program():btf()}, "ENOENT", "made without BTF")
    assert.fails({ebpf.btf.from_id(0x7ffffffe)}, "ENOENT", "none of this id")
    assert.fails({ebpf.btf.parse "/none"}, "ENOENT")
    assert.fails({ebpf.btf.parse{data = "no BTF"}}, "EINVAL")
    assert.misuse {
      {"string or table expected", function() ebpf.btf.parse() end},
      {"unknown option 'bytes'", function() ebpf.btf.parse{bytes = ""} end},
      {"string expected", function() ebpf.btf.parse{} end},
    }
  end)
end)

-- BTF as its format has it: a list of types, each of words of 32 bits and, for names, strings.
local function assemble(types)
  local strings, at, words = {""}, 1, {}
  local function word(number)
    local bytes = {}
    for i = 1, 4 do
      bytes[i] = string.char(number % 256)
      number = math.floor(number / 256)
    end
    return table.concat(bytes)
  end
  for _, of_type in ipairs(types) do
    for _, part in ipairs(of_type) do
      if type(part) == "string" then
        strings[#strings + 1] = part
        words[#words + 1] = word(at)
        at = at + #part + 1
      else
        words[#words + 1] = word(part)
      end
    end
  end
  local text, body = table.concat(strings, "\0") .. "\0", table.concat(words)
  return "\159\235\1\0" .. word(24) .. word(0) .. word(#body) .. word(#body) .. word(#text) .. body .. text
end

local INT, POINTER, ARRAY, STRUCT, UNION, FORWARD, TYPEDEF, FUNCTION = 1, 2, 3, 4, 5, 7, 8, 12
local function kind(number, count)
  return number * 2 ^ 24 + (count or 0)
end

local int = {"int", kind(INT), 4, 2 ^ 24 + 32}

w.describe("BTF that no compiler makes", function(world)
  local function codec_of(id, types)
    return world():keep(ebpf.btf.parse{data = assemble(types)}):codec(id)
  end

  it("has bit-fields in its integers, as compilers made them once", function()
    local codec = codec_of(2, {
      {"three", kind(INT), 4, 3 * 2 ^ 16 + 5}, -- five bits, from the third on
      {"old", kind(STRUCT, 2), 4, "a", 1, 0, "b", 1, 8},
    })
    assert.same({a = 21, b = 3}, codec:decode "\168\24\0\0")
    assert.equal("\168\24\0\0", codec:encode{a = 21, b = 3})
    assert.has_error(function() codec:encode{a = 32, b = 0} end)
  end)

  it("is refused, and not believed", function()
    local nested = {int}
    for i = 2, 40 do
      nested[i] = {"s" .. i, kind(STRUCT, 1), 4, "m", i - 1, 0}
    end
    local wide = {int}
    for i = 2, 12 do
      wide[i] = {"s" .. i, kind(UNION, 4), 4, "a", i - 1, 0, "b", i - 1, 0, "c", i - 1, 0, "d", i - 1, 0}
    end
    for _, case in ipairs {
      {"EINVAL", "malformed", 2, {int, {"s", kind(STRUCT, 1), 4, "beyond", 1, 8}}},
      {"EINVAL", "malformed", 2, {int, {"s", kind(STRUCT, 1), 4, "between", 1, 1}}},
      {"EINVAL", "malformed", 2, {int, {"s", kind(STRUCT, 1), 4, "unknown", 77, 0}}},
      {"EINVAL", "malformed", 2, {int, {"s", kind(STRUCT, 1), 4, 12345, 1, 0}}},
      {"EINVAL", "malformed", 1, {{"loop", kind(TYPEDEF), 2}, {"loop", kind(TYPEDEF), 1}}},
      {"EINVAL", "malformed", 1, {{"odd", kind(INT), 3, 24}}},
      {"EINVAL", "malformed", 1, {{"none", kind(INT), 4, 0}}},
      {"EINVAL", "malformed", 1, {{"over", kind(INT), 4, 33}}},
      {"E2BIG", "nests too deep", 1, {{"self", kind(STRUCT, 1), 4, "again", 1, 0}}},
      {"E2BIG", "nests too deep", 40, nested},
      {"E2BIG", "more fields", 12, wide},
      {"E2BIG", "too large", 2, {int, {0, kind(ARRAY), 0, 1, 1, 2 ^ 31}}},
      {"E2BIG", "too large", 2, {int, {"s", kind(STRUCT), 2 ^ 31}}},
      {"EOPNOTSUPP", "declared only", 1, {{"later", kind(FORWARD), 0}}},
      {"EOPNOTSUPP", "no type of values", 2, {int, {"f", kind(FUNCTION), 1}}},
      {"EOPNOTSUPP", "no type of values", 2, {int, {"s", kind(STRUCT, 1), 4, "nothing", 0, 0}}},
      {"EOPNOTSUPP", "more than 64 bits", 2, {int, {"s", 2 ^ 31 + kind(STRUCT, 1), 4, "m", 1, 33 * 2 ^ 24}}},
    } do
      assert.fails({codec_of(case[3], case[4])}, case[1], case[2])
    end
    assert.equal(8, codec_of(2, {int, {0, kind(POINTER), 1}}):size())
  end)
end)

w.describe("addresses and prefixes", function()
  it("are texts and bytes", function()
    assert.equal("\10\0\0\1", ebpf.address.bytes "10.0.0.1")
    assert.equal("10.0.0.1", ebpf.address.text "\10\0\0\1")
    assert.equal(("\0"):rep(15) .. "\1", ebpf.address.bytes "::1")
    assert.equal("::1", ebpf.address.text(("\0"):rep(15) .. "\1"))
    for given, prefix in pairs {
      ["10.0.0.0/8"] = "10.0.0.0/8", ["10.0.0.1"] = "10.0.0.1/32", ["0.0.0.0/0"] = "0.0.0.0/0", ["::/0"] = "::/0",
      ["2001:DB8::/32"] = "2001:db8::/32", ["2001:db8::1"] = "2001:db8::1/128", ["128.0.0.0/1"] = "128.0.0.0/1",
      ["::ffff:10.0.0.0/104"] = "::ffff:10.0.0.0/104",
    } do
      assert.equal(prefix, ebpf.lpm(given))
    end
  end)

  it("that are none raise, with the text and why", function()
    for text, why in pairs {
      ["10.0.0.1/8"] = "bits set beyond its prefix", ["::1/127"] = "bits set beyond its prefix",
      ["10.0.0.0/33"] = "no number from 0 to 32", ["::/129"] = "no number from 0 to 128",
      ["10.0.0.0/"] = "no number from 0 to 32", ["10.0.0.0/08"] = "no number", ["10.0.0.0/-1"] = "no number",
      ["10.0.0.0/8/8"] = "no number", ["10.0.0"] = "no IPv4 or IPv6 address", [""] = "no IPv4 or IPv6 address",
      ["localhost"] = "no IPv4 or IPv6 address", ["10.0.0.0/8\0"] = "no number", ["fe80::1%lo"] = "no IPv4 or IPv6",
      [("1"):rep(100)] = "no IPv4 or IPv6 address",
    } do
      assert.misuse {{why, function() ebpf.lpm(text) end}}
    end
    assert.misuse {
      {"'x'", function() ebpf.lpm "x" end},
      {"string expected", function() ebpf.lpm() end},
      {"no IPv4 or IPv6 address: '1.2.3'", function() ebpf.address.bytes "1.2.3" end},
      {"4 or 16 bytes expected, got 5", function() ebpf.address.text "12345" end},
    }
  end)
end)
