-- Programs attached without a link, and the list of what is attached: see hooks.c.

local place = require "bench.place"

local M = {}

local function hook_of(entries)
  local hook = place.busy_hook()
  for salt = 1, entries do
    place.keep(hook:attach(place.program(salt)))
  end
  return hook
end

function M.attach_detach(entries)
  local hook, program = hook_of(entries or 0), place.program(0)
  return function(count)
    for _ = 1, count do
      local attachment = assert(hook:attach(program))
      assert(attachment:detach())
      attachment:close()
    end
  end
end

function M.query(entries)
  local hook = hook_of(entries)
  local opts = {links = false}
  return function(count)
    for _ = 1, count do
      assert(#assert(hook:query(opts)) == entries)
    end
  end
end

return M
