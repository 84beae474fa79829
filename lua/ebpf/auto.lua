--- Links that an ELF section describes.
-- @submodule ebpf.link

local core = require "ebpf.core"
local errors = require "ebpf.errors"
local options = require "ebpf.options"
local origin = require "ebpf.origin"

local M = {}

-- Program -> {object, name}. libbpf attaches its own struct alone, so a Program holds the Object it was taken from: as
-- long as one lives, the Object is not collected. Closing the Object frees it at once.
local sources = setmetatable({}, {__mode = "k"})

--- Called when a Program is taken from an Object.
function M.remember(program, object, name)
  sources[program] = {object = object, name = name}
  return program
end

--- Attach a program where its ELF section says, by libbpf: fentry, fexit, fmod_ret, kprobe, kretprobe, ksyscall,
-- uprobe, uretprobe, tracepoint, raw_tp, tp_btf, lsm, iter, freplace and the multi forms that this libbpf knows. The
-- Link owns a descriptor of its own and survives program and Object. Not USDT, which is many links at once; not
-- struct_ops, which is a map's; not the sections of hooks (xdp, tc, cgroup, sk_lookup, netfilter …), which name no
-- device or cgroup.
-- Such links can't be detached (EOPNOTSUPP) or, but for iterators, updated: close them.
-- @tparam Program program taken from an Object that is open still
-- @treturn[1] Link
-- @treturn[2] nil, message (with libbpf's words), errno: EINVAL (not from an Object; its Object is closed), ENOTSUP (a
-- section that names no place, USDT, links on perf events before Linux 5.15), ENOENT (no such function or tracepoint),
-- EBUSY, EPERM
-- @usage local link = assert(ebpf.link.auto(object:program "on_open"))
function M.link(program)
  options.expect("link.auto", 1, program, "program")
  local source = sources[program]
  if not source then
    return errors.fail("link auto", ("program %d"):format(program:id() or 0), "EINVAL",
      "libbpf attaches by the ELF section, and this program was not taken from an Object")
  end
  if source.object:closed() then
    return errors.fail("link auto", source.name, "EINVAL", "its Object is closed")
  end
  local link, message, number = core.auto.attach(source.object, source.name)
  if not link then
    return nil, message, number
  end
  origin.note(link)
  return link
end

return M
