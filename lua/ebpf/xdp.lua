-- XDP links: ebpf.link.xdp, documented in link.lua.

local core = require "ebpf.core"
local device = require "ebpf.device"
local errors = require "ebpf.errors"
local holders = require "ebpf.holders"
local options = require "ebpf.options"
local origin = require "ebpf.origin"

local M = {}
local flag = core.abi.constants
local attach_type = core.names.attach_type.xdp

local flags = {generic = flag.XDP_SKB_MODE, native = flag.XDP_DRV_MODE, offload = flag.XDP_HW_MODE}
local modes = {"native", "generic", "offload"}

-- What ip(8) calls each mode when it switches XDP off.
local switch = {generic = "xdpgeneric", native = "xdpdrv", offload = "xdpoffload"}

-- Who put this program on the device, and what to do about it.
local function holder(ifindex, name, mode, id)
  local program, program_name = holders.program(id)
  local what = ("%s runs in %s mode"):format(program, mode)
  local links = holders.links {type = "xdp", ifindex = ifindex, program_id = id}
  local link = holders.name(links)
  if program_name == "xdp_dispatcher" then
    what = what .. ", the dispatcher of libxdp: what it loads is added with xdp-loader(8)"
  end
  if link then
    return ("%s, held by %s: use link:update or link:detach there"):format(what, link)
  end
  if not links then
    return what .. " (whether a link holds it takes CAP_SYS_ADMIN to tell)"
  end
  return ("%s, attached through netlink: ip link set dev %s %s off"):format(what, name, switch[mode])
end

local function any_mode(running)
  for _, mode in ipairs(modes) do
    if running[mode] then
      return mode, running[mode]
    end
  end
end

local reasons = {}

function reasons.EBUSY(context, running)
  local mode, id = context.mode, context.mode and running[context.mode]
  if not mode then -- the kernel chose: native where the driver has it
    mode, id = any_mode(running)
  end
  return id and "one program a mode: " .. holder(context.ifindex, context.name, mode, id)
end

function reasons.EEXIST(context, running)
  local mode, id = any_mode(running)
  if id then
    return "native and generic XDP exclude each other: " .. holder(context.ifindex, context.name, mode, id)
  end
  return "a device above this one (a bond, a team, a bridge) runs XDP itself"
end

function reasons.EINVAL(context)
  if not core.device.name(context.ifindex) then
    return "there is no such network device in this network namespace", "ENODEV"
  end
  local info = context.program:info()
  if info and info.type ~= "xdp" then
    return ("the program is of type %s, and XDP takes xdp"):format(info.type)
  end
  return "the kernel refuses a program that was loaded for a devmap or cpumap, for another device, or one that offload "
    .. "mode alone could run; some drivers say so of an MTU that is too large"
end

function reasons.EOPNOTSUPP(context)
  return context.mode ~= "generic" and ("the driver of this device has no XDP in %s mode"):format(
    context.mode or "native")
end

local function failure(context, message, number)
  local reason = reasons[errors.errno[number]]
  local running = reason and core.xdp.query(context.ifindex) or {}
  local why, other
  if reason then
    why, other = reason(context, running)
  end
  if not why then
    return nil, message, number
  end
  return errors.fail("link xdp", context.subject, other or number, why)
end

function M.link(dev, program, opts)
  local what = "link.xdp"
  local ifindex, name, number = device.resolve(what, 1, dev)
  options.expect(what, 2, program, "program")
  opts = options.check(what, opts, {mode = "string"})
  if opts.mode then
    options.one_of(what, "mode", opts.mode, modes)
  end
  if not ifindex then
    return nil, name, number
  end
  local subject = "on " .. name
  local link, message
  link, message, number = core.link_create.on("link xdp", subject, program, attach_type, ifindex,
    opts.mode and flags[opts.mode] or 0)
  if link then
    origin.note(link)
    return link
  end
  return failure({program = program, mode = opts.mode, ifindex = ifindex, name = name, subject = subject}, message,
    number)
end

return M
