-- Links on sockmaps: ebpf.link.sockmap, documented in link.lua.

local core = require "ebpf.core"
local errors = require "ebpf.errors"
local features = require "ebpf.features"
local holders = require "ebpf.holders"
local options = require "ebpf.options"
local origin = require "ebpf.origin"

local M = {}
local attach_types = {"sk_msg_verdict", "sk_skb_verdict", "sk_skb_stream_verdict", "sk_skb_stream_parser"}
local map_types = {sockmap = true, sockhash = true}

local reasons = {}

function reasons.EBUSY(context)
  local link = holders.name(holders.links {type = "sockmap", map_id = context.map:id(),
    attach_type = context.attach_type})
  return link and ("%s holds this place: use link:update"):format(link)
    or "another program has this place, or one that excludes it (sk_skb_verdict and sk_skb_stream_verdict)"
end

function reasons.EINVAL(context)
  local have, message, number = features.need("sockmap_link", "link sockmap", context.subject)
  if have == nil then
    return nil, message, number
  end
  local map, program = context.map:info(), context.program:info()
  if map and not map_types[map.type] then
    return ("the map is of type %s, and such programs go on sockmap and sockhash"):format(map.type)
  end
  if program and context.attach_type:sub(1, #program.type) ~= program.type then
    return ("the program is of type %s, and %s takes %s"):format(program.type, context.attach_type,
      context.attach_type:match "^sk_%a+")
  end
end

function M.link(map, program, opts)
  local what = "link.sockmap"
  options.expect(what, 1, map, "map")
  options.expect(what, 2, program, "program")
  opts = options.check(what, opts, {attach_type = "string"})
  local attach_type = options.one_of(what, "attach_type", opts.attach_type or "sk_msg_verdict", attach_types)
  local subject = ("%s on map %d"):format(attach_type, map:id() or 0)
  local link, message, number = core.link_create.on("link sockmap", subject, program,
    core.names.attach_type[attach_type], map:fd())
  if link then
    origin.note(link)
    return link
  end
  local reason = reasons[errors.errno[number]]
  local why, other, other_number
  if reason then
    why, other, other_number = reason {map = map, program = program, attach_type = attach_type, subject = subject}
  end
  if other then
    return nil, other, other_number
  elseif why then
    return errors.fail("link sockmap", subject, number, why)
  end
  return nil, message, number
end

return M
