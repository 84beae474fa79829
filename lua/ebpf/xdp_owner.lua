-- Whose XDP runs on a device: asked when it is in somebody's way.

local core = require "ebpf.core"
local holders = require "ebpf.holders"

local M = {}

local modes = {"native", "generic", "offload"}

-- What ip(8) calls each mode when it switches XDP off.
local switch = {generic = "xdpgeneric", native = "xdpdrv", offload = "xdpoffload"}

--- The XDP program of a device.
-- @int ifindex
-- @string[opt] mode default: whichever has one
-- @treturn[1] string mode
-- @treturn[1] int the program's id
-- @treturn[2] boolean false: none
-- @treturn[3] nil, message, errno
function M.running(ifindex, mode)
  local running, message, number = core.xdp.query(ifindex)
  if not running then
    return nil, message, number
  end
  for _, each in ipairs(mode and {mode} or modes) do
    if running[each] then
      return each, running[each]
    end
  end
  return false
end

-- What the program is known as, and what to do about it: of libxdp's dispatcher and of a rootlet.
local function kind(program, info)
  if info.name == "xdp_dispatcher" and #info.map_ids == 1 then
    return ", the dispatcher of libxdp", "what it loads is added with xdp-loader(8)"
  end
  local version = core.rootlet_program.version(program)
  if version == core.rootlet_program.own_version then
    return ", a rootlet", "rootlet.open opens it"
  elseif version then
    return (", a rootlet of version %d, which this library does not know"):format(version)
  end
end

--- Who put a program on a device.
-- @int ifindex
-- @string name of the device
-- @string mode
-- @int id of the program
-- @treturn string "program 34 (name) runs in generic mode, held by link 5"
-- @treturn string|nil what to do about it
function M.describe(ifindex, name, mode, id)
  local program = core.program.from_id(id)
  local info = program and program:info()
  local words, advice
  if info then
    words, advice = kind(program, info)
  end
  if program then
    program:close()
  end
  local what = ("%s runs in %s mode%s"):format(holders.program(id, info), mode, words or "")
  local links = holders.links {type = "xdp", ifindex = ifindex, program_id = id}
  if not links then
    return what .. " (whether a link holds it takes CAP_SYS_ADMIN to tell)", advice
  end
  local link = holders.name(links)
  if link then
    return ("%s, held by %s"):format(what, link), advice or "use link:update or link:detach there"
  end
  return what .. ", attached through netlink", advice or ("ip link set dev %s %s off"):format(name, switch[mode])
end

return M
