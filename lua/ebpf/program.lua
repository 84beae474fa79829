--- Programs: loaded BPF programs, from an Object, from raw instructions, or already in the kernel.
-- A Program owns its descriptor and nothing else: what it is attached to keeps it in the kernel.
-- @module ebpf.program

local core = require "ebpf.core"
local each = require "ebpf.each"
local options = require "ebpf.options"
local pin = require "ebpf.pin"

local M = {}
local methods = core.program.methods
local names = core.names

local known = {
  type = "string", insns = "string|table", name = "text", license = "text", attach_type = "string", flags = "u32",
  token = "token",
}

--- Load a program from raw instructions.
-- @tparam table spec `type` (a program type, as "cgroup_skb"); `insns`: a string of 8 bytes an instruction, or a
-- list of such strings; optional `name` (at most 15 bytes), `license` (default "": not GPL-compatible),
-- `attach_type` (expected), `flags` (BPF_F_* of PROG_LOAD), `token` (a Token, in a user namespace)
-- @treturn[1] Program
-- @treturn[2] nil
-- @treturn[2] string message, with the end of the verifier's log
-- @treturn[2] int errno: EPERM (no CAP_BPF, or not the one of its type), EACCES and EINVAL (the verifier), E2BIG
-- @see bpf(2)
-- @kernel BPF_PROG_LOAD
-- @usage local pass = assert(ebpf.program.load{type = "cgroup_skb", insns = bytes, license = "GPL"})
function M.load(spec)
  local what = "program.load"
  options.expect(what, 1, spec, "table")
  options.check(what, spec, known)
  local program_type = options.name(what, "type", spec.type, names.program_type, "program type")
  local attach_type = 0
  if spec.attach_type then
    attach_type = options.name(what, "attach_type", spec.attach_type, names.attach_type, "attach type")
  end
  local insns = options.instructions(what, spec.insns)
  local name = spec.name or ""
  if #name > 15 then
    error(("bad argument 'name' to '%s' (at most 15 bytes, got %d)"):format(what, #name), 2)
  end
  return core.program.load(program_type, insns, name, spec.license or "", attach_type, spec.flags, nil, nil,
    options.open(what, "token", spec.token))
end

--- Open a loaded program by its id.
-- @int id
-- @treturn[1] Program
-- @treturn[2] nil, message, errno: ENOENT (no such id), EPERM (no CAP_SYS_ADMIN)
function M.from_id(id)
  return core.program.from_id(id)
end

--- A Program of a duplicate of a descriptor; the caller's stays the caller's.
-- @int fd
-- @treturn[1] Program
-- @treturn[2] nil, message, errno: EBADF, EINVAL (no BPF program)
function M.from_fd(fd)
  return core.program.from_fd(fd)
end

--- Walk all programs of the system, in order of id. Needs CAP_SYS_ADMIN; raises where walking is refused.
-- The handle is lent: the loop closes it when it goes on. Leave the loop to keep it.
-- @return iterator and its state; state.skipped counts those that vanished or may not be opened
-- @usage for program in ebpf.program.each() do print(program:info().name) end
function M.each()
  return each.walk(core.program)
end

--- Pin the program under a new name.
-- @function Program:pin
-- @string path
-- @treturn[1] Pin
-- @treturn[2] nil, message, errno: see pin.at and Pin:put
methods.pin = pin.method "program:pin"

--- What the kernel tells about the program: id, type, name, tag (hex), gpl_compatible, load_time (ns since boot),
-- created_by_uid, map_ids (list), ifindex, btf_id, xlated_size and jited_size (bytes), run_time_ns, run_count,
-- recursion_misses, verified_insns, attach_btf_obj_id, attach_btf_id.
-- @function Program:info
-- @treturn[1] table
-- @treturn[2] nil, message, errno

--- The program's id, the same in every process.
-- @function Program:id
-- @treturn int

return M
