-- Where the demo happens: a cgroup of its own, a directory for pins, child processes. clear() takes all of it away.

local ebpf = require "ebpf"

local M = {}
local stage = {}
stage.__index = stage

local BPFFS = "/sys/fs/bpf"

local function quoted(words)
  local result = {}
  for index, word in ipairs(words) do
    result[index] = "'" .. tostring(word):gsub("'", [['\'']]) .. "'"
  end
  return table.concat(result, " ")
end

local function run(...)
  local result = os.execute(quoted {...})
  return result == true or result == 0
end

local function output_of(command)
  local pipe = assert(io.popen(command))
  local line = pipe:read "*l"
  pipe:close()
  return line
end

local function interpreter()
  local index = -1
  while arg[index - 1] do
    index = index - 1
  end
  return arg[index]
end

-- The usual bpffs, or one of our own in a temporary directory.
local function bpffs(self)
  local probe = ebpf.pin.at(BPFFS .. "/probe")
  if probe then
    probe:close()
    return BPFFS
  end
  self.mount = output_of "mktemp -d"
  assert(ebpf.pin.mount(self.mount))
  return self.mount
end

--- A stage that is still empty.
-- @string here the directory of the demo's scripts, ending in a slash
function M.new(here)
  return setmetatable({here = here, children = {}}, stage)
end

--- Make the cgroup and the place for pins.
function stage:set()
  local name = "lua-ebpf-demo-" .. io.open "/proc/self/stat":read "*n" -- the first field is our process id
  local root = assert(ebpf.cgroup.mountpoint(), "no cgroup2 is mounted here")
  local path = root .. "/" .. name
  assert(run("mkdir", path), "cannot make a cgroup: are you root?")
  self.cgroup_path = path
  self.pins = bpffs(self) .. "/" .. name
  self.pin_path = self.pins .. "/policy"
  self.cgroup = assert(ebpf.cgroup.open(path))
  self.hook = assert(self.cgroup:mprog "cgroup_inet_egress")
end

--- Start a script of the demo's, on the interpreter that runs this one.
-- @treturn table `id` of the process, `output` to read from
function stage:start(script, ...)
  local command = quoted {interpreter(), self.here .. script, ...}
  local output = assert(io.popen("echo $$; exec " .. command))
  local child = {id = output:read "*n", output = output}
  output:read "*l"
  self.children[child] = true
  return child
end

--- Wait until a child has ended.
function stage:wait(child)
  child.output:close()
  self.children[child] = nil
end

--- kill -9, and wait.
function stage:kill(child)
  run("kill", "-9", child.id)
  self:wait(child)
end

--- Remove the cgroup, which must be empty of processes.
function stage:remove_cgroup()
  local path = self.cgroup_path
  self.cgroup_path = nil
  return os.remove(path) -- remove(3): rmdir(2) for a directory
end

--- Take away whatever set() and start() have made.
function stage:clear()
  for child in pairs(self.children) do
    self:kill(child)
  end
  if self.pins then
    os.remove(self.pin_path)
    os.remove(self.pins)
  end
  if self.cgroup_path then
    self:remove_cgroup()
  end
  if self.mount then
    collectgarbage() -- a Pin that a failure left open keeps the mount busy
    run("umount", self.mount)
    os.remove(self.mount)
  end
end

return M
