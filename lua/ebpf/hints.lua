-- (operation × errno) -> one plain sentence: what was checked, or what the kernel documents. Never a guess.
-- A function is called when the failure is explained, and may look at the process; nil leaves strerror's words.
-- What needs the hook itself to be looked at is in diagnose.lua.

local capabilities = require "ebpf.capabilities"

local function admin()
  return capabilities.missing({"CAP_NET_ADMIN", "CAP_SYS_ADMIN"}, true)
end

local first = "this process has its capabilities in a user namespace, and the kernel asks for those of the first one"

local function namespaced()
  return capabilities.namespaced() and first .. ", or for a token (token.open)" or nil
end

local function query()
  return admin() or capabilities.namespaced() and first or nil -- bpf_prog_query takes no token
end

local function bpf()
  return capabilities.missing({"CAP_BPF", "CAP_SYS_ADMIN"}, true) or namespaced()
end

local function token()
  return capabilities.missing({"CAP_BPF", "CAP_SYS_ADMIN"}, true)
    or "the file system was mounted for another user namespace than this process's"
end

local function sys_admin()
  return capabilities.missing {"CAP_SYS_ADMIN"}
end

-- CAP_BPF for all, CAP_NET_ADMIN for networking types, CAP_PERFMON for tracing types; CAP_SYS_ADMIN stands for each
local function load()
  if not sys_admin() then
    return namespaced()
  end
  local missing = capabilities.missing {"CAP_BPF", "CAP_NET_ADMIN", "CAP_PERFMON"}
  return missing and missing .. " (a program needs CAP_BPF and, by its type, CAP_NET_ADMIN or CAP_PERFMON)"
end

local removed = "the cgroup was removed"
local no_proc = "the kind of an object is read from /proc, and the number of CPUs from /sys: one of them is not "
  .. "mounted here"

local unreadable = "elements of this type of map can't be read from user space"
local no_walk = "this type of map can't be walked"
local changing = "keys were deleted faster than the walk got on"
local frozen = "the map is read-only for user space, or frozen"
local socket_values = "of 4 bytes, values of a sockmap can't be read: of 8 they are read as cookies"

local function walking(rows)
  rows.ENOTSUPP = rows.ENOTSUPP or "this type of map can't be walked, or not be read from user space"
  rows.EOPNOTSUPP = rows.EOPNOTSUPP or rows.ENOTSUPP
  rows.EINVAL = "queues and stacks can't be walked: pop takes what is in them"
  rows.EAGAIN = changing
  rows.ENOSPC = socket_values
  rows.EPERM = "the map is write-only for user space"
  return rows
end

-- What attach, detach and query alike say of the hook itself (drivers/net/netkit.c, netkit_dev_fetch).
local function on_hook(rows)
  rows.EPERM = rows.EPERM or admin
  rows.ENODEV = "there is no device of this index in this network namespace"
  rows.ENXIO = "the device is no netkit"
  rows.EACCES = "the device is a netkit's peer: both of its hooks are addressed by its primary device"
  return rows
end

local others = "the directory is sticky, and the pin is another user's"
local too_many_files = "this process has as many descriptors open as it may (RLIMIT_NOFILE): close handles that are "
  .. "done with, since the collector does not count descriptors"

return {
  any = {
    EPERM = bpf,
    EMFILE = too_many_files,
    ENOSYS = "this kernel has no bpf(2), or a seccomp filter hides it",
  },
  cgroup = {
    ENOENT = "there is no such directory",
    ENOTDIR = "a cgroup is a directory",
  },
  device = {ENODEV = "there is no such network device in this network namespace"},
  link = on_hook {ENOENT = removed},
  ["link xdp"] = {EPERM = admin},
  ["link sk_lookup"] = {EPERM = admin},
  ["link flow_dissector"] = {EPERM = admin},
  ["link netfilter"] = {EPERM = admin},
  ["link sockmap"] = {EPERM = admin, EBUSY = "another program of this attach type is on the map"},
  ["link lines"] = {EINVAL = "only the link of an iterator program has lines"},
  ["link struct_ops"] = {
    EEXIST = "another of its name is registered: link:update on its link would replace it",
    EINVAL = "the kernel was given no functions for it, or refuses them",
  },
  ["link usdt"] = {
    ENOENT = "there is no such file, no such probe in it, or this kernel has no uprobes",
    ESRCH = "the program was compiled without bpf/usdt.bpf.h, which has the maps that libbpf needs",
    E2BIG = "the Object has no room for another: BPF_USDT_MAX_SPEC_CNT, set before bpf/usdt.bpf.h, is how many places",
    EEXIST = "before Linux 5.15 an Object has one link on a place: another is there",
    EOPNOTSUPP = "before Linux 5.15 libbpf attaches to position-dependent programs only, not to shared libraries",
  },
  ["link auto"] = {
    EOPNOTSUPP = "the section says of which type the program is, not where it goes: use the function of that hook",
    ENOENT = "what the section names is not in this kernel or file, or tracefs is not mounted",
    ESRCH = "the kernel has no such function, or none that can be traced",
  },
  netns = {
    ENOENT = "there is no such file or process",
    ESRCH = "there is no such process",
    EBADF = "the descriptor is not open",
  },
  attach = on_hook {ENOENT = removed},
  replace = on_hook {},
  detach = on_hook {},
  query = on_hook {EPERM = query, ENOENT = removed, EINVAL = "this kernel does not know the attach type"},
  ["link update"] = {
    EPERM = "the link does not run the program given as the old one",
    ENOLINK = "the link is severed: it was detached, or its cgroup, device or network namespace is gone",
    EINVAL = "the new program or struct_ops is of another type or name, or this type of link can't be updated",
    EEXIST = "the new program is attached to this hook already",
    EOPNOTSUPP = "this type of link can't be updated",
  },
  ["link detach"] = {
    EOPNOTSUPP = "this type of link can't be detached: close it, and remove its pins",
  },
  from_id = {
    EPERM = sys_admin,
    ENOENT = "there is none of this id",
    EOPNOTSUPP = no_proc,
    EAGAIN = "the link is being made by another process just now",
  },
  from_fd = {
    EBADF = "the descriptor is not open",
    EINVAL = "the descriptor is none of a BPF object",
    EOPNOTSUPP = no_proc,
  },
  each = {EPERM = sys_admin},
  ["program load"] = {
    EPERM = load,
    EACCES = "the verifier refused the program",
    EINVAL = "the verifier refused the program, or its type and attach type don't fit",
    E2BIG = "the program has too many instructions, or too many for the verifier to follow",
    EBADF = "an instruction names a map by a descriptor that is not open",
  },
  ["rootlet load"] = {
    EPERM = load,
    EACCES = "the verifier refused the program",
    EINVAL = "the verifier refused the program",
    E2BIG = "the program has too many instructions, or too many for the verifier to follow",
  },
  ["rootlet open"] = {EPERM = admin},
  ["slot attach"] = {
    EPERM = bpf,
    EINVAL = "the program does not fit: it was loaded for a function of another kind",
    EBUSY = "the slot is taken",
    ENOTSUPP = "this architecture can't replace functions of running programs (BPF trampolines)",
  },
  token = {ENOENT = "there is no such directory", ENOTDIR = "the root of a bpffs is a directory"},
  ["token create"] = {
    EPERM = token,
    EINVAL = "the directory is not the root of a BPF file system (bpffs)",
    ENOENT = "the file system delegates nothing: it was mounted without delegate_cmds and its like",
    EOPNOTSUPP = "the file system and this process are of the first user namespace, where capabilities count",
  },
  ["object load"] = {
    EPERM = load,
    EACCES = "the verifier refused a program",
    EINVAL = "the verifier refused a program, or the kernel lacks what the object asks for",
  },
  ["object open"] = {
    ENOENT = "there is no such file",
  },
  ["map create"] = {
    EPERM = bpf,
    EINVAL = "the kernel has no such map type, or the sizes don't fit it",
  },
  ["map get"] = {
    ENOTSUPP = unreadable,
    EOPNOTSUPP = unreadable,
    ENOSPC = socket_values,
    EPERM = "the map is write-only for user space",
    EBADF = "the key is the descriptor of a socket, process or cgroup, and this is none",
  },
  ["map types"] = {EPERM = sys_admin},
  ["map set"] = {
    EEXIST = "there is such a key already",
    ENOENT = "there is no such key",
    E2BIG = "the map is full (max_entries), or the key is beyond its last",
    EPERM = frozen,
    EBADF = "the map holds descriptors of one kind, and this is none of them",
    EINVAL = "the map takes no such value: a program of another type than its first, a map unlike its inner one, "
      .. "a device that isn't there; or only programs write to this type of map",
    ENOTSOCK = "the map holds sockets, and this descriptor is none's",
    EOPNOTSUPP = "the map holds sockets of another kind, or in another state",
  },
  ["map delete"] = {
    EINVAL = "elements of this type of map can't be deleted, or this one can't",
    EPERM = frozen,
  },
  ["map get_and_delete"] = {
    ENOTSUPP = "only hashes (since Linux 5.14), queues and stacks can do this",
    EPERM = frozen,
  },
  ["map push"] = {E2BIG = "the map is full (max_entries): \"exist\" would drop the oldest", EPERM = frozen},
  ["map pop"] = {EPERM = frozen},
  ["map each"] = walking {},
  ["map dump"] = walking {},
  ["map batch_get"] = walking {},
  ["map batch_get_and_delete"] = {
    ENOTSUPP = "this type of map can't do this: only hashes can",
    EPERM = frozen,
  },
  ["map batch_set"] = {
    EEXIST = "there is such a key already",
    ENOENT = "there is no such key",
    E2BIG = "the map is full (max_entries), or the key is beyond its last",
    EPERM = frozen,
  },
  ["map batch_delete"] = {
    EINVAL = "elements of this type of map can't be deleted: clear makes an array zero",
    EPERM = frozen,
  },
  ["map clear"] = {
    EPERM = frozen,
    ENOTSUPP = no_walk,
    EOPNOTSUPP = "elements of this type of map can't be deleted",
  },
  ["map freeze"] = {
    EBUSY = "the map is frozen already, or mapped into a process that may write",
    EPERM = "the map is frozen already, or read-only for user space",
    ENOTSUPP = "maps of this type, or with timers or the like in their values, can't be frozen",
  },
  ["user_ringbuf push"] = {
    ENOSPC = "the ring is full until a program drains it",
    E2BIG = "the record is larger than the whole ring",
  },
  pin = {
    ENOENT = "the directory does not exist: mkdir = true would make it",
    ENOTDIR = "what should be the directory is none",
  },
  ["pin put"] = {
    EEXIST = "the name is taken: swap() would replace it",
    ENOENT = "the directory was removed",
  },
  ["pin get"] = {
    ENOENT = "nothing is pinned there",
    EACCES = "permission denied, or there is a directory or something else that is no pin",
    EOPNOTSUPP = no_proc,
    EINVAL = "there is something that is no program, map or link",
  },
  ["pin swap"] = {
    EPERM = others,
    EISDIR = "there is a directory",
    ENOENT = "the directory was removed",
  },
  ["pin remove"] = {
    ENOENT = "nothing is pinned there",
    EISDIR = "there is a directory",
    EPERM = others,
  },
  ["pin each"] = {ENOENT = "there is no such directory"},
  ["pin mount"] = {
    EPERM = sys_admin,
    ENOENT = "there is no such directory",
  },
  ["pin lock"] = {
    EAGAIN = "the lock is held, by another process or by another handle of this one",
    ENOENT = "there is no such directory",
  },
}
