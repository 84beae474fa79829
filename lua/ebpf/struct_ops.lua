-- Links of struct_ops maps: ebpf.link.auto, documented in link.lua.

local core = require "ebpf.core"
local errors = require "ebpf.errors"
local features = require "ebpf.features"
local origin = require "ebpf.origin"

local M = {}
local FOR_LINKS = core.abi.constants.F_LINK

--- To be called before an Object is loaded: its struct_ops maps are made for links, if this kernel has these.
function M.prepare(object)
  if core.struct_ops.count(object) > 0 and features.have "struct_ops_link" then
    core.struct_ops.want_links(object)
  end
end

function M.link(map, opts)
  local info, message, number = map:info()
  if not info then
    return nil, message, number
  end
  local subject = ("map %d (%s)"):format(info.id, info.name)
  local option = next(opts)
  if option then
    return errors.fail("link struct_ops", subject, "EINVAL",
      ("'%s' is for iterators, and this is a map"):format(option))
  elseif info.type ~= "struct_ops" then
    return errors.fail("link struct_ops", subject, "EINVAL", ("the map is of type %s"):format(info.type))
  end
  local have
  have, message, number = features.need("struct_ops_link", "link struct_ops", subject)
  if not have then
    return nil, message, number
  elseif math.floor(info.flags / FOR_LINKS) % 2 == 0 then
    return errors.fail("link struct_ops", subject, "EINVAL", "the map was not made for links (BPF_F_LINK)")
  end
  local link
  link, message, number = core.struct_ops.link(subject, map)
  if not link then
    return nil, message, number
  end
  origin.note(link)
  return link
end

return M
