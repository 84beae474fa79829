-- Network devices and namespaces for specs. Each goes with the world that it was made for.

local lfs = require "lfs"
local system = require "spec.support.system"

local M = {}
local serial = 0

local function run(command)
  return system.succeeds(command .. " >/dev/null 2>&1")
end

local function forget(name)
  return {close = function() run("ip link del " .. name) end}
end

--- A pair of veth devices, up: both names. nil where this kernel has none.
function M.veth(world)
  serial = serial + 1
  local a, b = ("ve%da"):format(serial), ("ve%db"):format(serial)
  if not run(("ip link add %s type veth peer name %s"):format(a, b)) then
    return nil
  end
  world:keep(forget(a))
  assert(run(("ip link set %s up && ip link set %s up"):format(a, b)))
  return a, b
end

--- A network namespace that a process of its own keeps: {pid =, path =, close =}, its loopback up.
function M.namespace(world)
  local pipe = assert(io.popen "echo $$; exec unshare --net sh -c 'ip link set lo up; exec sleep 1000'")
  local pid = tonumber(pipe:read "*l")
  local own = lfs.symlinkattributes("/proc/self/ns/net", "target")
  local namespace = {pid = pid, path = ("/proc/%d/ns/net"):format(pid)}
  function namespace.close()
    if pid then
      os.execute(("kill -KILL %d"):format(pid))
      pipe:close()
      pid = nil
    end
  end
  assert(system.eventually(function()
    local target = lfs.symlinkattributes(namespace.path, "target")
    return target and target ~= own
  end))
  return world:keep(namespace)
end

--- The number that a link's info tells as netns_ino.
function M.inode(path)
  return tonumber(lfs.symlinkattributes(path, "target"):match "%d+")
end

--- Sends and receives one datagram at a time over loopback.
-- @treturn function whether the next one comes through
function M.line(world)
  local receiver, port = world:receiver()
  local sender = world:receiver()
  receiver:settimeout(0.2)
  return function()
    assert(sender:sendto("x", "127.0.0.1", port))
    return receiver:receive() ~= nil
  end
end

--- Sends a datagram through loopback and tells whether it arrives.
function M.passes(world)
  return M.line(world)()
end

return M
