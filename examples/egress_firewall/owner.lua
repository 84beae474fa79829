-- usage: owner.lua CGROUP OBJECT PORT PIN
-- Attaches the policy by a link that it pins, and the counter by one that it only holds; then waits to be killed.

local cgroup, object_path, port, pin_path = ...
local ebpf = require "ebpf"
local socket = require "socket"

local object = assert(ebpf.object.open(object_path, {rodata = {forbidden_port = tonumber(port)}}))
assert(object:load())
local hook = assert(assert(ebpf.cgroup.open(cgroup)):mprog "cgroup_inet_egress")

local pinned = assert(hook:link(assert(object:program "policy_v1")))
local unpinned = assert(hook:link(assert(object:program "counter")))
assert(assert(ebpf.pin.at(pin_path, {mkdir = true})):put(pinned))

io.write(("%d %d\n"):format(pinned:id(), unpinned:id()))
io.flush()
socket.sleep(60)
