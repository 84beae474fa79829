-- Where links are made, remembered for on_collect while ebpf.trace is on.

local core = require "ebpf.core"
local options = require "ebpf.options"

local M = {}
local on = false

--- Remember where links are made, for on_collect: costs a traceback a link.
-- @bool value
function M.trace(value)
  options.expect("trace", 1, value, "boolean")
  on = value
end

--- The link, its origin noted.
-- @tparam Link link
-- @int[opt=3] level of the stack that is the caller's
function M.note(link, level)
  if on then
    core.link.set_origin(link, debug.traceback("", level or 3))
  end
  return link
end

return M
