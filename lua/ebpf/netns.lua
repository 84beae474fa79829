-- Links on network namespaces: ebpf.link.netns, documented in link.lua.

local core = require "ebpf.core"
local errors = require "ebpf.errors"
local holders = require "ebpf.holders"
local options = require "ebpf.options"
local origin = require "ebpf.origin"

local M = {}

-- by program type; the attach types have the same names
local kinds = {sk_lookup = true, flow_dissector = true}

local function open(what, target)
  if type(target) == "number" then
    options.expect(what, 1, target, "number")
    return core.netns.open(nil, target, ("descriptor %d"):format(target))
  end
  if type(target) == "table" then
    local pid = options.check(what, target, {pid = "number"}).pid
    options.expect(what, "pid", pid, "number")
    return core.netns.open(("/proc/%d/ns/net"):format(pid), nil, ("process %d"):format(pid))
  end
  options.expect(what, 1, target, "string", "number", "table")
  options.path(what, 1, target)
  return core.netns.open(target, nil, target)
end

local function present(netns, kind)
  local hook = core.mprog.new(netns:fd(), 0, core.names.attach_type[kind], 0, "")
  local _, count = core.mprog.mode(hook)
  hook:close()
  return count
end

local reasons = {}

function reasons.E2BIG(context)
  if context.kind == "sk_lookup" then
    return "a network namespace holds 64 sk_lookup links at most"
  end
  local link = holders.name(holders.links {type = "netns", netns_ino = context.inode, attach_type = context.kind})
  return "a network namespace holds one flow dissector link" .. (link and ": " .. link or "")
end

function reasons.EEXIST(context)
  if present(context.netns, context.kind) ~= 0 then
    return "a flow dissector is attached here without a link: detach it first (bpftool prog detach)"
  end
  return "a flow dissector of the initial network namespace stands for all of them, and it tolerates none elsewhere"
end

function reasons.EINVAL() -- the program's type was looked at before, and there are no flags
  return "it is no network namespace"
end

local function failure(context, message, number)
  local reason = reasons[errors.errno[number]]
  local why = reason and reason(context)
  if not why then
    return nil, message, number
  end
  return errors.fail("link " .. context.kind, context.subject, number, why)
end

function M.link(target, program)
  local what = "link.netns"
  options.expect(what, 2, program, "program")
  local netns, message, number = open(what, target)
  if not netns then
    return nil, message, number
  end
  local subject = "on " .. (type(target) == "table" and ("the namespace of process %d"):format(target.pid)
    or tostring(target))
  local info
  info, message, number = program:info()
  if not info then
    netns:close()
    return nil, message, number
  end
  if not kinds[info.type] then
    netns:close()
    return errors.fail("link netns", subject, "EINVAL",
      ("the program is of type %s, and network namespaces take sk_lookup and flow_dissector"):format(info.type))
  end
  local link
  link, message, number = core.link_create.on("link " .. info.type, subject, program,
    core.names.attach_type[info.type], netns:fd())
  if link then
    netns:close()
    origin.note(link)
    return link
  end
  local context = {kind = info.type, netns = netns, inode = netns:inode(), subject = subject}
  link, message, number = failure(context, message, number)
  netns:close()
  return link, message, number
end

return M
