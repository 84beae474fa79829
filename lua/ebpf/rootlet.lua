--- Rootlets: one XDP program on a device, whose functions slot1 … slotN independent applications replace, each by a
-- link of its own (freplace). The rootlet is generated here; neither compiler nor object file is needed.
-- The slots run in order: a program that gives 31 (rootlet.CONTINUE) lets the next slot decide, any other verdict is
-- final, and if all continue the packet passes. Closing a slot's link, or the death of its last owner, brings the
-- placeholder back, which continues: packets flow, and the others are not touched.
-- A rootlet stays while a handle or a pin of it does; handles and finalizers close and detach nothing else.
-- @module ebpf.rootlet

local core = require "ebpf.core"
local device = require "ebpf.device"
local errors = require "ebpf.errors"
local features = require "ebpf.features"
local options = require "ebpf.options"
local origin = require "ebpf.origin"
local owner = require "ebpf.xdp_owner"
local rootlet_device = require "ebpf.rootlet_device"
local slots = require "ebpf.slot"

local M = {}
local methods = core.rootlet.methods
local name_of = errors.errno

--- The verdict that lets the next slot decide: 31, as in libxdp's dispatcher. No XDP action has this number.
M.CONTINUE = core.rootlet_program.continue

--- The most slots a rootlet can have: 255, since the kernel allows a program 256 functions.
M.MAX_SLOTS = core.rootlet_program.max_slots

-- Makes the name hold this rootlet: it may hold it already.
local function keep(rootlet, pin)
  local link, message, number = core.link.from_fd(rootlet:fd())
  if not link then
    return nil, message, number
  end
  local done
  done, message, number = core.pin.put(pin, link)
  if not done and name_of[number] == "EEXIST" then
    local there = core.pin.get(pin)
    done = there and options.class(there) == "link" and there:id() == link:id()
    if there then
      there:close()
    end
  end
  link:close()
  if not done then
    return nil, message, number
  end
  core.rootlet.set_pinned(rootlet)
  return true
end

-- Why a rootlet that was opened is not what was asked for; nil if it is.
local function unfit(rootlet, where, opts, pin)
  local count = core.rootlet.describe(rootlet).slots
  if opts.slots and count < opts.slots then
    local _, message, number = errors.fail("rootlet open", where, "EEXIST",
      ("the rootlet there has %d slots, and can't get more while it is attached"):format(count))
    return message, number
  end
  if pin then
    local _, message, number = keep(rootlet, pin)
    return message, number
  end
end

local function open(ifindex, where, opts, pin)
  local rootlet, how, number = rootlet_device.open(ifindex, where, opts, pin)
  if not rootlet then
    return nil, how, number
  end
  local problem
  problem, number = unfit(rootlet, where, opts, pin)
  if problem then
    rootlet:close() -- one attached just now goes with it, unless somebody opened it meanwhile
    return nil, problem, number
  end
  return rootlet, how
end

--- Open the rootlet of a device, or attach one if the device has no XDP program. Any other XDP program there is left
-- alone, whoever attached it and by whatever means.
-- Needs CAP_BPF and CAP_NET_ADMIN; CAP_SYS_ADMIN to recognize what is attached already.
-- @tparam string|int dev name or index, in this network namespace
-- @tparam[opt] table opts `slots`: how many a new one gets, 1 to 255, default 8; one that is there keeps its own, and
-- has to have as many as are asked for. `mode`: "native" or "generic" for a new one; default native where the driver
-- has it. `pin`: a path in bpffs that will hold the rootlet, or holds it already.
-- @treturn[1] Rootlet
-- @treturn[1] string "attached" (a new one) or "opened" (it was there)
-- @treturn[2] nil
-- @treturn[2] string message, which says whose XDP is there: a link, a netlink attachment, a libxdp dispatcher
-- @treturn[2] int errno: EBUSY (the device's XDP isn't a rootlet), EEXIST (the rootlet has too few slots; the pin's
-- name holds something else), ENODEV, EOPNOTSUPP (the driver has no native XDP), EPERM
-- @see bpf(2)
-- @kernel BPF_LINK_CREATE (XDP: Linux 5.9)
-- @usage local rootlet = assert(ebpf.rootlet.open("eth0", {slots = 8, pin = "/sys/fs/bpf/rootlet_eth0"}))
function M.open(dev, opts)
  local what = "rootlet.open"
  opts = options.check(what, opts, {slots = "count", mode = "string", pin = "text"})
  if opts.slots and opts.slots > M.MAX_SLOTS then
    error(("bad option 'slots' to '%s' (an integer from 1 to %d expected, got %s)"):format(what, M.MAX_SLOTS,
      tostring(opts.slots)), 2)
  end
  if opts.mode then
    options.one_of(what, "mode", opts.mode, {"native", "generic"})
  end
  if opts.pin then
    options.path(what, "pin", opts.pin)
  end
  local ifindex, where, number = device.resolve(what, 1, dev)
  if not ifindex then
    return nil, where, number
  end
  local pin, message
  if opts.pin then
    pin, message, number = core.pin.at(opts.pin, false)
    if not pin then
      return nil, message, number
    end
  end
  local rootlet, how
  rootlet, how, number = open(ifindex, where, opts, pin)
  if pin then
    pin:close()
  end
  if not rootlet then
    return nil, how, number
  end
  origin.note(rootlet)
  return rootlet, how
end

-- The link's handle, for what links do.
local function with_link(self, call)
  local link, message, number = core.link.from_fd(self:fd())
  if not link then
    return nil, message, number
  end
  local result
  result, message, number = call(link)
  link:close()
  return result, message, number
end

--- Pin the rootlet under a new name: then it stays when this process ends. What is in its slots needs pins of its own.
-- @string path
-- @treturn[1] Pin
-- @treturn[2] nil, message, errno: see pin.at and Pin:put
function methods:pin(path)
  options.expect("rootlet:pin", "self", self, "rootlet")
  options.path("rootlet:pin", 1, path)
  local pin, message, number = with_link(self, function(link) return link:pin(path) end)
  if not pin then
    return nil, message, number
  end
  core.rootlet.set_pinned(self)
  return pin
end

--- False once the device is gone, or the rootlet was detached from it.
-- @treturn boolean
function methods:alive()
  options.expect("rootlet:alive", "self", self, "rootlet")
  return with_link(self, function(link) return link:alive() end)
end

--- Take the rootlet off the device at once, with all that is in its slots, whoever owns it. A second call does nothing.
-- @treturn[1] true
-- @treturn[2] nil, message, errno
function methods:detach()
  options.expect("rootlet:detach", "self", self, "rootlet")
  return with_link(self, function(link) return link:detach() end)
end

--- What it is: link_id, program_id, ifindex (0 once it is severed), slots (how many), mode ("native" or "generic"; nil
-- once it is severed, and in another network namespace).
-- @treturn[1] table
-- @treturn[2] nil, message, errno
function methods:info()
  options.expect("rootlet:info", "self", self, "rootlet")
  local info, message, number = with_link(self, function(link) return link:info() end)
  if not info then
    return nil, message, number
  end
  local mode, program_id
  if info.ifindex > 0 then
    mode, program_id = owner.running(info.ifindex)
  end
  return {
    link_id = info.id, program_id = info.program_id, ifindex = info.ifindex,
    slots = core.rootlet.describe(self).slots, mode = program_id == info.program_id and mode or nil,
  }
end

--- The Program that is on the device, for what asks for one: a handle of its own.
-- @function Rootlet:program
-- @treturn[1] Program
-- @treturn[2] nil, message, errno

--- One slot, to attach to.
-- @int index from 1
-- @treturn Slot {rootlet =, index =, name = "slotN"}, which owns nothing and needs no closing
function methods:slot(index)
  options.expect("rootlet:slot", "self", self, "rootlet")
  slots.check_index("rootlet:slot", self, index, 3)
  return slots.new(self, index)
end

--- All slots, in the order in which they run. A slot that is taken has link_id and program_id, whichever process holds
-- it. Found by walking the system's links, which needs CAP_SYS_ADMIN.
-- @treturn[1] {Slot,…} with `skipped`: how many links vanished or could not be opened meanwhile
-- @treturn[2] nil, message, errno: EPERM, ENOTSUP (kernels before 5.13 don't tell what a link replaces)
-- @usage for _, slot in ipairs(rootlet:slots()) do print(slot.index, slot.link_id or "free") end
function methods:slots()
  options.expect("rootlet:slots", "self", self, "rootlet")
  local found, skipped, number = slots.holders(self)
  if not found then
    return nil, skipped, number
  end
  local list = {skipped = skipped}
  for index = 1, core.rootlet.describe(self).slots do
    list[index] = slots.new(self, index, found[index])
  end
  return list
end

--- Put a program into the slot. It stays while the link, or a pin of it, does; then the placeholder is back.
-- @function Slot:attach
-- @tparam Program program of type ext: from Rootlet:load, or from an Object
-- @treturn[1] Link of type tracing, an ordinary one; it can't be detached or updated (the kernel has no such operation
-- for this type): close it, and remove its pins
-- @treturn[2] nil
-- @treturn[2] string message
-- @treturn[2] int errno: EBUSY (the slot is taken, and by which link), ENOLINK (the rootlet is severed: detached, or
-- its device is gone), EINVAL (the program doesn't fit), EPERM
-- @see bpf(2)
-- @kernel BPF_LINK_CREATE (freplace with a target: Linux 5.10)
-- @usage local link = assert(rootlet:slot(2):attach(program))

local known = {insns = "string|table", name = "text", license = "text", flags = "u32", slot = "number"}

-- Why a program of type ext can't be loaded, where that isn't the program's fault.
local function refused(message, number, operation, subject)
  local plain = errors.explain(operation, subject, number, core.fail.strerror(number))
  if name_of[number] == "EPERM" and message == plain then
    return errors.fail(operation, subject, number, "this kernel refuses programs that replace functions (type ext), "
      .. "although no capability is missing")
  end
  if name_of[number] == "EINVAL" and features.have "freplace" == false then
    return features.need("freplace", operation, subject)
  end
  return nil, message, number
end

--- Load a program for the slots from raw instructions: one function, with the packet's context in r1, as for a program
-- of type xdp. It fits every slot of every rootlet, and may be in several. From C, see `targets` of object.open.
-- @tparam table spec `insns`: a string of 8 bytes an instruction, or a list of such strings; optional `name` (an
-- identifier of at most 15 bytes), `license` (default "": not GPL-compatible), `flags` (BPF_F_* of PROG_LOAD), `slot`
-- (the one that the verifier compares with: default 1, and all are alike)
-- @treturn[1] Program
-- @treturn[2] nil
-- @treturn[2] string message, with the end of the verifier's log
-- @treturn[2] int errno: EPERM (no CAP_BPF, CAP_NET_ADMIN or CAP_PERFMON; this kernel refuses such programs), EACCES
-- and EINVAL (the verifier), ENOTSUP
-- @see bpf(2)
-- @kernel BPF_PROG_LOAD (type ext: Linux 5.6)
-- @usage local drop = assert(rootlet:load{insns = bytes, name = "drop"})
function methods:load(spec)
  local what = "rootlet:load"
  options.expect(what, "self", self, "rootlet")
  options.expect(what, 1, spec, "table")
  options.check(what, spec, known)
  local insns = options.instructions(what, spec.insns)
  local index = spec.slot or 1
  slots.check_index(what, self, index, 3)
  local name = spec.name or ("slot%d"):format(index)
  if #name > 15 or not name:find "^[%a_][%w_]*$" then
    error(("bad option 'name' to '%s' (an identifier of at most 15 bytes expected, got '%s')"):format(what, name), 2)
  end
  local subject = ("%s for slot %d on %s"):format(name, index, core.rootlet.describe(self).where)
  local program, message, number = slots.with_program(self, function(target, functions)
    return core.rootlet_program.load_for(target, functions[index], insns, name, spec.license or "", spec.flags,
      subject)
  end)
  if not program then
    return refused(message, number, "rootlet load", subject)
  end
  return program
end

return M
