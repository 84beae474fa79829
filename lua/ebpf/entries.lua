-- The list of a hook as the kernel tells it: entries with program_id and, on devices, link_id.

local core = require "ebpf.core"

local M = {}
local query = core.mprog.query

-- In the place of ids: entries. Made here, and with all their fields at once, because that is what takes time.
local function list_of(attach_flags, revision, count, ...)
  if not attach_flags then
    return nil, revision, count -- message, errno
  end
  local list = {attach_flags = attach_flags, revision = revision or nil, mode = nil, ...}
  if list[count + 1] == nil then
    for index = 1, count do
      list[index] = {program_id = list[index]}
    end
    return list
  end
  for index = 1, count do
    local link_id = list[count + index]
    list[index] = {program_id = list[index], link_id = link_id ~= 0 and link_id or nil}
    list[count + index] = nil
  end
  return list
end

--- One query.
-- @param hook Mprog or Attachment
-- @int query_flags
-- @treturn[1] table entries in the order they run, with attach_flags, and revision where the kernel keeps one
-- @treturn[2] nil, message, errno
function M.query(hook, query_flags)
  return list_of(query(hook, query_flags))
end

return M
