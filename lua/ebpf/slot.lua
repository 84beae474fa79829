-- Slots of a rootlet: who is in them, and what puts a program there. Documented in rootlet.lua.

local core = require "ebpf.core"
local errors = require "ebpf.errors"
local holders = require "ebpf.holders"
local options = require "ebpf.options"
local origin = require "ebpf.origin"

local M = {}
local methods = {}
local name_of = errors.errno

local Slot = {
  __index = methods,
  __tostring = function(slot) return "ebpf.slot: " .. slot.name end,
}

-- What the kernel has as attach type of a link that replaces a function: 0, which has this name.
local REPLACES = "cgroup_inet_ingress"

--- Raises unless the rootlet has such a slot.
-- @int level where the error points
function M.check_index(what, rootlet, index, level)
  local count = core.rootlet.describe(rootlet).slots
  if type(index) ~= "number" or index < 1 or index > count or index % 1 ~= 0 then
    error(("bad argument '1' to '%s' (a slot from 1 to %d expected, got %s)"):format(what, count, tostring(index)),
      level)
  end
end

function M.new(rootlet, index, holder)
  return setmetatable({
    rootlet = rootlet, index = index, name = ("slot%d"):format(index), link_id = holder and holder.id,
    program_id = holder and holder.program_id,
  }, Slot)
end

--- Calls with a handle of the rootlet's program and with the BTF ids of its slots.
-- @treturn[1] what the function gives
-- @treturn[2] nil, message, errno
function M.with_program(rootlet, call)
  local program, message, number = rootlet:program()
  if not program then
    return nil, message, number
  end
  local functions, result
  functions, message, number = core.rootlet_program.slots(program)
  if functions then
    result, message, number = call(program, functions)
  end
  program:close()
  return result, message, number
end

--- The links on the slots of a rootlet, whoever holds them.
-- @treturn[1] {[slot] = table} their infos
-- @treturn[1] int how many links of the system vanished or could not be opened meanwhile
-- @treturn[2] nil, message, errno
function M.holders(rootlet)
  return M.with_program(rootlet, function(program, functions)
    local links, skipped, number = holders.links {type = "tracing"}
    if not links then
      return nil, skipped, number
    end
    local slot_of, found = {}, {}
    for index, id in ipairs(functions) do
      slot_of[id] = index
    end
    for _, info in ipairs(links) do
      if info.attach_type == REPLACES and info.target_obj_id == 0 then -- 441e8c66b23e
        return errors.fail("rootlet slots", core.rootlet.describe(rootlet).where, "EOPNOTSUPP",
          "this kernel does not tell what a link replaces (Linux 5.13 does)")
      end
      local index = info.target_obj_id == program:id() and slot_of[info.target_btf_id]
      if index then
        found[index] = info
      end
    end
    return found, skipped
  end)
end

local function held_by(rootlet, index)
  local found = M.holders(rootlet)
  local holder = found and found[index]
  if not holder then
    return nil
  end
  local program = core.program.from_id(holder.program_id)
  local info = program and program:info()
  if program then
    program:close()
  end
  return ("the slot is taken by link %d, %s"):format(holder.id, holders.program(holder.program_id, info))
end

function methods:attach(program)
  local what = "slot:attach"
  if getmetatable(self) ~= Slot then
    error(("bad argument 'self' to '%s' (slot expected, got %s)"):format(what, options.class(self)), 2)
  end
  local rootlet, index = self.rootlet, self.index
  options.expect(what, "self", rootlet, "rootlet")
  options.expect(what, 1, program, "program")
  local subject = ("%d on %s"):format(index, core.rootlet.describe(rootlet).where)
  local info, message, number = program:info()
  if not info then
    return nil, message, number
  end
  if info.type ~= "ext" then
    return errors.fail("slot attach", subject, "EINVAL", ("the program is of type %s, and a slot takes type ext: see "
      .. "rootlet:load, and targets of object.open"):format(tostring(info.type)))
  end
  if rootlet:alive() == false then
    return errors.fail("slot attach", subject, "ENOLINK",
      "the rootlet is severed: it was detached, or its device is gone")
  end
  local link
  -- the target is always named: a program loaded for one slot fits all
  link, message, number = M.with_program(rootlet, function(target, functions)
    return core.link_create.freplace("slot attach", subject, program, target, functions[index])
  end)
  if link then
    origin.note(link)
    return link
  end
  local why = name_of[number] == "EBUSY" and held_by(rootlet, index)
  if why then
    return errors.fail("slot attach", subject, number, why)
  end
  return nil, message, number
end

return M
