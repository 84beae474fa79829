-- The revision of a netkit's list. The kernel counts it as long as the device lives, but says 1 while the list is
-- empty, and refuses 1 with ESTALE if it isn't (drivers/net/netkit.c, netkit_prog_query, netkit_prog_attach; seen on
-- 6.12 and 7.2).

local core = require "ebpf.core"
local errors = require "ebpf.errors"

local M = {}
local TRIES = 65536 -- some 100 ms of refused calls

-- Hook -> the last revision seen: counting goes on from there.
local seen = setmetatable({}, {__mode = "k"})

-- nil, errno where nothing between the two is it, or nothing could be tried.
local function search(description, first, last)
  return core.probe.revision(core.names.program_type.sched_cls, core.names.attach_type[description.attach_type],
    description.ifindex, first, last)
end

--- Sets the revision of a list as it was queried; or, where it can't be found, revision_unknown, a message.
function M.revise(hook, description, list)
  local number
  if #list == 0 then
    local first = seen[hook] or 1
    list.revision, number = search(description, first, first + TRIES)
    if number == errors.errno.ESTALE and first > 1 then
      list.revision, number = search(description, 1, first) -- another device has got the index
    end
  end
  seen[hook] = list.revision or seen[hook]
  if number then
    list.revision_unknown = select(2, errors.fail("revision", description.attach_type .. " on " .. description.where,
      number, "the kernel hides the revision of an empty netkit hook, and it could not be found by trying"))
  end
end

return M
