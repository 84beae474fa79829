-- Network devices, as users name them: by name or by index.

local core = require "ebpf.core"
local options = require "ebpf.options"

local M = {}

--- Index and name of a device. Raises for what is neither a name nor an index.
-- @string what the function
-- @param argument its number
-- @tparam string|int device
-- @treturn[1] int ifindex
-- @treturn[1] string name; "ifindex N" where the index has none in this network namespace
-- @treturn[2] nil, message, errno: ENODEV (no such name)
function M.resolve(what, argument, device)
  if type(device) == "number" and device >= 1 and device < 2 ^ 31 and device % 1 == 0 then
    return device, core.device.name(device) or ("ifindex %d"):format(device)
  end
  if type(device) ~= "string" or device == "" or device:find("\0", 1, true) then
    error(("bad argument '%s' to '%s' (name or index of a network device expected, got %s)"):format(argument, what,
      type(device) == "number" and tostring(device) or type(device) == "string" and ("%q"):format(device)
        or options.class(device)), 3)
  end
  local index, message, errno = core.device.index(device)
  if not index then
    return nil, message, errno
  end
  return index, device
end

return M
