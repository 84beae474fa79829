-- usage: sender.lua CGROUP CONTROL_PORT
-- Joins the cgroup and sends UDP datagrams from there, as the control connection says:
--   burst PORT N    N datagrams                     stream PORT    one after the other, until "stop"
-- and each is answered with a line: datagrams that passed, that were refused, other failures; seconds.

local cgroup, control_port = ...

-- Before any socket is made: a socket belongs to the cgroup that its maker was in. "0" is who writes.
local members = assert(io.open(cgroup .. "/cgroup.procs", "w"))
members:write "0"
assert(members:close())

local socket = require "socket"
local REFUSED = "Operation not permitted" -- EPERM, from sendto(2)
local BETWEEN_LOOKS = 32

local control = assert(socket.connect("127.0.0.1", control_port))
local outbound = assert(socket.udp())

local function send(port, count, tally)
  for _ = 1, count do
    local sent, why = outbound:sendto("a datagram", "127.0.0.1", port)
    local outcome = sent and "passed" or why == REFUSED and "refused" or "failed"
    tally[outcome] = tally[outcome] + 1
  end
end

local function stopped()
  control:settimeout(0)
  local _, why = control:receive()
  control:settimeout(60)
  return why ~= "timeout"
end

control:settimeout(60)
for command in function() return (control:receive()) end do
  local what, port, count = command:match "(%a+) (%d+) ?(%d*)"
  local tally = {passed = 0, refused = 0, failed = 0}
  local started = socket.gettime()
  if what == "burst" then
    send(port, tonumber(count), tally)
  else
    repeat
      send(port, BETWEEN_LOOKS, tally)
    until stopped()
  end
  control:send(("%d %d %d %.6f\n"):format(tally.passed, tally.refused, tally.failed, socket.gettime() - started))
end
