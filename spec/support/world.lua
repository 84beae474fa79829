-- A world for one test: cgroups, programs, pins, sockets; finish() takes all of it down and asks whether anything
-- is left.

local asm = require "spec.support.asm"
local busted = require "busted"
local ebpf = require "ebpf"
local lfs = require "lfs"
local socket = require "socket"
local system = require "spec.support.system"

local M = {}
local World = {}
World.__index = World

--- The directory that all cgroups of the specs are under.
function M.cgroup_root()
  return os.getenv "EBPF_TEST_CGROUP" or ebpf.cgroup.mountpoint()
end

--- A bpffs of the specs' own, in the VM or in their mount namespace.
function M.bpffs()
  return os.getenv "EBPF_TEST_BPFFS" or ebpf.pin.mountpoint()
end

function M.new()
  local world = setmetatable({handles = {}, directories = {}, pins = {}, sockets = {}, serial = 0}, World)
  collectgarbage()
  collectgarbage()
  world.fds = system.fds()
  return world
end

--- Closes it at the end. Gives it back, or raises if it is a failure.
function World:keep(handle, message)
  assert(handle, message)
  table.insert(self.handles, handle)
  return handle
end

local names = 0 -- over all worlds: what one test leaves behind must not be in the next one's way

function World.name()
  names = names + 1
  return ("spec%d_%d"):format(system.pid(), names)
end

--- A new cgroup, below another one if that is given.
function World:cgroup(parent)
  local path = (parent and parent:path() or M.cgroup_root()) .. "/" .. self:name()
  assert(lfs.mkdir(path))
  table.insert(self.directories, path)
  return self:keep(ebpf.cgroup.open(path))
end

function World.remove_cgroup(_, cgroup)
  assert(lfs.rmdir(cgroup:path()))
end

function World:hook(attach_type, cgroup)
  return self:keep((cgroup or self:cgroup()):mprog(attach_type or "cgroup_inet_egress"))
end

--- A cgroup_skb program that gives a verdict (default 1: pass), different from all others.
function World:program(verdict, spec)
  self.serial = self.serial + 1
  spec = spec or {}
  spec.type = spec.type or "cgroup_skb"
  spec.insns = spec.insns or asm.verdict(verdict or 1, self.serial)
  spec.name = spec.name or ("p" .. self.serial)
  return self:keep(ebpf.program.load(spec))
end

function World:programs(count, verdict)
  local list = {}
  for i = 1, count do
    list[i] = self:program(verdict)
  end
  return (table.unpack or unpack)(list) -- luacheck: ignore
end

--- An array of u64 of one element, for programs that count.
function World:cell()
  return self:keep(ebpf.map.create{type = "array", key_size = 4, value_size = 8, max_entries = 1, name = "cell"})
end

--- Programs that each append their digit to the cell: the order in which they run, as a number.
function World:markers(cell, count, first)
  local list = {}
  for i = 1, count do
    list[i] = self:program(nil, {insns = asm.mark(cell:fd(), i + (first or 1) - 1, 1)})
  end
  return (table.unpack or unpack)(list) -- luacheck: ignore
end

--- A free name in the specs' bpffs.
function World:pin_path(name)
  local path = M.bpffs() .. "/" .. (name or self:name())
  table.insert(self.pins, path)
  return path
end

function World:pin(name)
  return self:keep(ebpf.pin.at(self:pin_path(name)))
end

--- A UDP socket that belongs to the cgroup: made while this process is in it (udp4, because udp makes it later).
function World:sender(cgroup)
  local home = system.read "/proc/self/cgroup":match "0::(%S*)"
  local procs = cgroup:path() .. "/cgroup.procs"
  assert(system.write(procs, "0"))
  local udp = assert(socket.udp4())
  local mountpoint = ebpf.cgroup.mountpoint()
  system.write(mountpoint .. home .. "/cgroup.procs", "0")
  table.insert(self.sockets, udp)
  return udp
end

--- A UDP socket on loopback: socket, port. `received` reads what has arrived by now.
function World:receiver()
  local udp = assert(socket.udp4())
  assert(udp:setsockname("127.0.0.1", 0))
  udp:settimeout(0)
  table.insert(self.sockets, udp)
  local _, port = udp:getsockname()
  return udp, tonumber(port)
end

function M.received(udp)
  local count = 0
  while udp:receive() do
    count = count + 1
  end
  return count
end

local function differing(before, after)
  local lines = {}
  for number, target in pairs(after) do
    if before[number] ~= target then
      lines[#lines + 1] = ("  %d -> %s"):format(number, target)
    end
  end
  return table.concat(lines, "\n")
end

--- Takes everything down. An open descriptor that wasn't there before is a failure of the test.
function World:finish()
  for i = #self.handles, 1, -1 do
    self.handles[i]:close()
  end
  for _, udp in ipairs(self.sockets) do
    udp:close()
  end
  for _, path in ipairs(self.pins) do
    os.remove(path)
  end
  for i = #self.directories, 1, -1 do
    if system.exists(self.directories[i]) then
      assert(lfs.rmdir(self.directories[i]))
    end
  end
  local leaked = differing(self.fds, system.fds())
  if leaked ~= "" then
    error("descriptors left open:\n" .. leaked, 0)
  end
end

--- Calls describe with a fresh world for each test.
-- @string name
-- @function body called with a function that gives the world
function M.describe(name, body)
  busted.describe(name, function()
    local world
    busted.before_each(function() world = M.new() end)
    busted.after_each(function() world:finish() end)
    body(function() return world end)
  end)
end

--- Skips the test that runs, for a reason. busted gives `pending` to the spec files alone: helper.lua passes it on.
M.skip = nil

local function gated(wanted, word)
  return function(feature, name, body)
    busted.it(name, function()
      if ebpf.features()[feature].supported ~= wanted then
        M.skip(("probe %s: %s"):format(word, feature))
      end
      body()
    end)
  end
end

--- A test for kernels that have a feature; elsewhere it is skipped, naming the probe.
-- @string feature
-- @string name
-- @function body
M.it_needs = gated(true, "absent")

--- A test for kernels that lack it.
M.it_lacks = gated(false, "present")

return M
