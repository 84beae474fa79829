-- Random C types and values, for spec/codec_spec.lua. Run by `make support`, it writes the types as C, with a function
-- a type that fills it; the spec draws the same values, as Lua has them, by the same generator of random numbers.
-- usage: lua layouts.lua DIRECTORY SEED

local M = {TYPES = 200}

--- Random numbers from 1 to 2^31 - 2, the same in C and in every Lua (Park and Miller: doubles hold the product).
function M.random(seed)
  local state = seed % 2147483646 + 1
  return function(below)
    state = state * 48271 % 2147483647
    return below and state % below or state
  end
end

-- Types -------------------------------------------------------------------------------------------------------------

local integers = {
  {"__u8", 1}, {"__u16", 2}, {"__u32", 4}, {"__u64", 8}, {"__s8", 1, true}, {"__s16", 2, true}, {"__s32", 4, true},
  {"__s64", 8, true}, {"unsigned long", 8}, {"const int", 4, true}, {"volatile short", 2, true}, {"word_t", 4},
  {"char", 1, true}, {"signed char", 1, true},
  {"__be16", 2, false, true}, {"__be64", 8, false, true},
}
-- what C writes, and what that is in Lua: 3 and 7 have no name
local enums = {
  {"enum color", {0, 1, 5, 7}, {"RED", "GREEN", "BLUE", 7}},
  {"color_t", {0, 1, 5, 7}, {"RED", "GREEN", "BLUE", 7}},
  {"enum sign", {-1, 0, 2, 3}, {"MINUS", "NOUGHT", "PLUS", 3}},
}

local function integer(random)
  local row = integers[random(#integers) + 1]
  return {kind = "integer", c = row[1], size = row[2], signed = row[3], network = row[4]}
end

local function bit_field(random)
  local row = integers[random(8) + 1]
  return {kind = "integer", c = row[1], size = row[2], signed = row[3], bits = random(row[2] * 8) + 1}
end

local leaves = {
  integer, integer, integer, integer, bit_field, bit_field, bit_field,
  function() return {kind = "boolean", c = "bool"} end,
  function() return {kind = "boolean", c = "bool", bits = 1} end,
  function(random)
    local row = enums[random(#enums) + 1]
    return {kind = "enum", c = row[1], written = row[2], values = row[3], bits = random(3) == 0 and 4 or nil}
  end,
  function() return {kind = "float", c = "float"} end,
  function() return {kind = "float", c = "double"} end,
  function() return {kind = "pointer", c = "void *", size = 8} end,
  function(random) return {kind = "text", c = "char", count = random(20) + 1} end,
  function(random) return {kind = "bytes", c = "__u8", count = random(20) + 1} end,
  function() return {kind = "bytes", c = "unsigned __int128", count = 16, whole = true} end,
  function() return {kind = "address", c = "__be32", count = 4} end,
  function() return {kind = "address", c = "struct in_addr", count = 4} end,
  function() return {kind = "address", c = "struct in6_addr", count = 16} end,
}

local any

local function composite(random, depth, kind)
  local node = {kind = kind, fields = {}}
  node.packed = random(6) == 0
  node.aligned = random(8) == 0 and 2 ^ random(5)
  for i = 1, random(depth == 0 and 12 or 5) + 1 do
    local field = any(random, depth + 1)
    local nameless = (field.kind == "struct" or field.kind == "union") and random(3) == 0
    node.fields[i] = {type = field, name = not nameless and ("f%d_%d"):format(depth, random())}
    node.fields[i].gap = field.bits and random(4) == 0 and random(7) + 1 -- bits without a name
  end
  return node
end

function any(random, depth)
  local choice = random(10)
  if depth < 4 and choice == 0 then
    return composite(random, depth, "struct")
  elseif depth < 4 and choice == 1 then
    return composite(random, depth, "union")
  elseif depth < 4 and choice == 2 then
    local element = any(random, depth + 1)
    element.bits = nil
    if element.c == "char" and element.kind == "integer" then
      element.c, element.signed = "__s8", true -- an array of these would be a text
    elseif element.c == "__u8" and element.kind == "integer" then
      element.c, element.size = "__u16", 2 -- and of these a string of bytes
    end
    return {kind = "array", count = random(4) + 1, element = element}
  end
  return leaves[random(#leaves) + 1](random)
end

--- The types of a seed: the same each time.
function M.types(seed)
  local random, list = M.random(seed), {}
  for i = 1, M.TYPES do
    list[i] = composite(random, 0, "struct")
  end
  return list
end

-- C -----------------------------------------------------------------------------------------------------------------

local function declare(node, name)
  if node.kind == "struct" or node.kind == "union" then
    local lines = {node.kind .. " {"}
    for _, field in ipairs(node.fields) do
      if field.gap then
        lines[#lines + 1] = ("%s : %d;"):format(field.type.c, math.min(field.gap, field.type.bits))
      end
      lines[#lines + 1] = declare(field.type, field.name or "") .. ";"
    end
    lines[#lines + 1] = "}" .. (node.packed and " __attribute__((packed))" or "")
      .. (node.aligned and (" __attribute__((aligned(%d)))"):format(node.aligned) or "")
    return table.concat(lines, "\n") .. " " .. name
  elseif node.kind == "array" then
    return declare(node.element, ("%s[%d]"):format(name, node.count))
  elseif (node.kind == "text" or node.kind == "bytes") and not node.whole then
    return ("%s %s[%d]"):format(node.c, name, node.count)
  end
  return node.c .. " " .. name .. (node.bits and " : " .. node.bits or "")
end

local fill

local function fill_fields(node, path, out)
  for _, field in ipairs(node.fields) do
    fill(field.type, field.name and path .. "." .. field.name or path, out)
  end
end

-- One member of a union, drawn, has the value.
local function fill_union(node, path, out)
  out[#out + 1] = ("switch (draw(%d)) {"):format(#node.fields)
  for i, field in ipairs(node.fields) do
    out[#out + 1] = ("case %d:"):format(i - 1)
    fill(field.type, field.name and path .. "." .. field.name or path, out)
    out[#out + 1] = "break;"
  end
  out[#out + 1] = "}"
end

function fill(node, path, out)
  local function add(...)
    out[#out + 1] = string.format(...)
  end
  if node.kind == "struct" then
    fill_fields(node, path, out)
  elseif node.kind == "union" then
    fill_union(node, path, out)
  elseif node.kind == "array" then
    for i = 0, node.count - 1 do
      fill(node.element, ("%s[%d]"):format(path, i), out)
    end
  elseif node.kind == "integer" and node.network then
    add("%s = htobe%d(draw_integer(%d));", path, node.size * 8, node.size * 8)
  elseif node.kind == "integer" or node.kind == "pointer" then
    -- through a pointer: what C lets nobody assign to, qualifiers, is assigned to all the same
    if node.c:find "const" then
      add("*(int *)&%s = draw_integer(%d);", path, node.size * 8)
    else
      add("%s = %sdraw_integer(%d);", path, node.kind == "pointer" and "(void *)" or "", node.bits or node.size * 8)
    end
  elseif node.kind == "boolean" then
    add("%s = draw(2);", path)
  elseif node.kind == "enum" then
    add("{ static const int values[] = {%s}; %s = values[draw(4)]; }", table.concat(node.written, ", "), path)
  elseif node.kind == "float" then
    add("%s = ((int)draw(2001) - 1000) / 8.0;", path)
  elseif node.kind == "text" then
    add("draw_text(%s, %d);", path, node.count)
  else
    add("draw_bytes(&%s, %d);", path, node.count)
  end
end

local head = [[
#include <linux/in.h>
#include <linux/in6.h>
#include <linux/types.h>
#include <stdbool.h>
enum color { RED, GREEN, BLUE = 5 };
typedef enum color color_t;
enum sign { MINUS = -1, NOUGHT, PLUS = 2 };
typedef __u32 raw_t;
typedef const raw_t word_const_t;
typedef raw_t word_t;
]]

local helpers = [[
#include <endian.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "layouts.h"
static __u64 state;
static __u32 draw(__u32 below)
{
    state = state * 48271 % 2147483647;
    return state % below;
}
static __u64 draw_integer(int bits)
{
    __u64 mask = bits < 64 ? (1ull << bits) - 1 : -1ull, value;
    switch (draw(4)) {
    case 0: return 0;
    case 1: return mask;
    case 2: return 1ull << (bits - 1);
    }
    value = draw(65536);
    for (int i = 0; i < 3; i++)
        value = value << 16 | draw(65536);
    return value & mask;
}
static void draw_bytes(void *to, int count)
{
    for (int i = 0; i < count; i++)
        ((unsigned char *)to)[i] = draw(256);
}
static void draw_text(char *to, int count)
{
    int length = draw(count + 1);
    memset(to, 0, count);
    for (int i = 0; i < length; i++)
        to[i] = 'a' + draw(26);
}
]]

local function write(path, lines)
  local file = assert(io.open(path, "w"))
  file:write(table.concat(lines, "\n"), "\n")
  file:close()
end

--- Writes layouts.h (the types), layouts.bpf.c (their BTF) and layouts.c, a program: usage layouts SEED VALUES. It
-- writes the seed of the types, the size of each and then, type by type, their values.
function M.generate(directory, seed)
  local types = M.types(seed)
  local header, bpf, source = {head}, {'#include "layouts.h"'}, {helpers}
  for i, node in ipairs(types) do
    header[#header + 1] = ("typedef %s;"):format(declare(node, "t" .. i))
    bpf[#bpf + 1] = ("t%d v%d;"):format(i, i)
    source[#source + 1] = ("static void fill%d(t%d *v)\n{"):format(i, i)
    fill(node, "(*v)", source)
    source[#source + 1] = "}"
  end
  source[#source + 1] = "int main(int count, char **arguments)\n{\nint values = count > 2 ? atoi(arguments[2]) : 1;"
  source[#source + 1] = 'state = atoll(arguments[1]) % 2147483646 + 1;'
  source[#source + 1] = ('printf("%d");'):format(seed)
  for i = 1, #types do
    source[#source + 1] = ('printf(" %%zu", sizeof(t%d));'):format(i)
  end
  source[#source + 1] = 'printf("\\n");'
  for i = 1, #types do
    source[#source + 1] = ("for (int i = 0; i < values; i++) { t%d v; memset(&v, 0, sizeof(v)); fill%d(&v); "
      .. "fwrite(&v, sizeof(v), 1, stdout); }"):format(i, i)
  end
  source[#source + 1] = "return 0;\n}"
  write(directory .. "/layouts.h", header)
  write(directory .. "/layouts.bpf.c", bpf)
  write(directory .. "/layouts.c", source)
end

-- Values ------------------------------------------------------------------------------------------------------------

local whole = math.tointeger or function(number) return number end -- luacheck: ignore

-- high * 2^32 + low as a text of digits, where a Lua has no such numbers
local function digits(high, low)
  local text = ""
  while high > 0 or low > 0 do
    low = high % 1000000 * 4294967296 + low -- below 2^53
    high = math.floor(high / 1000000)
    text = ("%06d"):format(low % 1000000) .. text
    low = math.floor(low / 1000000)
  end
  return (text:gsub("^0+(.)", "%1"))
end

-- The 64 bits as this Lua has them.
local function wide(high, low, signed)
  if math.tointeger then -- luacheck: ignore
    return whole(high) * 4294967296 + whole(low)
  end
  local sign = ""
  if signed and high >= 2147483648 then
    sign = "-"
    high, low = 4294967295 - high, 4294967296 - low
    if low == 4294967296 then
      high, low = high + 1, 0
    end
  end
  if high < 2097152 then
    return (sign == "-" and -1 or 1) * (high * 4294967296 + low)
  end
  return sign .. digits(high, low)
end

-- The halves of what draw_integer draws.
local function draw_halves(random, bits)
  local high_bits, low_bits = math.max(bits - 32, 0), math.min(bits, 32)
  local mode = random(4)
  if mode == 0 then
    return 0, 0
  elseif mode == 1 then
    return 2 ^ high_bits - 1, 2 ^ low_bits - 1
  elseif mode == 2 then
    return bits > 32 and 2 ^ (high_bits - 1) or 0, bits <= 32 and 2 ^ (bits - 1) or 0
  end
  local high = random(65536) * 65536 + random(65536)
  local low = random(65536) * 65536 + random(65536)
  return high % 2 ^ high_bits, low % 2 ^ low_bits
end

local function draw_integer(random, bits, signed)
  local high, low = draw_halves(random, bits)
  if signed and high >= 2 ^ (bits - 33) and bits > 32 then
    high = high + 2 ^ 32 - 2 ^ (bits - 32) -- the sign's bits, up to 64
  elseif signed and bits <= 32 and low >= 2 ^ (bits - 1) then
    return whole(low - 2 ^ bits)
  end
  return wide(high, low, signed)
end

local address_text -- of sixteen bytes, by what is tested: not there yet where types are drawn alone

local function draw_string(random, count, from, below)
  local bytes = {}
  for i = 1, count do
    bytes[i] = string.char(from + random(below))
  end
  return table.concat(bytes)
end

-- The value of a type that C draws too; of a union it has the member that C wrote alone.
local function value_of(node, random)
  local kind = node.kind
  if kind == "struct" then
    local value = {}
    for _, field in ipairs(node.fields) do
      local part = value_of(field.type, random)
      if field.name then
        value[field.name] = part
      else
        for name, inner in pairs(part) do
          value[name] = inner
        end
      end
    end
    return value
  elseif kind == "union" then
    local field = node.fields[random(#node.fields) + 1]
    local part = value_of(field.type, random)
    return field.name and {[field.name] = part} or part
  elseif kind == "array" then
    local value = {}
    for i = 1, node.count do
      value[i] = value_of(node.element, random)
    end
    return value
  elseif kind == "integer" or kind == "pointer" then
    return draw_integer(random, node.bits or node.size * 8, node.signed)
  elseif kind == "boolean" then
    return random(2) == 1
  elseif kind == "enum" then
    return node.values[random(4) + 1]
  elseif kind == "float" then
    return (random(2001) - 1000) / 8
  elseif kind == "text" then
    return draw_string(random, random(node.count + 1), 97, 26)
  elseif kind == "address" then
    local bytes = draw_string(random, node.count, 0, 256)
    return node.count == 4 and ("%d.%d.%d.%d"):format(bytes:byte(1, 4)) or address_text(bytes)
  end
  return draw_string(random, node.count, 0, 256)
end

-- Comparison --------------------------------------------------------------------------------------------------------

-- Whether what was read has what was drawn: of a union it has more.
local function agrees(drawn, read)
  if type(drawn) ~= "table" then
    return drawn == read
  end
  if type(read) ~= "table" or #drawn ~= #read then
    return false
  end
  for key, value in pairs(drawn) do
    if not agrees(value, read[key]) then
      return false
    end
  end
  return true
end

-- A member of a union may be read as one: which of the many, a Lua need not keep.
local function has_nan(value)
  if type(value) ~= "table" then
    return value ~= value
  end
  for _, part in pairs(value) do
    if has_nan(part) then
      return true
    end
  end
  return false
end

-- The value, read into the one before.
local function check_value(codec, bytes, drawn, before)
  local read = codec:decode(bytes)
  assert(agrees(drawn, read), "what C wrote was not read")
  assert(codec:encode(drawn) == bytes, "what C would was not written")
  local again = codec:encode(read)
  assert(again == bytes or (has_nan(read) and agrees(drawn, codec:decode(again))), "what was read was not written back")
  before = codec:decode(bytes, before)
  assert(agrees(drawn, before), "what C wrote was not read into the value before")
  return before
end

--- Reads what C writes of each type, writes it, and writes what it has read; raises where they differ.
-- @string directory where M.generate has written, and C's compilers have made, layouts and layouts.bpf.o
-- @int seed of the values
-- @int count of each type
-- @treturn int how many types
function M.check(directory, seed, count)
  local ebpf = require "ebpf"
  address_text = ebpf.address.text
  local output = io.popen(("%s/layouts %d %d"):format(directory, seed, count))
  local sizes = {}
  for number in output:read():gmatch "%d+" do
    sizes[#sizes + 1] = tonumber(number)
  end
  local type_seed = table.remove(sizes, 1)
  local btf = ebpf.btf.parse(directory .. "/layouts.bpf.o")
  local random = M.random(seed)
  for i, node in ipairs(M.types(type_seed)) do
    local codec = assert(btf:codec("t" .. i))
    assert(sizes[i] == codec:size(), "of another size")
    local ok, value
    for j = 1, count do
      ok, value = pcall(check_value, codec, output:read(sizes[i]), value_of(node, random), value)
      if not ok then
        error(("%s: value %d of t%d; TYPES=%d EBPF_VALUES_SEED=%d"):format(value, j, i, type_seed, seed))
      end
    end
  end
  output:close()
  btf:close()
  return #sizes
end

if arg and arg[0] and arg[0]:find "layouts%.lua$" then
  M.generate(arg[1], tonumber(arg[2]))
end

return M
