-- The processes that measure: each does one row, and waits for its turn while others are measured.

local M = {}
local Worker = {}
Worker.__index = Worker

--- The environment and the command that run a script, within a wrapper (strace) if one is given.
function M.interpreter(name, wrapper)
  return ("LUA_PATH='lua/?.lua;lua/?/init.lua;;' LUA_CPATH='build/%s/?.so;;' %s %s"):format(name, wrapper or "", name)
end

--- The command of a worker, for env(1); a row and its argument go after it.
function M.command(language, wrapper)
  if language == "c" then
    return (wrapper or "") .. " build/bench/libbpf"
  end
  return M.interpreter(language, wrapper) .. " bench/worker.lua"
end

-- All on one CPU, which they take turns on: what one finds in its caches is what the others found.
local function pinned(command)
  return "exec env " .. (M.cpu and ("taskset -c %d env "):format(M.cpu) or "") .. command
end

--- Starts a worker of "c", "lua5.4" or "luajit", within a wrapper (perf) if one is given; nil if it doesn't have the
-- row.
function M.start(language, row, argument, wrapper)
  local answers = os.tmpname()
  os.remove(answers)
  assert(os.execute("mkfifo " .. answers))
  local command = ("%s %s %s > %s"):format(M.command(language, wrapper), row, argument or "", answers)
  local input = assert(io.popen(pinned(command), "w"))
  local output = assert(io.open(answers, "r"))
  os.remove(answers)
  input:setvbuf "line"
  local state = output:read "*l"
  if state == "ready" then
    return setmetatable({input = input, output = output, language = language, row = row}, Worker)
  end
  output:close()
  assert(input:close() and state == "absent", ("%s can't prepare %s"):format(language, row))
end

--- Does it so many times; nanoseconds for all of them.
function Worker:go(count)
  self.input:write(("%d\n"):format(count))
  local took = tonumber(self.output:read "*l")
  return assert(took, ("%s broke off at %s"):format(self.language, self.row))
end

function Worker:stop()
  self.input:close()
  self.output:close()
end

return M
