-- Codecs: C types as Lua values and back, against what C compilers make of them.

local ebpf = require "ebpf"
local layouts = require "spec.support.layouts"
local w = require "spec.support.world"

local DIRECTORY = "build/spec/support/layouts/"

layouts.address6 = ebpf.address.text

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
      return false, tostring(key)
    end
  end
  return true
end

w.describe("a codec", function(world)
  local function btf()
    return world():keep(ebpf.btf.parse "build/spec/support/types.bpf.o")
  end

  it("reads what C wrote, and writes what C would, for random types and values", function()
    local seed = tonumber(os.getenv "EBPF_VALUES_SEED") or os.time()
    local values = tonumber(os.getenv "EBPF_VALUES") or 50
    local output = io.popen(("%slayouts %d %d"):format(DIRECTORY, seed, values))
    local sizes = {}
    for number in output:read():gmatch "%d+" do
      sizes[#sizes + 1] = tonumber(number)
    end
    local type_seed = table.remove(sizes, 1)
    local types = world():keep(ebpf.btf.parse(DIRECTORY .. "layouts.bpf.o"))
    local random = layouts.random(seed)
    for i, node in ipairs(layouts.types(type_seed)) do
      local codec = assert(types:codec("t" .. i))
      assert.equal(sizes[i], codec:size())
      for j = 1, values do
        local bytes = output:read(sizes[i])
        local drawn = layouts.value(node, random)
        local read = codec:decode(bytes)
        local which = ("value %d of t%d; TYPES=%d EBPF_VALUES_SEED=%d"):format(j, i, type_seed, seed)
        assert(agrees(drawn, read), "what C wrote was not read: " .. which)
        assert(codec:encode(drawn) == bytes, "what C would was not written: " .. which)
        assert(codec:encode(read) == bytes, "what was read was not written back: " .. which)
      end
    end
    output:close()
  end)
end)
