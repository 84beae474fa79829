-- Changes to a hook that name a program: replace and detach, and the modes that hold one program alone. Where the
-- kernel would take off or overwrite whatever is there, these look first.

local core = require "ebpf.core"
local diagnose = require "ebpf.diagnose"
local entries = require "ebpf.entries"
local errors = require "ebpf.errors"
local features = require "ebpf.features"
local named = require "ebpf.named"
local options = require "ebpf.options"
local snapshot = require "ebpf.snapshot"

local M = {}
local flag = core.abi.constants
local errno_of = errors.errno
local TRIES = 1000 -- strangers who do nothing but change the hook come in between at every other one

-- Looks and changes in one attempt, which the kernel refuses with ESTALE if somebody came in between: then again,
-- unless the caller meant one revision.
local function settle(hook, operation, opts, attempt)
  for _ = 1, TRIES do
    local done, message, number = attempt()
    if done or number ~= errno_of.ESTALE or opts.revision then
      return done, message, number
    end
  end
  return errors.fail(operation, named.subject(hook), "ESTALE", ("the hook changed %d times meanwhile"):format(TRIES))
end

-- true, or the failure to return where a revision can't be carried.
function M.need_order(hook, operation, opts)
  if opts.revision and not core.mprog.on_device(hook) then
    return features.need("cgroup_order", operation, named.subject(hook))
  end
  return true
end

local mode_flags = {multi = flag.F_ALLOW_MULTI, override = flag.F_ALLOW_OVERRIDE, exclusive = 0}

-- In these modes the kernel replaces what is there without a word. So look first; and where there are revisions,
-- let the kernel refuse if somebody came in between.
function M.attach_single(hook, program, opts)
  return settle(hook, "attach", opts, function()
    local present, count, revision = core.mprog.mode(hook)
    if not present then
      return nil, count, revision
    end
    local same_mode = snapshot.mode_of(present, count) == opts.mode -- in another one the kernel refuses anyway
    if same_mode and not opts.overwrite then
      local list = snapshot.take(hook, false, false)
      local entry = list and list[1]
      local why = ("program %s is attached, and mode %s would replace it: overwrite = true if that is meant"):format(
        entry and entry.program_id or "?", opts.mode)
      return errors.fail("attach", named.subject(hook), "EEXIST", why)
    end
    return core.mprog.attach(hook, program, mode_flags[opts.mode], 0, opts.revision or revision)
  end)
end

-- One program, mode override or exclusive: BPF_F_REPLACE is for lists only, and attaching replaces whatever is there.
local function replace_single(hook, old, program, opts, flags)
  return settle(hook, "replace", opts, function()
    local list, message, number = entries.query(hook, 0)
    if not list then
      return nil, message, number
    end
    if #snapshot.find(list, named.id(old)) == 0 then
      return errors.fail("replace", named.subject(hook), "ENOENT",
        ("program %s is not attached here"):format(named.id(old)))
    end
    return core.mprog.attach(hook, program, flags, 0, opts.revision or list.revision)
  end)
end

-- A device's list refuses to replace a program by itself, which changes nothing and which a cgroup's accepts: it is
-- left as it is, if it is there and no link's.
local function replace_by_itself(hook, program, opts)
  local list = entries.query(hook, 0)
  local entry = list and snapshot.find(list, program:id())[1]
  if entry and not entry.link_id and (not opts.revision or opts.revision == list.revision) then
    return core.mprog.holding(hook, program)
  end
end

-- The new attachment, for Mprog:replace and Attachment:replace alike.
function M.replace_on(hook, old, program, opts)
  local on_device = core.mprog.on_device(hook)
  local preorder = opts.preorder
  if options.class(old) == "attachment" and preorder == nil then
    preorder = core.attachment.flags(old) >= flag.F_PREORDER -- the kernel forgets it unless it is said again
  elseif preorder == nil and not on_device and features.have "cgroup_preorder" then
    preorder = snapshot.runs_ahead(hook, named.id(old))
  end
  local flags = on_device and 0 or flag.F_ALLOW_MULTI + (preorder and flag.F_PREORDER or 0)
  local attachment, message, number = core.mprog.attach(hook, program, flags, 0, opts.revision, old)
  if not attachment and on_device and number == errno_of.EEXIST and named.id(old) == program:id() then
    attachment = replace_by_itself(hook, program, opts)
  end
  if attachment then
    return attachment
  end
  local context = {operation = "replace", hook = hook, program = program, replaced_id = named.id(old),
    revision = opts.revision}
  local present, count = core.mprog.mode(hook)
  local mode = present and not on_device and snapshot.mode_of(present, count)
  if number == errno_of.EPERM and mode and mode ~= "multi" then
    context.mode = mode
    attachment, message, number = replace_single(hook, old, program, opts, mode_flags[mode])
    if attachment then
      return attachment
    end
  end
  return diagnose.failure(context, message, number)
end

-- The kernel doesn't compare the program in these modes: any descriptor detaches what is there.
local function detach_named(hook, handle, opts)
  local revision = opts.revision
  if core.mprog.on_device(hook) then -- there the kernel compares
    return core.mprog.detach(hook, handle, 0, 0, revision)
  end
  local flags, count, current = core.mprog.mode(hook)
  if not flags then
    return nil, count, current
  end
  local mode = snapshot.mode_of(flags, count)
  if mode and mode ~= "multi" then
    local list, message, number = entries.query(hook, 0)
    if not list then
      return nil, message, number
    end
    if #snapshot.find(list, named.id(handle)) == 0 then
      return errors.fail("detach", named.subject(hook), "ENOENT", ("program %s is not attached here"):format(
        named.id(handle)))
    end
    revision = revision or list.revision
  end
  return core.mprog.detach(hook, handle, 0, 0, revision or current) -- in mode multi still, where that can be said
end

function M.detach_from(hook, handle, opts)
  local done, message, number = settle(hook, "detach", opts, function()
    return detach_named(hook, handle, opts)
  end)
  if done or number == errno_of.ESTALE and not opts.revision then
    return done, message, number
  end
  return diagnose.failure({operation = "detach", hook = hook, replaced_id = named.id(handle), revision = opts.revision},
    message, number)
end

-- Cgroups know no detaching by position, and on a device it would take off whatever stands there by then: the one that
-- is there is found and named.
function M.detach_at(hook, opts)
  return settle(hook, "detach", opts, function()
    local list, message, number = snapshot.take(hook, false, true)
    if not list then
      return nil, message, number
    end
    local entry = list[opts.at == "head" and 1 or #list]
    if not entry then
      return errors.fail("detach", named.subject(hook), "ENOENT", "nothing is attached here")
    elseif entry.link_ids then
      local why = "program %d is attached several times, and the %s one may be a link's: name what to detach"
      return errors.fail("detach", named.subject(hook), "EBUSY", why:format(entry.program_id, opts.at))
    end
    local handle
    handle, message, number = named.program("hook:detach", "detach", hook, entry)
    if not handle then
      return nil, message, number
    end
    local done
    done, message, number = M.detach_from(hook, handle, {revision = opts.revision or list.revision})
    handle:close()
    return done, message, number
  end)
end

return M
