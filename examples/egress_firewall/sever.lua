-- (d) The cgroup is removed: the link says that it is severed, and still answers.

local ebpf = require "ebpf"
local socket = require "socket"
local draw = require "chain".draw
local say = require "say"

local PATIENCE = 10 -- seconds; the kernel takes the programs off some time after rmdir(2)

local function report(link)
  local info = assert(link:info())
  say("link %d: alive %s, program %d, cgroup_id %s", link:id(), tostring(link:alive()), info.program_id,
    tostring(info.cgroup_id))
  return info
end

return function(demo)
  local link = assert(demo.hook:link(demo.policies[1]))
  draw(demo.hook, "a link")
  local before = report(link)

  demo.traffic:finish()
  assert(demo.stage:remove_cgroup())
  local deadline = socket.gettime() + PATIENCE
  while link:alive() and socket.gettime() < deadline do
    socket.sleep(0.01)
  end
  draw(demo.hook, "the cgroup removed")
  local after = report(link)
  local updated, message, number = link:update(demo.policies[2])
  say("link:update -> %s", updated and "true" or message)
  return before.cgroup_id == demo.stage.cgroup:id() and not link:alive() and number == ebpf.errno.ENOLINK
      and after.id == before.id and after.program_id == before.program_id and after.cgroup_id == 0,
    ("removal: link %d is severed, update gives %s, and id and info still answer"):format(link:id(),
      updated and "no error" or ebpf.errno[number])
end
