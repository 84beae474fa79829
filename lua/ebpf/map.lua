--- Maps: key-value stores that programs and user space share.
-- Keys and values of 1, 2, 4 and 8 bytes are integers (unsigned), all others byte strings; a byte string of the very
-- size is always accepted. A per-CPU value is a list, one a possible CPU.
-- @module ebpf.map

local core = require "ebpf.core"
local each = require "ebpf.each"
local options = require "ebpf.options"
local pin = require "ebpf.pin"

local M = {}
local methods = core.map.methods

local known = {
  type = "string", key_size = "u32", value_size = "u32", max_entries = "u32", name = "text", flags = "u32",
  token = "token",
}

--- Create a map.
-- @tparam table spec `type` (as "hash"), `key_size` and `value_size` (bytes), `max_entries`; optional `name` (at
-- most 15 bytes), `flags` (BPF_F_* of MAP_CREATE), `token` (a Token, in a user namespace)
-- @treturn[1] Map
-- @treturn[2] nil, message, errno: EPERM (no CAP_BPF), EINVAL (no such type, sizes that don't fit it), ENOMEM
-- @see bpf(2), BPF_MAP_CREATE
function M.create(spec)
  local what = "map.create"
  options.expect(what, 1, spec, "table")
  options.check(what, spec, known)
  local map_type = options.name(what, "type", spec.type, core.names.map_type, "map type")
  for _, key in ipairs {"key_size", "value_size", "max_entries"} do
    options.expect(what, key, spec[key], "number")
  end
  local name = spec.name or ""
  if #name > 15 then
    error(("bad argument 'name' to '%s' (at most 15 bytes, got %d)"):format(what, #name), 2)
  end
  return core.map.create(map_type, spec.key_size, spec.value_size, spec.max_entries, name, spec.flags,
    options.open(what, "token", spec.token))
end

--- Open a map by its id.
-- @int id
-- @treturn[1] Map
-- @treturn[2] nil, message, errno: ENOENT (no such id), EPERM (no CAP_SYS_ADMIN)
function M.from_id(id)
  return core.map.from_id(id)
end

--- A Map of a duplicate of a descriptor; the caller's stays the caller's.
-- @int fd
-- @treturn[1] Map
-- @treturn[2] nil, message, errno: EBADF, EINVAL (no BPF map)
function M.from_fd(fd)
  return core.map.from_fd(fd)
end

--- Walk all maps of the system: as program.each.
function M.each()
  return each.walk(core.map)
end

--- The value of a key.
-- @function Map:get
-- @param key
-- @return[1] the value
-- @treturn[2] nil when there is no such key
-- @treturn[3] nil, message, errno

--- Write a value.
-- @function Map:set
-- @param key
-- @param value
-- @string[opt="any"] when "any", "noexist" (only a new key) or "exist" (only one that is there)
-- @treturn[1] true
-- @treturn[2] nil, message, errno: EEXIST, ENOENT, E2BIG (full, or beyond an array's end)

--- Delete a key.
-- @function Map:delete
-- @param key
-- @treturn[1] boolean whether there was one
-- @treturn[2] nil, message, errno

--- Walk keys and values. Keys that vanish meanwhile are passed over; the loop's body may delete the key it is given.
-- At most max_entries keys are yielded, so that writers elsewhere can't make the walk endless.
-- @function Map:each
-- @return iterator of key, value; raises where the map can't be read
function methods:each()
  options.expect("map:each", 1, self, "map")
  local left = self:info().max_entries
  local function following(key)
    local found, message, errno = core.map.next_key(self, key)
    if errno then
      error(message, 3)
    end
    return found
  end
  local upcoming = following(nil)
  return function()
    while upcoming ~= nil and left > 0 do
      local key = upcoming
      left = left - 1
      upcoming = following(key) -- before the body runs: a deleted key would start the kernel from the first again
      local value, message, errno = self:get(key)
      if errno then
        error(message, 2)
      end
      if value ~= nil then
        return key, value
      end
    end
  end
end

--- Pin the map under a new name: as Program:pin.
-- @function Map:pin
methods.pin = pin.method "map:pin"

--- What the kernel tells about the map: id, type, name, key_size, value_size, max_entries, flags, btf_id.
-- @function Map:info
-- @treturn[1] table
-- @treturn[2] nil, message, errno

return M
