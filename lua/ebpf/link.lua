--- Links: the kernel's objects that hold a program on a hook. A link lives until its last descriptor and pin are
-- gone, and its program is attached that long; closing a handle never detaches what somebody else holds.
-- They are made by a hook (Mprog:link), or by the functions here that are called as the hook is.
-- @module ebpf.link

local core = require "ebpf.core"
local each = require "ebpf.each"
local options = require "ebpf.options"
local pin = require "ebpf.pin"

local M = {
  auto = require "ebpf.auto".link,
  freplace = require "ebpf.freplace".link,
  netfilter = require "ebpf.netfilter".link,
  netns = require "ebpf.netns".link,
  sockmap = require "ebpf.sockmap".link,
  xdp = require "ebpf.xdp".link,
}
local methods = core.link.methods

--- Open a link by its id.
-- @int id
-- @treturn[1] Link
-- @treturn[2] nil, message, errno: ENOENT (no such id), EPERM (no CAP_SYS_ADMIN)
-- @see bpf(2), BPF_LINK_GET_FD_BY_ID (Linux 5.8)
function M.from_id(id)
  return core.link.from_id(id)
end

--- A Link of a duplicate of a descriptor; the caller's stays the caller's.
-- @int fd
-- @treturn[1] Link
-- @treturn[2] nil, message, errno: EBADF, EINVAL (no BPF link)
function M.from_fd(fd)
  return core.link.from_fd(fd)
end

local filters = {type = "string", program = "program|number", cgroup = "cgroup", ifindex = "number"}

--- Walk the links of the system, in order of id. Needs CAP_SYS_ADMIN; raises where walking is refused.
-- The handle is lent: the loop closes it when it goes on. Leave the loop to keep it.
-- @tparam[opt] table filter `type` (as "cgroup"), `program` (a Program or an id), `cgroup` (a Cgroup), `ifindex`; all
-- that are given must hold
-- @return iterator and its state; state.skipped counts those that vanished or may not be opened
-- @usage for link in ebpf.link.each{cgroup = cg} do print(link:id(), link:info().attach_type) end
function M.each(filter)
  filter = options.check("link.each", filter, filters)
  if next(filter) == nil then
    return each.walk(core.link)
  end
  if filter.type then
    options.name("link.each", "type", filter.type, core.names.link_type, "link type")
  end
  local program = filter.program
  local wanted = {
    type = filter.type,
    program_id = type(program) == "userdata" and program:id() or program,
    cgroup_id = filter.cgroup and filter.cgroup:id(),
    ifindex = filter.ifindex,
  }
  return each.walk(core.link, function(link)
    local info = link:info()
    for field, value in pairs(wanted) do
      if not info or info[field] ~= value then
        return false
      end
    end
    return true
  end)
end

--- Pin the link under a new name: then it outlives this process.
-- @function Link:pin
-- @string path
-- @treturn[1] Pin
-- @treturn[2] nil, message, errno: see pin.at and Pin:put
methods.pin = pin.method "link:pin"

--- Put another program in this one's place: no packet meets both or none.
-- @function Link:update
-- @tparam Program new
-- @tparam[opt] Program old only if this is what runs now (BPF_F_REPLACE is set for you)
-- @treturn[1] true
-- @treturn[2] nil, message, errno: EPERM (old is not what runs), ENOLINK (detached, or its target is gone), EINVAL
-- (of another type)
-- @see bpf(2), BPF_LINK_UPDATE (Linux 5.7); kernel/bpf/syscall.c

--- Take the program off the hook at once. The handle, the id and the pins stay; a second call does nothing.
-- @function Link:detach
-- @treturn[1] true
-- @treturn[2] nil, message, errno: EOPNOTSUPP (a type that can't be detached)
-- @see bpf(2), BPF_LINK_DETACH (Linux 5.9)

--- False once the link is detached, or its cgroup, device or network namespace is gone. Netfilter links don't tell:
-- theirs is false once this very handle detached them.
-- @function Link:alive
-- @treturn boolean

--- What the kernel tells about the link: id, type, program_id, and by type
--
-- * cgroup: cgroup_id, attach_type; tcx, netkit: ifindex (on
--   netkit_peer the peer's), attach_type; xdp: ifindex; netns: netns_ino, attach_type;
--   sockmap: map_id, attach_type; struct_ops: map_id. All but the attach type are 0 once the link is severed.
-- * netfilter: pf, hooknum, priority, flags
-- * tracing (also lsm and freplace): attach_type, target_obj_id (of the program, or of the BTF of the kernel or
--   module), target_btf_id, cookie; raw_tracepoint: tp_name, cookie
-- * iter: target_name, and by that map_id, or tid and pid, or cgroup_id and order
-- * perf_event (Linux 6.6): event, which is "kprobe" or "kretprobe" with func_name, offset, addr (0: may not be
--   seen), missed, cookie; "uprobe" or "uretprobe" with file_name, offset, ref_ctr_offset, cookie; "tracepoint" with
--   tp_name, cookie; "event" with event_type, config, cookie
-- * kprobe_multi: count, flags, missed, addrs; uprobe_multi: count, flags, pid, path, offsets; tracing_multi:
--   attach_type, count, btf_obj_id
--
-- What the kernel is too old to tell is 0, "" or absent.
-- @function Link:info
-- @treturn[1] table
-- @treturn[2] nil, message, errno

local closing = {}

function closing:__close()
  self.walk:close()
end

--- Run the walk of an iterator link once, and read what its program prints, line by line.
-- @return iterator of string (without the newline); raises where the link is no iterator's, or the walk fails
-- @usage for line in link:lines() do print(line) end
-- @see bpf(2), BPF_ITER_CREATE (Linux 5.8)
function methods:lines()
  options.expect("link:lines", "self", self, "link")
  local walk, message = core.iter.open(self)
  if not walk then
    error(message, 2)
  end
  local buffer, position = "", 1
  local function step()
    local stop = buffer:find("\n", position, true)
    while not stop and not walk:closed() do
      local text, problem = walk:read()
      if not text or text == "" then
        walk:close()
      end
      if not text then
        error(problem, 2)
      end
      buffer, position = buffer:sub(position) .. text, 1
      stop = buffer:find("\n", 1, true)
    end
    local line = buffer:sub(position, (stop or 0) - 1)
    position = (stop or #buffer) + 1
    return (stop or line ~= "") and line or nil
  end
  return step, nil, nil, setmetatable({walk = walk}, closing)
end

return M
