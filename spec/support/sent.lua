-- What the specs of ring and perf buffers have a program send: spec/support/records.bpf.c on a cgroup of their own.

local ebpf = require "ebpf"

local M = {}
local Sent = {}
Sent.__index = Sent

--- The object loaded, and one of its programs on a cgroup's egress, where only `send` sends anything.
-- @string program "send_ring" or "send_perf"
function M.new(world, program)
  local self = setmetatable({}, Sent)
  self.object = world:keep(ebpf.object.open "build/spec/support/records.bpf.o")
  assert(self.object:load())
  self.control = world:keep(self.object:map "control")
  local cgroup = world:cgroup()
  local hook = world:hook("cgroup_inet_egress", cgroup)
  world:keep(hook:link(world:keep(self.object:program(program))))
  self.sender = world:sender(cgroup)
  local _, port = world:receiver()
  self.port = port
  return self
end

local PACKET = 16 -- records: the program's limit

--- Sends packets, for which the program sends `count` records.
-- @int count
-- @tparam[opt] table how `discard`: each nth is given up; `bytes`: of a record that is no whole one
function Sent:send(count, how)
  how = how or {}
  assert(self.control:set(1, how.discard or 0))
  assert(self.control:set(2, how.bytes or 0))
  while count > 0 do
    assert(self.control:set(0, math.min(count, PACKET)))
    assert(self.sender:sendto("x", "127.0.0.1", self.port))
    count = count - PACKET
  end
end

--- The sequence numbers of a list of records.
function M.sequences(list)
  local numbers = {}
  for i, record in ipairs(list) do
    numbers[i] = type(record) == "table" and record.sequence or record:byte() + 256 * record:byte(2)
  end
  return numbers
end

--- first, first + 1 … last
function M.range(first, last)
  local numbers = {}
  for number = first, last do
    numbers[#numbers + 1] = number
  end
  return numbers
end

return M
