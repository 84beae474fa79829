-- An nginx of the specs' own: a prefix that goes with it, a port on loopback, its processes and what they hold.

local lfs = require "lfs"
local socket = require "socket"
local system = require "spec.support.system"

local M = {}
local Server = {}
Server.__index = Server

local function output(command)
  local pipe = assert(io.popen(command .. " 2>&1"))
  local text = pipe:read "*a"
  pipe:close()
  return text
end

local function succeeds(command)
  local done = os.execute(command)
  return done == true or done == 0
end

local function modules_path()
  return output "nginx -V":match "%-%-modules%-path=(%S+)"
end

-- Whatever runs the specs, nginx runs LuaJIT. `make` calls this one: none of its own variables shall come with it.
local function build()
  local text = output "env -u MAKEFLAGS -u MAKELEVEL make -s LUA=luajit DEPS=: build; echo $?"
  return text:match "^0\n" ~= nil, text
end

--- What is missing here to run it, or nil.
function M.missing()
  if not succeeds "command -v nginx > /dev/null" then
    return "nginx is not installed"
  end
  if not system.exists((modules_path() or "") .. "/ngx_http_lua_module.so") then
    return "nginx has no Lua module here (libnginx-mod-http-lua)"
  end
  if not succeeds "pkg-config --exists luajit" then
    return "the headers of LuaJIT are not installed, which nginx runs"
  end
end

local function free_port()
  local listener = assert(socket.bind("127.0.0.1", 0))
  local _, port = listener:getsockname()
  listener:close()
  return tonumber(port)
end

local function load_modules()
  local lines = {}
  for _, name in ipairs {"ndk_http_module", "ngx_http_lua_module"} do
    local path = ("%s/%s.so"):format(modules_path(), name)
    if system.exists(path) then
      table.insert(lines, ("load_module %s;"):format(path))
    end
  end
  return table.concat(lines, "\n")
end

local function write_conf(server, key)
  local options = server.options
  local words = {
    modules = load_modules(), prefix = server.prefix, port = server.port, tree = lfs.currentdir(),
    cgroup = options.cgroup:path(), link = options.link, map = options.map,
    keep_open = tostring(options.keep_open or false), key = key,
  }
  local template = assert(system.read "spec/support/nginx/nginx.conf")
  system.write(server.prefix .. "/nginx.conf", (template:gsub("@([a-z_]+)@", words)))
end

--- Starts nginx in a cgroup.
-- @tparam table options cgroup; link, map: paths of its pins; keep_open: see policy.lua
function M.start(options)
  local built, text = build()
  assert(built, text)
  local prefix = os.tmpname()
  os.remove(prefix)
  assert(lfs.mkdir(prefix))
  local server = setmetatable({prefix = prefix, port = free_port(), options = options}, Server)
  write_conf(server, "$remote_addr")
  local said = output(("echo 0 > %s/cgroup.procs && exec nginx -p %s -e %s/error.log -c %s/nginx.conf"):format(
    options.cgroup:path(), prefix, prefix, prefix))
  server.master = system.eventually(function() return tonumber(system.read(prefix .. "/pid") or "") end)
  assert(server.master, said .. server:log())
  return server
end

function Server:log()
  return system.read(self.prefix .. "/error.log") or ""
end

--- Asks for a page without waiting for it; the function that is given back reads it.
function Server:ask(path)
  local client = assert(socket.connect("127.0.0.1", self.port))
  client:settimeout(10)
  assert(client:send(("GET %s HTTP/1.0\r\n\r\n"):format(path)))
  return function()
    local text, message = client:receive "*a"
    client:close()
    assert(text, message)
    local generation, pid, link_id, program_id, packets = text:match
      "^HTTP/1.1 200 .*\n(%d+) (%d+) (%d+) (%d+) (%d+)\n$"
    assert(generation, text)
    return {
      generation = tonumber(generation), pid = tonumber(pid), link_id = tonumber(link_id),
      program_id = tonumber(program_id), packets = tonumber(packets),
    }
  end
end

--- What a worker answers.
function Server:get(path)
  return self:ask(path or "/")()
end

local function alive(pid)
  local stat = system.read(("/proc/%d/stat"):format(pid))
  return stat ~= nil and not stat:find(") Z ", 1, true)
end

--- The master's children by pid: {[pid] = "worker process" | "cache manager process" | …}.
function Server:children()
  local found = {}
  local pids = system.read(("/proc/%d/task/%d/children"):format(self.master, self.master)) or ""
  for pid in pids:gmatch "%d+" do
    local title = system.read(("/proc/%s/cmdline"):format(pid)) or ""
    found[tonumber(pid)] = title:match "^nginx: ([%a ]+)"
  end
  return found
end

--- The pids of the children that are this.
function Server:pids(title)
  local found = {}
  for pid, name in pairs(self:children()) do
    if name == title then
      table.insert(found, pid)
    end
  end
  table.sort(found)
  return found
end

--- Waits until there is one generation of processes, all of them at work.
function Server:settle()
  local expected = {["worker process"] = 2, ["cache manager process"] = 1, ["cache loader process"] = 1}
  assert(system.eventually(function()
    local count = {}
    for _, title in pairs(self:children()) do
      count[title] = (count[title] or 0) + 1
    end
    for title, wanted in pairs(expected) do
      if count[title] ~= wanted then
        return false
      end
      count[title] = nil
    end
    return next(count) == nil
  end), "nginx's processes don't come to rest")
end

--- What a process holds, sorted; sockets and pipes without their number.
function M.held(pid)
  local list = {}
  for _, target in pairs(system.fds(pid)) do
    table.insert(list, (target:gsub("%[%d+%]", "")))
  end
  table.sort(list)
  return list
end

function Server:signal(name)
  assert(succeeds(("kill -%s %d"):format(name, self.master)))
end

--- Reloads with a configuration that nginx gives up after init_by_lua has run, and waits until it has.
function Server:refused_reload()
  write_conf(self, "$request_uri")
  self:signal "HUP"
  assert(system.eventually(function() return self:log():find("[emerg]", 1, true) end), "nginx took it")
end

--- Ends it, gracefully: true once no process is left.
function Server:quit()
  local pids = {[self.master] = "master"}
  for pid in pairs(self:children()) do
    pids[pid] = "child"
  end
  self:signal "QUIT"
  return system.eventually(function()
    for pid in pairs(pids) do
      if alive(pid) then
        return false
      end
    end
    return true
  end)
end

--- For World:keep: whatever state it is in, nothing of it stays.
function Server:close()
  if alive(self.master) then
    for pid in pairs(self:children()) do
      succeeds(("kill -KILL %d"):format(pid))
    end
    self:signal "KILL"
    system.eventually(function() return not alive(self.master) end)
  end
  succeeds(("rm -rf %s"):format(self.prefix))
end

return M
