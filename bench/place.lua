-- What the rows are measured on, as in bench.c.

local asm = require "spec.support.asm"
local ebpf = require "ebpf"

local M = {kept = {}} -- what stays open until the process ends

local function keep(thing, message)
  M.kept[#M.kept + 1] = assert(thing, message)
  return thing
end

M.keep = keep

function M.process()
  local stat = assert(io.open "/proc/self/stat")
  local number = stat:read "*n"
  stat:close()
  return number
end

local names = 0

--- A name that no other process has.
function M.name()
  names = names + 1
  return ("l%d-%d"):format(M.process(), names)
end

--- A new cgroup below EBPF_TEST_CGROUP.
function M.cgroup()
  local path = assert(os.getenv "EBPF_TEST_CGROUP", "EBPF_TEST_CGROUP is not set") .. "/" .. M.name()
  os.execute("mkdir " .. path)
  return keep(ebpf.cgroup.open(path))
end

--- cgroup_skb, lets everything pass; programs of other salt have other tags.
function M.program(salt)
  return keep(ebpf.program.load{type = "cgroup_skb", insns = asm.verdict(1, salt), license = "GPL", name = "bench"})
end

function M.hook(attach_type)
  return keep(M.cgroup():mprog(attach_type or "cgroup_inet_egress"))
end

--- A hook for programs that come and go. A link stays on another cgroup: the kernel patches its code when a hook's
-- first program comes and when its last one goes, which is not what is measured.
function M.busy_hook()
  keep(M.hook():link(M.program(64)))
  return M.hook()
end

return M
