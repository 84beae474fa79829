-- usage: successor.lua PIN OBJECT PORT
-- Another process, later: opens the link that is pinned, and puts a policy for another port into it.

local pin_path, object_path, port = ...
local ebpf = require "ebpf"

local link = assert(assert(ebpf.pin.at(pin_path)):get "link")
local present = assert(ebpf.program.from_id(link:info().program_id))

local object = assert(ebpf.object.open(object_path, {rodata = {forbidden_port = tonumber(port)}}))
assert(object:load())
local program = assert(object:program "policy_v2")

assert(link:update(program, present)) -- only if what it found is still what runs
io.write(("%d %d %d\n"):format(link:id(), present:id(), program:id()))
