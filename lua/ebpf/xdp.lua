-- XDP links: ebpf.link.xdp, documented in link.lua.

local core = require "ebpf.core"
local device = require "ebpf.device"
local errors = require "ebpf.errors"
local options = require "ebpf.options"
local origin = require "ebpf.origin"
local owner = require "ebpf.xdp_owner"

local M = {}
local flag = core.abi.constants
local attach_type = core.names.attach_type.xdp

local flags = {generic = flag.XDP_SKB_MODE, native = flag.XDP_DRV_MODE, offload = flag.XDP_HW_MODE}
local modes = {"native", "generic", "offload"}

local function in_the_way(context, mode, id)
  local who, advice = owner.describe(context.ifindex, context.name, mode, id)
  return advice and who .. ": " .. advice or who
end

local reasons = {}

function reasons.EBUSY(context) -- without a mode the kernel chose: native where the driver has it
  local mode, id = owner.running(context.ifindex, context.mode)
  return mode and "one program a mode: " .. in_the_way(context, mode, id)
end

function reasons.EEXIST(context)
  local mode, id = owner.running(context.ifindex)
  if mode then
    return "native and generic XDP exclude each other: " .. in_the_way(context, mode, id)
  end
  return mode == false and "a device above this one (a bond, a team, a bridge) runs XDP itself"
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

local function failure(operation, context, message, number)
  local reason = reasons[errors.errno[number]]
  local why, other
  if reason then
    why, other = reason(context)
  end
  if not why then
    return nil, message, number
  end
  return errors.fail(operation, "on " .. context.name, other or number, why)
end

--- A new link on a device; what fails is explained.
-- @string operation of the message
-- @int ifindex
-- @string name of the device
-- @tparam Program program
-- @string[opt] mode
-- @treturn[1] Link
-- @treturn[2] nil, message, errno
function M.create(operation, ifindex, name, program, mode)
  local link, message, number = core.link_create.on(operation, "on " .. name, program, attach_type, ifindex,
    mode and flags[mode] or 0)
  if link then
    return link
  end
  return failure(operation, {program = program, mode = mode, ifindex = ifindex, name = name}, message, number)
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
  local link, message
  link, message, number = M.create("link xdp", ifindex, name, program, opts.mode)
  if not link then
    return nil, message, number
  end
  origin.note(link)
  return link
end

return M
