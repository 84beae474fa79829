-- What each input of spec/fuzz/values.c becomes: values of C types with something in them replaced, texts of addresses
-- and prefixes, and tables of options.

package.path = "lua/?.lua;" .. package.path
local options = require "ebpf.options"

-- The input as a source of choices: 0 at its end.
local function source(bytes)
  local at = 0
  local function byte()
    at = at + 1
    return bytes:byte(at) or 0
  end
  local function text(length)
    local from = at + 1
    at = at + length
    return bytes:sub(from, at)
  end
  return byte, text
end

local function any(byte, text)
  local make = {
    function() return nil end,
    function() return byte() % 2 == 0 end,
    function() return byte() - 128 end,
    function() return (string.unpack("<i8", text(8) .. ("\0"):rep(8))) end,
    function() return (string.unpack("<d", text(8) .. ("\0"):rep(8))) end,
    function() return tostring((string.unpack("<i8", text(8) .. ("\0"):rep(8)))) end,
    function() return text(byte() % 64) end,
    function()
      local list = {}
      for i = 1, byte() % 8 do list[i] = any(byte, text) end
      return list
    end,
    function() return {[any(byte, text) or 1] = byte()} end,
    function() return setmetatable({}, {__index = error, __len = error, __pairs = error}) end,
    function() return print end,
  }
  local ok, value = pcall(make[byte() % #make + 1]) -- a NaN is no key
  return ok and value or nil
end

-- Replaces something in a value, somewhere.
local function disturb(value, byte, text)
  local keys = {}
  if type(value) == "table" then
    for key in next, value do keys[#keys + 1] = key end
    table.sort(keys, function(a, b) return tostring(a) < tostring(b) end)
  end
  local choice = byte() % (#keys + 2)
  if choice < #keys then
    local key = keys[choice + 1]
    rawset(value, key, disturb(rawget(value, key), byte, text))
    return value
  elseif choice == #keys and type(value) == "table" then
    local key = any(byte, text)
    if key ~= nil and key == key then value[key] = any(byte, text) end
    return value
  end
  return any(byte, text)
end

local function try_codec(codec, byte, text)
  local size = codec:size()
  local bytes = text(byte())
  bytes = (bytes .. ("\0"):rep(size)):sub(1, size)
  local value = codec:decode(bytes)
  local is_table = type(value) == "table"
  assert(pcall(codec.encode, codec, value), "what was read is not written")
  for _ = 1, byte() % 3 do
    value = disturb(value, byte, text)
  end
  local ok, encoded = pcall(codec.encode, codec, value)
  if is_table and type(value) == "table" then
    codec:decode(bytes, value) -- whatever is in there
  end
  if not ok then
    assert(encoded:find "^bad argument #%d to '?.*value.*: ", encoded)
    return
  end
  assert(#encoded == size)
  assert(codec:encode(codec:decode(encoded)) == encoded or type(value) == "string", "it is not written as it is read")
end

local function try_texts(_, text)
  local given = text(64)
  local prefix = core.address.lpm(given)
  if prefix then
    assert(core.address.lpm(prefix) == prefix)
  end
  local bytes = core.address.bytes(given)
  if bytes then
    assert(core.address.bytes(core.address.text(bytes)) == bytes)
    assert(prefix == core.address.text(bytes) .. "/" .. #bytes * 8)
  end
end

local known = {flag = "boolean", name = "text", number = "u32", count = "count", revision = "revision", list = "table"}

local function try_options(byte, text)
  local names = {"flag", "name", "number", "count", "revision", "list"}
  local given = {}
  for _ = 1, byte() % 4 do
    local choice = byte() % (#names + 1)
    local key = names[choice + 1] or any(byte, text)
    if key ~= nil and key == key then given[key] = any(byte, text) end
  end
  local results = {pcall(options.check, "fuzz", given, known)}
  assert(results[1] or results[2]:find "option", results[2])
end

-- codec: name -> Codec
return function(codec)
  local codecs = {codec "value", codec "key", codec "stat_t", codec "prefix4", codec "verdict"}
  return function(bytes)
    local byte, text = source(bytes)
    local choice = byte() % 16
    if choice == 0 then
      try_texts(byte, text)
    elseif choice == 1 then
      try_options(byte, text)
    else
      try_codec(codecs[choice % #codecs + 1], byte, text)
    end
  end
end
