--- Attachments: programs attached without a link. The hook owns them: they stay when the handle is closed, and when
-- the process ends. They are made by Mprog:attach and Mprog:replace, and share the descriptors of the Program and of
-- the Mprog, which stay as long as one of them needs them: `fd` and `cloexec` are the Program's own.
-- @module ebpf.attachment

local changes = require "ebpf.changes"
local core = require "ebpf.core"
local options = require "ebpf.options"

local M = {}
local methods = core.attachment.methods
local detach = core.attachment.detach

--- Put another program in this one's place, as Mprog:replace does. The handle then stands for the new one.
-- @tparam Program program
-- @tparam[opt] table opts `revision`
-- @treturn[1] true
-- @treturn[2] nil, message, errno: ENOENT (it was detached meanwhile), EEXIST, ESTALE, EPERM
function methods:replace(program, opts)
  options.expect("attachment:replace", "self", self, "attachment")
  options.expect("attachment:replace", 1, program, "program")
  opts = options.check("attachment:replace", opts, {revision = "revision"})
  local have, message, number = changes.need_order(self, "replace", opts)
  if not have then
    return nil, message, number
  end
  local other
  other, message, number = changes.replace_on(self, self, program, opts)
  if not other then
    return nil, message, number
  end
  core.attachment.become(self, other)
  return true
end

--- Take the program off the hook. A second call does nothing.
-- @tparam[opt] table opts `revision`
-- @treturn[1] true
-- @treturn[2] nil, message, errno: ENOENT (somebody else detached or replaced it), ESTALE, EPERM
function methods:detach(opts)
  if opts == nil and detach(self) then
    return true
  end
  options.expect("attachment:detach", "self", self, "attachment")
  opts = options.check("attachment:detach", opts, {revision = "revision"})
  local _, detached = core.attachment.flags(self)
  if detached then
    return true
  end
  local have, message, number = changes.need_order(self, "detach", opts)
  if not have then
    return nil, message, number
  end
  local done
  done, message, number = changes.detach_from(self, self, opts)
  if not done then
    return nil, message, number
  end
  core.attachment.set_detached(self)
  return true
end

--- The id of the program that the handle stands for.
-- @function Attachment:program_id
-- @treturn int

return M
