-- Who holds a hook: links found by what they are on, for messages. Only looked for after a failure.

local core = require "ebpf.core"

local M = {}

local function fits(info, fields)
  for name, value in pairs(fields) do
    if info[name] ~= value then
      return false
    end
  end
  return true
end

--- The links whose info has these fields. Indexes of devices and hooks of netfilter belong to one network namespace,
-- which a link's info does not tell: another namespace's may be among them.
-- @tparam {[string]=any} fields
-- @treturn[1] {table,...} their infos
-- @treturn[1] int how many links vanished or could not be opened meanwhile
-- @treturn[2] nil, message, errno: EPERM (no CAP_SYS_ADMIN)
function M.links(fields)
  local found, skipped, id = {}, 0, 0
  repeat
    local link, count, number = core.link.next(id)
    if link == nil then
      return nil, count, number
    end
    skipped = skipped + count
    if link then
      id = link:id()
      local info = link:info()
      link:close()
      found[#found + 1] = info and fits(info, fields) and info or nil
    end
  until not link
  return found, skipped
end

--- "link 4", "link 4 or 5": of those found, which can't be told apart; nil for none.
function M.name(links)
  local ids = {}
  for index, info in ipairs(links or {}) do
    ids[index] = tostring(info.id)
  end
  return #ids > 0 and "link " .. table.concat(ids, " or ") or nil
end

--- "program 34 (name)"
-- @int id
-- @tparam table|nil info of the program, where it could be opened
-- @treturn string
function M.program(id, info)
  if not info or info.name == "" then
    return ("program %d"):format(id)
  end
  return ("program %d (%s)"):format(id, info.name)
end

return M
