-- Which rootlet is on a device: the one that is there is opened, else one is made; what isn't ours is left alone.

local core = require "ebpf.core"
local errors = require "ebpf.errors"
local holders = require "ebpf.holders"
local owner = require "ebpf.xdp_owner"
local xdp = require "ebpf.xdp"

local M = {}
local name_of = errors.errno

local DEFAULT_SLOTS = 8
local TRIES, NAP = 16, 0.002 -- seconds, and as much longer with each try

local AGAIN = {} -- what is there is just going away

-- The one XDP link that holds a program on a device; false for none that can be told.
local function link_on(program_id, ifindex)
  local found, skipped, number = holders.links {type = "xdp", ifindex = ifindex, program_id = program_id}
  if not found then
    return nil, skipped, number
  end
  if #found == 1 then -- of several, other network namespaces' are among them
    local link, message
    link, message, number = core.link.from_id(found[1].id)
    if link or name_of[number] ~= "ENOENT" then
      return link, message, number
    end
    return AGAIN
  end
  -- a link whose last holder is gone can't be opened any more, and its program may still be there
  local _, running = owner.running(ifindex)
  return (skipped > 0 or running ~= program_id) and AGAIN or false
end

local function foreign(ifindex, where, mode, id)
  local who, advice = owner.describe(ifindex, where, mode, id)
  return errors.fail("rootlet open", where, "EBUSY", advice and who .. ": " .. advice or who)
end

-- The Rootlet of a program that is on the device; AGAIN; nil, message, errno for anything that isn't ours.
local function adopt(program, ifindex, where, mode)
  local version, message, number = core.rootlet_program.version(program)
  if version == nil then
    return nil, message, number
  end
  local link
  link, message, number = link_on(program:id(), ifindex)
  if link == nil or link == AGAIN then
    return link, message, number
  end
  local rootlet, functions
  if link and version == core.rootlet_program.own_version then
    functions, message, number = core.rootlet_program.slots(program)
    if functions then
      rootlet, message, number = core.rootlet.new(program, link, where, #functions, false)
    end
  else
    rootlet, message, number = foreign(ifindex, where, mode, program:id())
  end
  if link then
    link:close()
  end
  return rootlet, message, number
end

-- The Rootlet that is on the device; false if no XDP is there; AGAIN; nil, message, errno for anything that isn't ours.
local function present(ifindex, where)
  local mode, id, number = owner.running(ifindex)
  if not mode then
    return mode, id, number
  end
  local program, message
  program, message, number = core.program.from_id(id)
  if not program and name_of[number] == "ENOENT" then
    return AGAIN
  elseif not program then
    return errors.fail("rootlet open", where, number, ("program %d is attached in %s mode, and whose it is can't be "
      .. "told: %s"):format(id, mode, message))
  end
  local rootlet
  rootlet, message, number = adopt(program, ifindex, where, mode)
  program:close()
  return rootlet, message, number
end

local function create(ifindex, where, count, mode)
  local program, message, number = core.rootlet_program.load(count)
  if not program then
    return nil, message, number
  end
  local link, rootlet
  link, message, number = xdp.create("rootlet open", ifindex, where, program, mode)
  if link then
    rootlet, message, number = core.rootlet.new(program, link, where, count, true)
    link:close()
  end
  program:close()
  return rootlet, message, number
end

-- Whether a new one could not have its name. To be asked before the device is looked at: whoever opens the same rootlet
-- at the same time attaches it first, and takes the name then.
local function is_taken(pin)
  if not pin then
    return false
  end
  return pin:exists()
end

--- The rootlet of a device, or a new one.
-- @int ifindex
-- @string where the device's name
-- @tparam table opts `slots`, `mode` of a new one
-- @tparam[opt] Pin pin the name that a new one will have
-- @treturn[1] Rootlet
-- @treturn[1] string "attached" or "opened"
-- @treturn[2] nil, message, errno
function M.open(ifindex, where, opts, pin)
  local message, number
  for try = 1, TRIES do
    local taken, rootlet, problem, code
    taken, problem, code = is_taken(pin)
    if taken == nil then
      return nil, problem, code
    end
    rootlet, problem, code = present(ifindex, where)
    if rootlet == nil then
      return nil, problem, code
    elseif rootlet == AGAIN then
      core.clock.nap(NAP * try)
    elseif rootlet then
      return rootlet, "opened"
    elseif taken then
      return errors.fail("pin put", pin:path(), "EEXIST")
    else
      rootlet, message, number = create(ifindex, where, opts.slots or DEFAULT_SLOTS, opts.mode)
      if rootlet then
        return rootlet, "attached"
      end
      local name = name_of[number]
      if name ~= "EBUSY" and name ~= "EEXIST" then -- else somebody was faster: look who it is
        return nil, message, number
      end
    end
  end
  local mode, id = owner.running(ifindex)
  if mode then -- whose link can't be told, but not ours
    return foreign(ifindex, where, mode, id)
  elseif message then
    return nil, message, number
  end
  return errors.fail("rootlet open", where, "EAGAIN", ("what is attached changed %d times meanwhile"):format(TRIES))
end

return M
