-- What a caller names to be replaced or detached: a Program, an Attachment, or an entry of a snapshot.

local core = require "ebpf.core"
local entries = require "ebpf.entries"
local errors = require "ebpf.errors"
local options = require "ebpf.options"

local M = {}
local errno_of = errors.errno

--- What a hook is called in messages.
function M.subject(hook)
  local description = core.mprog.describe(hook)
  return description.attach_type .. " on " .. description.where
end

--- The id of the program that a Program or an Attachment holds.
function M.id(handle)
  return handle.program_id and handle:program_id() or handle:id()
end

-- The link that a value names: a Link's id, or an entry's. Where an entry's program is there several times, its link is
-- one of several, and whether it has one is the kernel's to say.
local function named_link(what, named)
  local class = options.class(named)
  if class == "link" then
    options.expect(what, 1, named, "link")
    return named:id()
  end
  if class ~= "table" then
    return nil
  end
  for _, key in ipairs {"link_id", "program_id"} do
    local id = named[key]
    if id ~= nil and (type(id) ~= "number" or id < 1 or id % 1 ~= 0) then
      error(("bad argument '1' to '%s' (%s is an id, not %s)"):format(what, key, tostring(id)), 4)
    end
  end
  return named.link_id
end

-- Whether a link is on the hook: a device's list tells, on a cgroup the link itself. What can't be told counts as yes:
-- the caller has it from a query.
local function has_link(hook, named, link_id)
  local here = core.mprog.describe(hook)
  if here.ifindex then
    local list = entries.query(hook, 0)
    for _, entry in ipairs(list or {}) do
      if entry.link_id == link_id then
        return true
      end
    end
    return list == nil
  end
  local link, _, number = named, nil, nil
  if options.class(named) ~= "link" then
    link, _, number = core.link.from_id(link_id)
  end
  if not link then
    return number ~= errno_of.ENOENT
  end
  local info = link:info()
  if link ~= named then
    link:close()
  end
  return not info or info.attach_type == here.attach_type and info.cgroup_id == here.cgroup_id
end

--- A handle for the program that is named, and whether it was opened just for that.
-- nil, message, errno where a link is what holds it, or it is gone.
function M.program(what, operation, hook, named)
  local class = options.class(named)
  if class == "program" or class == "attachment" then
    options.expect(what, 1, named, "program", "attachment")
    return named, false
  end
  local link_id = named_link(what, named)
  if link_id then
    if not has_link(hook, named, link_id) then
      return errors.fail(operation, M.subject(hook), "ENOENT", ("link %d is not attached here"):format(link_id))
    end
    return errors.fail(operation, M.subject(hook), "EBUSY", ("the program is attached by link %d: use link:%s"):format(
      link_id, operation == "replace" and "update" or "detach"))
  end
  if class ~= "table" or not named.program_id then
    error(("bad argument '1' to '%s' (program, attachment or entry of a snapshot expected, got %s)"):format(what,
      named == nil and "no value" or class), 3)
  end
  local program, _, number = core.program.from_id(named.program_id)
  if not program then
    local gone = number == errno_of.ENOENT and ("there is no program %d any more"):format(named.program_id) or nil
    return errors.fail(operation, M.subject(hook), number, gone)
  end
  return program, true
end

return M
