-- Datagrams over loopback, from a process in the cgroup to sockets here: what was sent, what was refused, what arrived.

local socket = require "socket"

local M = {}
local traffic = {}
traffic.__index = traffic

local AT_ONCE = 50 -- datagrams before the receivers are emptied: they fit any receive buffer

local function receiver()
  local inbound = assert(socket.udp())
  assert(inbound:setsockname("127.0.0.1", 0))
  inbound:setoption("recv-buffer-size", 1048576)
  inbound:settimeout(0)
  local _, port = inbound:getsockname()
  return inbound, tonumber(port)
end

--- Start the sender, with receivers on two ports.
-- @tparam Stage stage
-- @treturn table `port`, `other_port`
function M.start(stage)
  local self = setmetatable({stage = stage, inbound = {}}, traffic)
  for _, key in ipairs {"port", "other_port"} do
    local inbound, port = receiver()
    self[key] = port
    self.inbound[port] = inbound
  end
  local listener = assert(socket.bind("127.0.0.1", 0))
  local _, control_port = listener:getsockname()
  self.sender = stage:start("sender.lua", stage.cgroup_path, control_port)
  listener:settimeout(10)
  self.control = assert(listener:accept())
  self.control:settimeout(30)
  listener:close()
  return self
end

--- How many datagrams have arrived on a port since the last look.
-- @int port
-- @int[opt] expected go on looking for a moment while there are fewer
function traffic:arrived(port, expected)
  local count, deadline = 0, socket.gettime() + 1
  local inbound = self.inbound[port]
  repeat
    while inbound:receive() do
      count = count + 1
    end
  until count >= (expected or 0) or socket.gettime() > deadline or not socket.select({inbound}, nil, 0.01)
  return count
end

local function ask(self, command)
  assert(self.control:send(command .. "\n"))
end

local function answer(self)
  local passed, refused, failed, seconds = assert(self.control:receive()):match "(%d+) (%d+) (%d+) (%S+)"
  local tally = {passed = tonumber(passed), refused = tonumber(refused), seconds = tonumber(seconds)}
  assert(failed == "0", "the sender met another failure than EPERM")
  tally.sent = tally.passed + tally.refused
  return tally
end

--- Send some datagrams.
-- @int count
-- @int[opt] port default `port`
-- @treturn table `sent` = `passed` + `refused` (EPERM), and `arrived`
function traffic:burst(count, port)
  port = port or self.port
  local total = {sent = 0, passed = 0, refused = 0, arrived = 0}
  while total.sent < count do
    ask(self, ("burst %d %d"):format(port, math.min(AT_ONCE, count - total.sent)))
    local tally = answer(self)
    tally.arrived = self:arrived(port, tally.passed)
    for key, number in pairs(total) do
      total[key] = number + tally[key]
    end
  end
  return total
end

--- Send one datagram after the other until stop().
function traffic:stream()
  self.streamed = 0
  ask(self, "stream " .. self.port)
end

--- Empty the receiver while the sender goes on.
function traffic:look()
  self.streamed = self.streamed + self:arrived(self.port)
end

--- The end of the stream: as burst(), and `seconds`.
function traffic:stop()
  ask(self, "stop")
  local tally = answer(self)
  self:look()
  tally.arrived = self.streamed
  return tally
end

--- End the sender.
function traffic:finish()
  self.control:close()
  self.stage:wait(self.sender)
end

return M
