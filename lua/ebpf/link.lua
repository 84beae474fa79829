--- Links: the kernel's objects that hold a program on a hook. A link lives until its last descriptor and pin are
-- gone, and its program is attached that long; closing a handle never detaches what somebody else holds.
-- They are made by a hook (Mprog:link), or by the functions here that are called as the hook is.
-- @module ebpf.link

local core = require "ebpf.core"
local each = require "ebpf.each"
local options = require "ebpf.options"
local pin = require "ebpf.pin"

local M = {}
local methods = core.link.methods
local info = core.link.info
local link_types, attach_types = core.names.link_type, core.names.attach_type
local CGROUP, TCX, NETKIT = link_types.cgroup, link_types.tcx, link_types.netkit

--- Attach an XDP program to a device, by a link. A device runs one program a mode, and generic and native exclude each
-- other; nothing that runs is ever replaced: see Link:update.
-- @function xdp
-- @tparam string|int device name or index
-- @tparam Program program
-- @tparam[opt] table opts `mode`: "native" (in the driver), "generic" (in the network stack, any device) or "offload"
-- (in the card); default: native where the driver has it, else generic
-- @treturn[1] Link
-- @treturn[2] nil
-- @treturn[2] string message, which names what is there: a link, a netlink attachment, a dispatcher of libxdp
-- @treturn[2] int errno: EBUSY (taken), EEXIST (another mode runs; a device above this one runs XDP), ENODEV, EINVAL
-- (not for XDP), EOPNOTSUPP (no such mode in the driver), EPERM (no CAP_NET_ADMIN)
-- @see bpf(2)
-- @kernel BPF_LINK_CREATE (XDP: Linux 5.9); net/core/dev.c
-- @usage local link = assert(ebpf.link.xdp("eth0", program, {mode = "generic"}))
M.xdp = require "ebpf.xdp".link

--- Attach a program to a network namespace, by a link: sk_lookup programs (up to 64, which run in the order of
-- attaching) or one flow dissector; which it is, the program's type tells.
-- @function netns
-- @tparam string|int|table target path of the namespace (/var/run/netns/blue, /proc/self/ns/net), a descriptor of it,
-- or {pid = n}: the one that a process is in
-- @tparam Program program
-- @treturn[1] Link its program runs as long as the link and the namespace live
-- @treturn[2] nil, message, errno: E2BIG (64 sk_lookup links, one flow dissector link), EEXIST (a flow dissector
-- without a link; one of the initial namespace), EINVAL (another type of program; no network namespace), ENOENT (no
-- such file or process), EPERM (no CAP_NET_ADMIN)
-- @see bpf(2)
-- @kernel BPF_LINK_CREATE (flow_dissector: Linux 5.8, sk_lookup: 5.9); kernel/bpf/net_namespace.c
-- @usage local link = assert(ebpf.link.netns("/proc/self/ns/net", lookup))
M.netns = require "ebpf.netns".link

--- Attach a netfilter program to a hook of this process's network namespace, by a link. Its verdict is NF_DROP (0) or
-- NF_ACCEPT (1). Such a link can't be updated; Link:info tells `pf` (2: ipv4, 10: ipv6), `hooknum` (0: prerouting, 1:
-- input, 2: forward, 3: output, 4: postrouting), `priority` and `flags`.
-- @function netfilter
-- @tparam Program program
-- @tparam table opts `family` ("ipv4", "ipv6"), `hook` ("prerouting", "input", "forward", "output", "postrouting"),
-- `priority` (default 0; lower runs earlier; each is taken once), `defrag` = true: fragments are put together first
-- @treturn[1] Link
-- @treturn[2] nil, message, errno: EBUSY (the priority is taken), EAFNOSUPPORT (family), EPROTO (no such hook in it),
-- ERANGE (the priority is the kernel's own, or before defragmentation), EOPNOTSUPP (defrag needs Linux 6.6), EINVAL
-- (another type of program), ENOTSUP (no netfilter links), EPERM (no CAP_NET_ADMIN)
-- @see bpf(2)
-- @kernel BPF_LINK_CREATE (netfilter: Linux 6.4); net/netfilter/nf_bpf_link.c
-- @usage local link = assert(ebpf.link.netfilter(program, {family = "ipv4", hook = "input", priority = -10}))
M.netfilter = require "ebpf.netfilter".link

--- Attach a program to a sockmap or sockhash, by a link: it runs for the sockets in the map.
-- @function sockmap
-- @tparam Map map
-- @tparam Program program of type sk_msg or sk_skb
-- @tparam[opt] table opts `attach_type`: "sk_skb_verdict", "sk_skb_stream_verdict" or "sk_skb_stream_parser", which
-- the kernel does not tell of a loaded program; default for sk_msg: "sk_msg_verdict"
-- @treturn[1] Link
-- @treturn[2] nil, message, errno: EBUSY (taken), EINVAL (another type of map or program), ENOTSUP (no such links),
-- EPERM (no CAP_NET_ADMIN)
-- @see bpf(2)
-- @kernel BPF_LINK_CREATE (sockmap: Linux 6.10); net/core/sock_map.c
M.sockmap = require "ebpf.sockmap".link

--- Replace a global function of a loaded program, by a link: calls go to the new one while the link lives, then to the
-- old one again. The program is of type ext, loaded for such a function: see `targets` of object.open.
-- Such links can neither be updated nor detached: close them.
-- @function freplace
-- @tparam Program program
-- @tparam[opt] Program target default: the one it was loaded for, for the program's first link only
-- @string[opt] function_name of the function in the target; with target only
-- @treturn[1] Link its info tells target_obj_id (the target's id) and target_btf_id (the function's)
-- @treturn[2] nil, message, errno: EBUSY (replaced or traced already), ENOENT (no such function), EINVAL (static;
-- another signature; no ext program; target without BTF), EPERM
-- @see bpf(2)
-- @kernel BPF_LINK_CREATE (freplace to other targets: Linux 5.10); kernel/bpf/syscall.c
-- @usage local link = assert(ebpf.link.freplace(program, dispatcher, "slot3"))
M.freplace = require "ebpf.freplace".link

--- Attach a program where its ELF section says, by libbpf: fentry, fexit, fmod_ret, kprobe, kretprobe, ksyscall,
-- uprobe, uretprobe, tracepoint, raw_tp, tp_btf, lsm, iter, freplace and the multi forms that this libbpf knows. The
-- Link owns a descriptor of its own and survives program and Object. Not the sections of hooks (xdp, tc, cgroup,
-- sk_lookup, netfilter …), which name no device or cgroup.
-- Such links can't be detached (EOPNOTSUPP) or, but for iterators, updated: close them.
--
-- A struct_ops (a TCP congestion control, a scheduler …) is a map, of section .struct_ops (with libbpf 1.2, also
-- .struct_ops.link): its functions are registered as a whole until the Link is gone, and Link:update takes another
-- map.
--
-- A USDT probe is at many places, with a link of the kernel's at each, which libbpf holds together: that Link keeps the
-- memory and descriptors of its Object, even a closed one, until it is closed too. It has no `id`, can't be pinned or
-- updated (EOPNOTSUPP), and `fd` is nil; its `info` tells type "usdt", program_id, path, provider and name. A process
-- that is forked can't end it, and closing it there changes nothing. An Object has room for 256 places
-- (BPF_USDT_MAX_SPEC_CNT); libbpf before 1.3 may crash when they are exhausted after such a Link was closed. Compile
-- the program with the bpf/usdt.bpf.h of the libbpf that runs: with that of 1.1, it reads no arguments under 1.8.
-- @function auto
-- @tparam Program|Map program taken from an Object that is open still; or a struct_ops map, from anywhere
-- @tparam[opt] table opts what an iterator goes over, which is read once, here: `map` (a Map: for bpf_map_elem and
-- bpf_sk_storage_map, which need one, and sockmap), `cgroup` (a Cgroup; default: the root) and `order`
-- ("self_only", "descendants_pre": the default, "descendants_post", "ancestors_up"), `pid` (all tasks of a process) or
-- `tid` (a single one)
-- @treturn[1] Link
-- @treturn[2] nil, message (with libbpf's words), errno: EINVAL (not from an Object; its Object is closed; an option
-- that this program doesn't take, or lacks; a struct_ops that the kernel refuses), ENOTSUP (a section that names no
-- place, links on perf events before Linux 5.15, pid and tid before 6.1, struct_ops before 6.4), ENOENT (no such
-- function, tracepoint or probe), ESRCH (USDT, and the program lacks usdt.bpf.h), E2BIG (too many USDT probes), EEXIST
-- (a struct_ops of this name), EBUSY, EPERM
-- @see bpf(2)
-- @kernel BPF_LINK_CREATE (iterators: Linux 5.8; over cgroups, pid, tid: 6.1; struct_ops: 6.4);
-- kernel/bpf/bpf_iter.c, kernel/bpf/bpf_struct_ops.c
-- @usage local link = assert(ebpf.link.auto(object:program "on_open"))
-- @usage local link = assert(ebpf.link.auto(object:program "elements", {map = object:map "counts"}))
M.auto = require "ebpf.auto".link

--- Open a link by its id.
-- @int id
-- @treturn[1] Link
-- @treturn[2] nil, message, errno: ENOENT (no such id), EPERM (no CAP_SYS_ADMIN)
-- @see bpf(2)
-- @kernel BPF_LINK_GET_FD_BY_ID (Linux 5.8)
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
    local found = link:info()
    for field, value in pairs(wanted) do
      if not found or found[field] ~= value then
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
-- @tparam Program|Map new a Map for a link of a struct_ops; of the same type and name
-- @tparam[opt] Program|Map old only if this is what runs now (BPF_F_REPLACE is set for you)
-- @treturn[1] true
-- @treturn[2] nil, message, errno: EPERM (old is not what runs), ENOLINK (detached, or its target is gone), EINVAL
-- (of another type), EOPNOTSUPP (this type can't be updated)
-- @see bpf(2)
-- @kernel BPF_LINK_UPDATE (Linux 5.7; of struct_ops: 6.4); kernel/bpf/syscall.c

--- Take the program off the hook at once. The handle, the id and the pins stay; a second call does nothing.
-- @function Link:detach
-- @treturn[1] true
-- @treturn[2] nil, message, errno: EOPNOTSUPP (a type that can't be detached)
-- @see bpf(2)
-- @kernel BPF_LINK_DETACH (Linux 5.9)

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
-- @treturn[1] table
-- @treturn[2] nil, message, errno
function methods:info()
  local kind, id, program_id, target, attach_type = info(self)
  if kind == CGROUP then
    return {id = id, type = "cgroup", program_id = program_id, cgroup_id = target,
      attach_type = attach_types[attach_type] or attach_type}
  elseif kind == TCX or kind == NETKIT then
    return {id = id, type = link_types[kind], program_id = program_id, ifindex = target,
      attach_type = attach_types[attach_type] or attach_type}
  elseif kind == false then
    options.expect("link:info", "self", self, "link")
  end
  return kind, id, program_id -- another's table; or nil, message, errno
end

local closing = {}

function closing:__close()
  self.walk:close()
end

--- Run the walk of an iterator link once, and read what its program prints, line by line.
-- @return iterator of string (without the newline); raises where the link is no iterator's, or the walk fails
-- @usage for line in link:lines() do print(line) end
-- @see bpf(2)
-- @kernel BPF_ITER_CREATE (Linux 5.8)
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
