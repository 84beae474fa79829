-- What the specs ask of the machine: descriptors, processes, files, sockets.

local lfs = require "lfs"
local socket = require "socket"

local M = {}

function M.pid()
  local file = assert(io.open "/proc/self/stat")
  local pid = file:read "*a":match "^%d+"
  file:close()
  return tonumber(pid)
end

--- Descriptors of a process and what they are: {[number] = target}; without the one that lists them.
function M.fds(pid)
  local directory = ("/proc/%d/fd"):format(pid or M.pid())
  local found = {}
  for name in lfs.dir(directory) do
    local target = tonumber(name) and lfs.symlinkattributes(directory .. "/" .. name, "target")
    if target and target ~= directory then
      found[tonumber(name)] = target
    end
  end
  return found
end

function M.count_fds(pid)
  local count = 0
  for _ in pairs(M.fds(pid)) do
    count = count + 1
  end
  return count
end

function M.write(path, text)
  local file = assert(io.open(path, "w"))
  file:setvbuf "no"
  local done, message = file:write(text)
  file:close()
  return done, message
end

function M.read(path)
  local file = io.open(path)
  local text = file and file:read "*a"
  if file then
    file:close()
  end
  return text
end

function M.exists(path)
  return lfs.symlinkattributes(path) ~= nil
end

--- The interpreter that runs the specs.
function M.interpreter()
  return lfs.symlinkattributes("/proc/self/exe", "target") or "/proc/self/exe"
end

--- Whether a shell command exits with 0; Lua 5.1 and 5.2 ff. tell differently.
function M.succeeds(command)
  local result = os.execute(command)
  return result == true or result == 0
end

local function quoted(text)
  return "'" .. text:gsub("'", "'\\''") .. "'"
end

--- Lua code as a file that any user may read, for the caller to remove: its path.
function M.script(code)
  local path = os.tmpname()
  M.write(path, code)
  os.execute("chmod 644 " .. path)
  return path
end

--- Runs Lua code in another process of the same interpreter and gives what it printed, and stderr.
-- @string code
-- @string[opt] prefix words before the interpreter, as "setpriv --reuid=65534"
function M.lua(code, prefix)
  local path = M.script(code)
  local pipe = assert(io.popen(("%s %s %s 2>&1"):format(prefix or "", quoted(M.interpreter()), path)))
  local output = pipe:read "*a"
  pipe:close()
  os.remove(path)
  return (output:gsub("%s+$", ""))
end

--- Starts Lua code in another process, which goes on: {pid =, line = reads what it prints, kill =, close =}.
function M.start(code)
  local path = M.script(code)
  local pipe = assert(io.popen(("echo $$; exec %s %s"):format(quoted(M.interpreter()), path)))
  local process = {pid = tonumber(pipe:read "*l")}
  function process.line()
    return pipe:read "*l"
  end
  function process.close()
    os.remove(path)
    pipe:close()
  end
  function process.kill(signal)
    os.execute(("kill -%s %d"):format(signal or "KILL", process.pid))
    process.close()
  end
  return process
end

--- Calls until it gives something true, for what the kernel does a little later; for twenty seconds at most.
function M.eventually(check)
  local deadline = socket.gettime() + 20
  local result
  repeat
    result = check()
    if not result then
      socket.sleep(0.01)
    end
  until result or socket.gettime() > deadline
  return result
end

return M
