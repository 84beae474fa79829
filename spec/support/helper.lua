-- Runs before the specs: what holds for the whole suite. A link that is collected while attached; a descriptor,
-- link, program, map, pin or cgroup that is left at the end: each is an error of the suite.

local busted = require "busted"
local ebpf = require "ebpf"
local lfs = require "lfs"
local system = require "spec.support.system"
local world = require "spec.support.world"

require "spec.support.matchers"
math.randomseed(os.time())

local function complain(message)
  busted.publish({"error"}, {descriptor = "suite", name = "the suite", attributes = {}}, nil, message, {})
end

local function collected(id, hook, made)
  complain(("link %d on %s was collected while attached %s"):format(id, hook, made))
end

busted.subscribe({"test", "start"}, function(element)
  world.skip = element.env.pending
  return nil, true
end, {priority = 1})

local M = {}

--- Hear of lost links again, after a spec that listened itself.
function M.listen()
  ebpf.on_collect(collected)
end

M.listen()
ebpf.trace(true)
package.loaded["spec.support.helper"] = M

local function ids(kind)
  local found = {}
  for thing in ebpf[kind].each() do
    found[thing:id()] = true
  end
  return found
end

local function entries(directory)
  local found = {}
  for name in lfs.dir(directory) do
    local path = directory .. "/" .. name
    if name ~= "." and name ~= ".." and (lfs.attributes(path, "mode") == "directory" or not name:find "%.") then
      found[path] = true
    end
  end
  return found
end

local function additions(before, after)
  local names = {}
  for key in pairs(after) do
    if before[key] == nil then
      names[#names + 1] = tostring(key)
    end
  end
  return table.concat(names, ", ")
end

local function inventory()
  return {
    descriptors = system.fds(), links = ids "link", programs = ids "program", maps = ids "map",
    pins = entries(world.bpffs()), cgroups = entries(world.cgroup_root()),
  }
end

local before = inventory()

busted.subscribe({"suite", "end"}, function()
  collectgarbage()
  collectgarbage()
  local left
  system.eventually(function() -- programs are freed a grace period later; and others may be at work on this machine
    collectgarbage() -- what a weak table holds goes some collections after its key
    left = {}
    for what, now in pairs(inventory()) do
      local names = additions(before[what], now)
      if names ~= "" then
        left[#left + 1] = what .. " left at the end of the suite: " .. names
      end
    end
    return #left == 0
  end)
  for _, message in ipairs(left) do
    complain(message)
  end
  return nil, true
end, {priority = 1})
