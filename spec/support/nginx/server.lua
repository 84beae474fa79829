-- An nginx of the specs' own: a prefix that goes with it, a port on loopback, its processes and what they hold.

local lfs = require "lfs"
local socket = require "socket"
local system = require "spec.support.system"

local M = {}
local Server = {}
Server.__index = Server

local function output(command)
  local pipe = assert(io.popen("exec 2>&1; " .. command))
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

local built = false

-- Whatever runs the specs, nginx runs LuaJIT. Nothing is left to compile if `make test` has built it.
local function build()
  if not built then
    local text = output "unset MAKEFLAGS MAKELEVEL; make -s LUA=luajit DEPS=: build && echo built"
    built = text:find "built\n$" ~= nil
    assert(built, text)
  end
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
  build()
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

--- Asks for a page and waits for its first line, by which a worker has it; the function given back reads the rest.
function Server:ask(path)
  local client = assert(socket.connect("127.0.0.1", self.port))
  client:settimeout(10)
  assert(client:send(("GET %s HTTP/1.0\r\n\r\n"):format(path)))
  local status, message = client:receive "*l"
  return function()
    local text = client:receive "*a" or ""
    client:close()
    assert(status == "HTTP/1.1 200 OK", status or message)
    local generation, pid, link_id, program_id, packets = text:match "(%d+) (%d+) (%d+) (%d+) (%w+)\n$"
    assert(generation, text)
    return {
      generation = tonumber(generation), pid = tonumber(pid), link_id = tonumber(link_id),
      program_id = tonumber(program_id), packets = tonumber(packets), -- nil: the worker may not read them
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

local function sockets(pid)
  local count = 0
  for _, target in pairs(system.fds(pid)) do
    count = count + (target:find "^socket:" and 1 or 0)
  end
  return count
end

-- Of n children each has a channel of its own and one to each of the others, the master both ends of all, and whoever
-- accepts connections the listening socket. They are handed round and dropped a little after children come and go.
local function at_rest(server)
  local count, children = {}, server:children()
  local n = 0
  for _, title in pairs(children) do
    count[title], n = (count[title] or 0) + 1, n + 1
  end
  if n ~= 3 + (count["cache loader process"] or 0) or count["worker process"] ~= 2
    or count["cache manager process"] ~= 1 or sockets(server.master) ~= 1 + 2 * n then
    return false
  end
  for pid, title in pairs(children) do
    if sockets(pid) ~= n + (title == "worker process" and 1 or 0) then
      return false
    end
  end
  return true
end

--- Waits until there is one generation of processes, no connection, and no socket too many or too few.
function Server:settle()
  assert(system.eventually(function() return at_rest(self) end), "nginx's processes don't come to rest")
end

local function each_process(server, look)
  local found = {master = look(server.master)}
  for _, title in ipairs {"worker process", "cache manager process"} do
    found[title] = {}
    for i, pid in ipairs(server:pids(title)) do
      found[title][i] = look(pid)
    end
  end
  return found
end

--- What each process has open, sorted, by what the process is; sockets and pipes without their number.
function Server:held()
  return each_process(self, function(pid)
    local list = {}
    for _, target in pairs(system.fds(pid)) do
      table.insert(list, (target:gsub("%[%d+%]", "")))
    end
    table.sort(list)
    return list
  end)
end

--- The same of what is the library's alone, counted: {map = 1, link = 1, prog = 1, directory = 2}.
function Server:held_of_ours()
  return each_process(self, function(pid)
    local count = {}
    for _, target in pairs(system.fds(pid)) do
      local kind = target:match "^anon_inode:%[?bpf[-_](%a+)"
        or lfs.attributes(target, "mode") == "directory" and "directory"
      if kind then
        count[kind] = (count[kind] or 0) + 1
      end
    end
    return count
  end)
end

function Server:signal(name)
  assert(succeeds(("kill -%s %d"):format(name, self.master)))
end

--- Reloads, and asks until the new generation answers.
-- @treturn table the answers on the way
function Server:reload(generation)
  local answers = {}
  self:signal "HUP"
  assert(system.eventually(function()
    table.insert(answers, self:get())
    return answers[#answers].generation == generation
  end), "no worker of the new generation answers")
  return answers
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
