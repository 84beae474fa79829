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

--- Note where a link was made: where the function that calls this was called. Not to be called as a tail call, which
-- would take that function off the stack.
-- @tparam Link link
function M.note(link)
  if on then
    core.link.set_origin(link, debug.traceback("", 3))
  end
end

return M
