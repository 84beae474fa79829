-- Draws what runs on a hook, in the order in which a packet meets it.

local ebpf = require "ebpf"

local M = {}

local function name_of(program_id)
  local program = ebpf.program.from_id(program_id)
  local name = program and program:info().name or "?"
  if program then
    program:close()
  end
  return name
end

-- A link on its way out can't be opened any more, while its program still runs: then "no link" would be a guess.
local function owner_of(entry, list)
  if entry.link_id then
    return "link " .. entry.link_id
  end
  local unknown = entry.link_ids or list.skipped or list.links_unknown
  return unknown and "link ?" or "no link"
end

local function boxes(list)
  local rows = {{}, {}, {}}
  for position, entry in ipairs(list) do
    local cells = {position .. " " .. name_of(entry.program_id), "program " .. entry.program_id, owner_of(entry, list)}
    for row, text in ipairs(cells) do
      rows[row][position] = ("| %-12s |"):format(text)
    end
  end
  return {
    "packet -> " .. table.concat(rows[1], " -> ") .. " -> out",
    "          " .. table.concat(rows[2], "    "),
    "          " .. table.concat(rows[3], "    "),
  }
end

--- Print a hook's programs.
-- @tparam Mprog hook
-- @string moment what has just happened
function M.draw(hook, moment)
  local list, message = hook:query()
  if not list then
    print(("    %s\n      no chain: %s"):format(moment, message))
    return
  end
  local revision = list.revision and "revision " .. list.revision or "no revisions in this kernel"
  print(("    %s  [%s, %s]"):format(moment, list.mode and "mode " .. list.mode or "no mode yet", revision))
  if #list == 0 then
    print "      packet -> (nothing attached) -> out"
    return
  end
  for _, line in ipairs(boxes(list)) do
    print("      " .. line)
  end
end

return M
