-- Who holds a hook: links found by what they are on, for messages. Only looked for after a failure.

local core = require "ebpf.core"
local each = require "ebpf.each"

local M = {}

--- The links whose info has these fields. Indexes of devices and hooks of netfilter belong to one network namespace,
-- which a link's info does not tell: another namespace's may be among them.
-- @tparam {[string]=any} fields
-- @treturn[1] {table,...} their infos
-- @treturn[2] nil they may not be looked at (no CAP_SYS_ADMIN)
function M.links(fields)
  local found = {}
  local walked = pcall(function()
    for link in each.walk(core.link) do
      local info = link:info()
      local fits = info ~= nil
      for name, value in pairs(fields) do
        fits = fits and info[name] == value
      end
      found[#found + 1] = fits and info or nil
    end
  end)
  return walked and found or nil
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
-- @treturn string
-- @treturn string|nil its name
function M.program(id)
  local program = core.program.from_id(id)
  local info = program and program:info()
  if program then
    program:close()
  end
  if not info or info.name == "" then
    return ("program %d"):format(id)
  end
  return ("program %d (%s)"):format(id, info.name), info.name
end

return M
