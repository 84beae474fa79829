-- Runs before the specs: what holds for the whole suite. A link that is collected while attached, a descriptor, link, pin
-- or cgroup that is left at the end: each is an error of the suite.

local busted = require "busted"
local ebpf = require "ebpf"
local lfs = require "lfs"
local socket = require "socket"
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

ebpf.on_collect(collected)
ebpf.trace(true)

local function link_ids()
  local ids = {}
  for link in ebpf.link.each() do
    ids[link:id()] = link:info().type
  end
  return ids
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

local bpffs = world.bpffs()
local before = {
  ["descriptors"] = system.fds(), ["links"] = link_ids(), ["pins"] = entries(bpffs),
  ["cgroups"] = entries(world.cgroup_root()),
}

busted.subscribe({"suite", "end"}, function()
  collectgarbage()
  collectgarbage()
  socket.sleep(0.05)
  local after = {
    ["descriptors"] = system.fds(), ["links"] = link_ids(), ["pins"] = entries(bpffs),
    ["cgroups"] = entries(world.cgroup_root()),
  }
  for what, old in pairs(before) do
    local left = additions(old, after[what])
    if left ~= "" then
      complain(("%s left at the end of the suite: %s"):format(what, left))
    end
  end
  return nil, true
end, {priority = 1})
