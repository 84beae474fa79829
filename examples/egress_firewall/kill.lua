-- (c) The process that owns the links is killed: what it pinned stays, and another process takes it over.

local ebpf = require "ebpf"
local socket = require "socket"
local draw = require "chain".draw
local say = require "say"

local BURST = 100 -- datagrams
local PATIENCE = 5 -- seconds for the kernel to release what the dead process held

local function await_length(hook, length)
  local deadline = socket.gettime() + PATIENCE
  while #assert(hook:query{links = false}) > length and socket.gettime() < deadline do
    socket.sleep(0.01)
  end
  return assert(hook:query())
end

local function burst(demo, port)
  local tally = demo.traffic:burst(BURST, port)
  say("port %d, sent %d: refused %d, arrived %d", port, tally.sent, tally.refused, tally.arrived)
  return tally
end

return function(demo)
  local hook, port, other_port = demo.hook, demo.traffic.port, demo.traffic.other_port
  local path = demo.stage.pin_path
  local owner = demo.stage:start("owner.lua", demo.stage.cgroup_path, demo.object_path, port, path)
  local pinned, unpinned = owner.output:read("*n", "*n")
  assert(unpinned, "the owner did not start")
  draw(hook, ("process %d has attached both, and pinned link %d"):format(owner.id, pinned))
  local owned = burst(demo, port)

  demo.stage:kill(owner)
  local left = await_length(hook, 1)
  draw(hook, ("after kill -9 %d"):format(owner.id))
  local held = burst(demo, port)

  local successor = demo.stage:start("successor.lua", path, demo.object_path, other_port)
  local link_id, old_id, new_id = successor.output:read("*n", "*n", "*n")
  demo.stage:wait(successor)
  assert(new_id, "the successor failed")
  draw(hook, ("process %d has opened the pin: link:update, %d -> %d"):format(successor.id, old_id, new_id))
  local freed, taken = burst(demo, port), burst(demo, other_port)

  local pin = assert(ebpf.pin.at(path))
  assert(pin:remove())
  pin:close()
  local none = await_length(hook, 0)
  draw(hook, "the pin removed")
  local stayed = #left == 1 and left[1].link_id == pinned and held.refused == BURST
  local taken_over = link_id == pinned and freed.arrived == BURST and taken.refused == BURST
  return owned.refused == BURST and stayed and taken_over and #none == 0,
    ("kill -9: link %d went with its owner; pinned link %d held, %d of %d refused, and was updated through its pin")
      :format(unpinned, pinned, held.refused, BURST)
end
