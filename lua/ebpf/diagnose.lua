-- Why an attach, replace or detach failed: looks at the hook, and only then says so. Runs after a failure, never
-- before. One errno for one meaning on every hook: EEXIST for a program that is there already, EBUSY for one that a
-- link owns.

local capabilities = require "ebpf.capabilities"
local core = require "ebpf.core"
local errors = require "ebpf.errors"
local snapshot = require "ebpf.snapshot"

local M = {}
local name_of = errors.errno

-- program types by attach type, as libbpf pairs them
local program_types = {
  {"^cgroup_inet_[ie]n?gress$", "cgroup_skb"},
  {"^cgroup_inet_sock_", "cgroup_sock"},
  {"^cgroup_inet%d_post_bind$", "cgroup_sock"},
  {"^cgroup_inet%d_", "cgroup_sock_addr"},
  {"^cgroup_udp%d_", "cgroup_sock_addr"},
  {"^cgroup_unix_", "cgroup_sock_addr"},
  {"^cgroup_sock_ops$", "sock_ops"},
  {"^cgroup_device$", "cgroup_device"},
  {"^cgroup_sysctl$", "cgroup_sysctl"},
  {"^cgroup_[gs]etsockopt$", "cgroup_sockopt"},
  {"^lsm_cgroup$", "lsm"},
  {"^tcx_", "sched_cls"},
  {"^netkit_", "sched_cls"},
}

local function wanted_type(attach_type)
  for _, row in ipairs(program_types) do
    if attach_type:find(row[1]) then
      return row[2]
    end
  end
end

local function removed(hook, description)
  if not description.cgroup_id then
    return false
  end

  local flags, _, number = core.mprog.mode(hook)
  return not flags and name_of[number] == "ENOENT"
end

local function wrong_type(program, attach_type)
  local info = program and program.info and program:info()
  local wanted = wanted_type(attach_type)
  if info and wanted and info.type ~= wanted then
    return ("the program is of type %s, and %s takes %s"):format(info.type, attach_type, wanted)
  end
end

-- The mode of a cgroup's hook, where something is attached.
local function mode_here(hook)
  local flags, count = core.mprog.mode(hook)
  return flags and snapshot.mode_of(flags, count)
end

local function exclusive_above(hook, description)
  local cgroup = core.cgroup.of(hook)
  local attach_type = core.names.attach_type[description.attach_type]
  local found
  while cgroup and not found do
    local parent = cgroup:parent()
    cgroup:close()
    local above = parent and core.mprog.new(parent:fd(), 0, attach_type, parent:id(), parent:path())
    if above then
      found = mode_here(above) == "exclusive" and parent:path()
      above:close()
    end
    if found then
      parent:close()
    end
    cgroup = parent
  end
  return found
end

local function refused(hook, description, mode)
  local missing = capabilities.missing({"CAP_NET_ADMIN", "CAP_SYS_ADMIN"}, true)
  if missing then
    return missing
  end
  if not description.cgroup_id then
    return nil
  end
  local present = mode_here(hook)
  if present and present ~= mode then
    return ("the hook is in mode %s, and all programs of a cgroup's hook share one mode"):format(present)
  end
  local above = exclusive_above(hook, description)
  if above then
    return ("%s has an exclusive program, which allows none below"):format(above)
  end
end

local function full(hook, description)
  local flags, count = core.mprog.mode(hook)
  local limit = description.cgroup_id and 64 or 63
  if flags and count >= limit then
    return ("the list is full: a hook holds %d programs at most"):format(limit)
  end
end

local function owned(context, link_id)
  local instead = context.operation == "detach" and "link:detach" or "link:update"
  return ("program %d is attached by link %d: use %s"):format(context.replaced_id, link_id, instead)
end

-- On a cgroup a program may be there by links as often as one likes, besides once without one.
local function attached_already(hook, program_id, by_links_too)
  local list = snapshot.take(hook, false, true)
  local entries = list and snapshot.find(list, program_id) or {}
  if entries[1] and not by_links_too and snapshot.owner(list, program_id) then
    return nil
  end
  return entries[1] and ("program %d is attached here already, at position %d"):format(program_id, entries[1].index)
end

-- For each errno: reason, and the errno to return where the kernel's is another on another hook.
local reasons = {}

function reasons.ESTALE(context)
  local list = snapshot.take(context.hook, false, false)
  return ("the order changed since revision %s%s"):format(tostring(context.revision),
    list and list.revision and (": it is at " .. tostring(list.revision)) or "")
end

-- Of the program to be replaced or detached; nothing when it is there, or that can't be told.
local function not_here(context)
  local list = context.replaced_id and snapshot.take(context.hook, false, true)
  if not list then
    return nil
  end
  local link_id = snapshot.owner(list, context.replaced_id)
  if link_id then
    return owned(context, link_id), "EBUSY"
  end
  if #snapshot.find(list, context.replaced_id) == 0 then
    return ("program %d is not attached here"):format(context.replaced_id), "ENOENT"
  end
end

function reasons.EINVAL(context)
  local description = context.description
  local flags, _, number = core.mprog.mode(context.hook)
  if not flags and name_of[number] == "EINVAL" then
    return snapshot.no_such_hook, "ENOTSUP"
  end
  local why = context.program and wrong_type(context.program, description.attach_type)
  if why then
    return why
  end
  if context.operation == "detach" then -- what a list of programs says of one of another type
    return ("program %d is not attached here"):format(context.replaced_id), "ENOENT"
  end
  if context.program and context.operation ~= "link" then
    why = attached_already(context.hook, context.program_id)
    if why then
      return why, "EEXIST"
    end
  end
  local missing = capabilities.missing({"CAP_NET_ADMIN", "CAP_SYS_ADMIN"}, true)
  if missing then -- PROG_ATTACH says EINVAL where LINK_CREATE says EPERM
    return missing, "EPERM"
  end
  local other
  why, other = not_here(context) -- one of another type is never there, and the kernel says EINVAL for it
  if why then
    return why, other
  end
  if context.anchored and description.ifindex then
    return "the kernel refuses an anchor whose program is of another type"
  end
  if context.anchored then
    return "the kernel refuses an anchor that is preorder where the new one is not, and the reverse"
  end
  return context.program and "the program's type fits; the kernel refuses it if it was loaded for another attach type"
end

function reasons.ENODEV(context)
  return ("the device (index %s) is gone"):format(tostring(context.description.ifindex))
end

function reasons.EEXIST(context)
  if context.replaced_id == context.program_id then -- by itself: a device's list looks at that first
    local list = snapshot.take(context.hook, false, true)
    local link_id = list and snapshot.owner(list, context.replaced_id)
    if link_id then
      return owned(context, link_id), "EBUSY"
    end
  end
  return attached_already(context.hook, context.program_id, true)
end

function reasons.ENOENT(context)
  if removed(context.hook, context.description) then
    return "the cgroup was removed"
  end
  if context.replaced_id then
    local list = snapshot.take(context.hook, false, true)
    local link_id = list and snapshot.owner(list, context.replaced_id)
    if link_id then
      return owned(context, link_id), "EBUSY"
    end
    if list and snapshot.find(list, context.replaced_id)[1] then -- listed, and not by itself
      return ("program %d is attached by a link, and which one can't be told%s"):format(context.replaced_id,
        list.links_unknown and ": " .. list.links_unknown or ""), "EBUSY"
    end
    return ("program %d is not attached here"):format(context.replaced_id)
  end
  if context.anchored then
    return "the anchor is not attached here"
  end
end

function reasons.EBUSY(context)
  local list = snapshot.take(context.hook, false, true)
  local link_id = list and context.replaced_id and snapshot.owner(list, context.replaced_id)
  return link_id and owned(context, link_id)
end

function reasons.EPERM(context)
  return refused(context.hook, context.description, context.mode or "multi")
end

function reasons.E2BIG(context)
  local why = full(context.hook, context.description)
  if why and context.operation == "replace" then
    why = why .. ", and the kernel refuses a replace too while it is full"
  end
  return why
end

function reasons.ERANGE(context)
  return full(context.hook, context.description) or "the anchor and the position contradict each other"
end

--- The failure of an operation on a hook, explained.
-- @tparam table context operation ("link", "attach", "replace", "detach"), hook, program and program_id (the new
-- one), replaced_id (the one to be replaced or detached), anchored, revision, mode
-- @string message the kernel's failure as C put it
-- @int number errno
-- @return nil, message, errno
function M.failure(context, message, number)
  context.description = core.mprog.describe(context.hook)
  if context.program then
    context.program_id = context.program:id()
  end
  local subject = context.description.attach_type .. " on " .. context.description.where
  local reason, explained, why, other = reasons[name_of[number]], nil, nil, nil
  if reason then
    explained, why, other = pcall(reason, context) -- a failure must not become an error by being explained
  end
  if explained and why then
    return errors.fail(context.operation, subject, other or number, why)
  elseif message:find "^query " then -- asked on the way: not what the caller asked for
    return errors.fail(context.operation, subject, number)
  end
  return nil, message, number
end

return M
