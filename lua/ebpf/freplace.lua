-- Links that replace a function of another program: ebpf.link.freplace, documented in link.lua.

local core = require "ebpf.core"
local errors = require "ebpf.errors"
local holders = require "ebpf.holders"
local options = require "ebpf.options"
local origin = require "ebpf.origin"

local M = {}
local reasons = {}

function reasons.EBUSY(context)
  local link = context.btf_id and holders.name(holders.links {type = "tracing", target_obj_id = context.target:id(),
    target_btf_id = context.btf_id})
  return link and ("%s is on this function already"):format(link)
    or "the function is replaced or traced already"
end

function reasons.E2BIG()
  return "as many programs trace this function as may (38)"
end

function reasons.EINVAL(context)
  if not context.target then
    return "without a target it goes where it was loaded for, and only its first link may: name the target"
  end
  if not context.global then
    return "the function is static: only global functions can be replaced"
  end
  return "the function's signature or the target's type is not what the program was loaded for"
end

function reasons.EPERM()
  return "this process lacks a capability, or this kernel forbids extending programs"
end

function M.link(program, target, function_name)
  local what = "link.freplace"
  options.expect(what, 1, program, "program")
  local btf_id, global, number
  local subject = "where it was loaded for"
  if target ~= nil or function_name ~= nil then
    options.expect(what, 2, target, "program")
    options.expect(what, 3, function_name, "string")
    subject = ("%s of program %d"):format(function_name, target:id() or 0)
    btf_id, global, number = core.btf.function_id(target, function_name)
    if not btf_id then
      return nil, global, number
    end
  end
  local info, message
  info, message, number = program:info()
  if not info then
    return nil, message, number
  end
  if info.type ~= "ext" then -- for others the kernel would take the target for a cgroup or a device
    return errors.fail("link freplace", subject, "EINVAL",
      ("the program is of type %s, and only ext (section freplace) replaces functions"):format(info.type))
  end
  local link
  link, message, number = core.link_create.freplace("link freplace", subject, program, target, btf_id)
  if link then
    origin.note(link)
    return link
  end
  local reason = reasons[errors.errno[number]]
  if not reason then
    return nil, message, number
  end
  return errors.fail("link freplace", subject, number, reason {target = target, btf_id = btf_id, global = global})
end

return M
