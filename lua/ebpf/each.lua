-- Walking the kernel's objects by id: one iterator for programs, maps and links.

local M = {}

-- Lua 5.4 closes the fourth value of a generic for, so that a loop left early leaves nothing behind.
local closing = {__close = function(walk) walk.done = true end}

--- An iterator over the objects of one kind, in order of id.
-- The handle is lent: it is closed when the loop asks for the next one. Leave the loop to keep the one in hand, or
-- open your own with from_id.
-- @tparam table functions of ebpf.core: next
-- @tparam[opt] function wanted called with the handle: whether to yield it
-- @return what a generic for takes: function, state, nil, state; state.skipped counts those that could not be opened
function M.walk(functions, wanted)
  local walk = setmetatable({skipped = 0}, closing)
  local step_to, id, lent, dense = functions.next, 0, nil, false
  local function step()
    while not walk.done do
      local handle, skipped, number, next_number = step_to(id, lent, dense)
      if handle == nil then
        error(skipped, 2) -- a message: what can't be walked at all must not look like an empty system
      end
      walk.skipped = walk.skipped + skipped
      id, lent, dense = number, handle or nil, next_number
      if not handle then
        walk.done = true
      elseif not wanted or wanted(handle) then
        return handle
      end
    end
    if lent then
      lent:close()
      lent = nil
    end
  end
  return step, walk, nil, walk
end

return M
