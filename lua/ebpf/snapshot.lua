-- What runs on a hook, in order, and which link holds each program.
-- Devices tell the link ids themselves. A cgroup's query never does (6.18), so the system's links are walked for
-- those on this cgroup and attach type, and matched by program; the list must not have moved meanwhile. And no link
-- may be dying: for some milliseconds after its last pin is removed it can't be opened, while its program is still
-- listed, which would look like a program attached without a link.

local core = require "ebpf.core"
local entries = require "ebpf.entries"
local errors = require "ebpf.errors"
local netkit = require "ebpf.netkit"

local M = {no_such_hook = "this kernel has no such hook (probed: a query is refused)"}
local flag = core.abi.constants
local TRIES = 5
local NAP = 0.001 -- seconds; doubled at each try
local unpack = table.unpack or unpack -- luacheck: ignore

local function mode_of(flags, count)
  if count == 0 then
    return nil -- an empty hook has none: the first program brings it
  end
  return flags % 4 >= flag.F_ALLOW_MULTI and "multi" or flags % 2 == 1 and "override" or "exclusive"
end

M.mode_of = mode_of

-- The cgroup and those above it, for what an effective list may hold.
local function ancestry(cgroup_id, hook)
  local ids = {cgroup_id}
  local current = core.cgroup.of(hook)
  while current do
    local parent = current:parent()
    current:close()
    current = parent
    ids[#ids + 1] = parent and parent:id()
  end
  return ids
end

-- Gives entries their links, and tells whether some have none. A program that is attached several times here, by
-- several links or by a link and without one, has no telling which entry is whose: then each carries the
-- candidates, link_ids, and no link_id.
local function assign(list, owners)
  local times, links = {}, {}
  for _, entry in ipairs(list) do
    times[entry.program_id] = (times[entry.program_id] or 0) + 1
  end
  for _, owner in ipairs(owners) do
    links[owner.program_id] = links[owner.program_id] or {}
    table.insert(links[owner.program_id], owner)
  end
  local unowned = false
  for _, entry in ipairs(list) do
    local candidates = links[entry.program_id]
    unowned = unowned or not candidates
    if candidates and #candidates == 1 and times[entry.program_id] == 1 then
      entry.link_id = candidates[1].link_id
    elseif candidates then
      entry.link_ids = {}
      for index, owner in ipairs(candidates) do
        entry.link_ids[index] = owner.link_id
      end
    end
  end
  return unowned
end

local function same(list, other)
  if #list ~= #other or list.revision ~= other.revision then
    return false
  end
  for index, entry in ipairs(list) do
    if entry.program_id ~= other[index].program_id then
      return false
    end
  end
  return true
end

local function shape(list, effective, on_cgroup)
  if effective then
    list.effective = true
  elseif on_cgroup then
    list.mode = mode_of(list.attach_flags, #list)
  end
  list.attach_flags = nil
  return list
end

--- The programs of a hook.
-- @param hook Mprog or Attachment
-- @bool effective with those of the cgroups above, as they run here
-- @bool links find the links
-- @treturn[1] table snapshot
-- @treturn[2] nil, message, errno
function M.take(hook, effective, links)
  local query_flags = effective and flag.F_QUERY_EFFECTIVE or 0
  local list, message, errno = entries.query(hook, query_flags)
  local on_cgroup = not core.mprog.on_device(hook)
  if list and on_cgroup and not (links and list[1]) then
    return shape(list, effective, true)
  end
  local description = core.mprog.describe(hook)
  if errno == errors.errno.EINVAL then -- nothing else in our queries can be wrong
    return errors.fail("query", description.attach_type .. " on " .. description.where, "ENOTSUP", M.no_such_hook)
  elseif not list then
    return nil, message, errno
  end
  if not on_cgroup then
    if description.attach_type:find "^netkit_" then
      netkit.revise(hook, description, list)
    end
    return shape(list, effective, false)
  end
  local cgroups = effective and ancestry(description.cgroup_id, hook) or {description.cgroup_id}
  local attach_type = core.names.attach_type[description.attach_type]
  local nap = NAP
  for try = 1, TRIES do
    local owners, skipped, dying = core.link.on_cgroups(attach_type, unpack(cgroups))
    if not owners then
      list.links_unknown = skipped -- a message: programs are listed all the same
      break
    end
    local again
    again, message, errno = entries.query(hook, query_flags)
    if not again then
      return nil, message, errno
    end
    local still = same(list, again)
    list = again
    local unowned = assign(list, owners)
    list.skipped = skipped > 0 and skipped or nil
    if still and not (unowned and dying > 0) then
      break
    end
    list.unsettled = try == TRIES or nil
    core.clock.nap(nap)
    nap = nap * 2
  end
  return shape(list, effective, on_cgroup)
end

--- Whether a program is known to be preorder: it runs ahead of one that stands before it in the list. Alone in its list
-- it makes no difference there, and can't be told; nor can it of one that runs several times, here or by a cgroup
-- above.
function M.runs_ahead(hook, program_id)
  local list = entries.query(hook, 0)
  local effective = list and #list > 1 and entries.query(hook, flag.F_QUERY_EFFECTIVE)
  if not effective then
    return false
  end
  local place, times = {}, {}
  for index, entry in ipairs(effective) do
    place[entry.program_id] = index
    times[entry.program_id] = (times[entry.program_id] or 0) + 1
  end
  for _, entry in ipairs(list) do
    local id = entry.program_id
    if id == program_id or times[program_id] ~= 1 then
      return false
    elseif times[id] == 1 and place[program_id] < place[id] then
      return true
    end
  end
  return false
end

--- The entries of a snapshot that hold a program, by id.
function M.find(list, program_id)
  local found = {}
  for index, entry in ipairs(list) do
    if entry.program_id == program_id then
      entry.index = index
      found[#found + 1] = entry
    end
  end
  return found
end

--- The link that holds the program here; nil when none does, or when it is attached without a link as well.
function M.owner(list, program_id)
  local found = M.find(list, program_id)
  for _, entry in ipairs(found) do
    local link_id = entry.link_id
    if not link_id and entry.link_ids and #entry.link_ids >= #found then
      link_id = entry.link_ids[1]
    end
    if link_id then
      return link_id
    end
  end
end

return M
