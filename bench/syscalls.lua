-- How many system calls an operation takes, by strace: the same on every machine.

local workers = require "bench.workers"

local M = {}
local FEW, MORE = 100, 1100

local function total(language, row, argument, operations)
  local path = os.tmpname()
  local command = ("echo %d | env %s > /dev/null"):format(operations,
    workers.command(language, ("strace -f -c -o %s"):format(path)) .. (" %s %s"):format(row, argument or ""))
  assert(os.execute(command), command)
  local calls = 0
  for line in io.lines(path) do
    calls = tonumber(line:match "^100%.00%s+%S+%s+%S+%s+(%d+)") or calls -- the total
  end
  os.remove(path)
  return calls
end

--- Of one language, for one row; with fractions where an operation is less than one call.
function M.count(language, row, step)
  local name = language == "c" and row.c or language ~= "c" and row.lua or row.name
  local few, more = step * (row.slow and 1 or FEW), step * (row.slow and 2 or MORE)
  return (total(language, name, row.argument, more) - total(language, name, row.argument, few)) / (more - few)
end

return M
