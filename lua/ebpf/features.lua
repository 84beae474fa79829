--- What this kernel can do, found by probes: calls that can't succeed and change nothing.
-- Never by its version: distributions backport. A probe answers yes, no, or "cannot tell" with the errno; only yes
-- and no are remembered.
-- @module ebpf.features

local capabilities = require "ebpf.capabilities"
local core = require "ebpf.core"
local errors = require "ebpf.errors"

local errno = errors.errno
local M = {}

local attach_type, program_type = core.names.attach_type, core.names.program_type
local ingress = attach_type.cgroup_inet_ingress
local flag = core.abi.constants

local NO_DEVICE, LOOPBACK = 0, 1 -- the index that no device has; that of lo in every network namespace

-- Each probe ends at a descriptor or a device that isn't there (yes), or before it is looked at: at a flag or a command
-- that the kernel doesn't know (no). Any other errno can't tell. `hook` is where it applies and
-- `can` what one can do there, for README's table: make features-table.
local probes = {
  cgroup_link = {
    hook = "cgroup",
    can = "`hook:link`: links, `link:update`, pins",
    what = "links on cgroups", since = "5.7", yes = errno.EBADF, no = errno.EINVAL,
    probe = function() return core.probe.link_create(ingress) end,
  },
  cgroup_replace = {
    hook = "cgroup",
    can = "`hook:replace`: swap a program in place",
    what = "replacing a program on a cgroup in place", since = "5.6", yes = errno.EBADF, no = errno.EINVAL,
    probe = function() return core.probe.prog_attach(ingress, flag.F_ALLOW_MULTI + flag.F_REPLACE) end,
  },
  cgroup_preorder = {
    hook = "cgroup",
    can = "`preorder` of programs attached without a link",
    what = "preorder on cgroups", since = "6.15", yes = errno.EBADF, no = errno.EINVAL,
    probe = function() return core.probe.prog_attach(ingress, flag.F_ALLOW_MULTI + flag.F_PREORDER) end,
  },
  -- the same commit (1209339844601) gave links their flags, so preorder of a link hangs on this one too
  cgroup_order = {
    hook = "cgroup",
    can = "`before`, `after`, `at`, `revision`, `transact`; `preorder` of links",
    what = "the order of programs on cgroups (before, after, at, revision, preorder of links)", since = "6.17",
    yes = errno.EBADF, no = errno.EINVAL,
    probe = function() return core.probe.prog_attach(ingress, flag.F_ALLOW_MULTI + flag.F_BEFORE) end,
  },
  tcx = {
    hook = "tcx",
    can = "`tcx_ingress`, `tcx_egress`: link, attach, replace, detach, order, revision, link ids",
    what = "tcx", since = "6.6", yes = errno.ENODEV, no = errno.EINVAL,
    probe = function() return core.probe.prog_query(core.names.attach_type.tcx_ingress, NO_DEVICE) end,
  },
  netkit = {
    hook = "netkit",
    can = "`netkit_primary`, `netkit_peer`: the same as tcx",
    what = "netkit", since = "6.7", yes = errno.ENODEV, no = errno.EINVAL,
    probe = function() return core.probe.prog_query(core.names.attach_type.netkit_primary, NO_DEVICE) end,
  },
  link_detach = {
    hook = "any link",
    can = "`link:detach`: off at once, whoever else holds it",
    what = "detaching a link that others hold", since = "5.9", yes = errno.EBADF, no = errno.EINVAL,
    probe = function() return core.probe.link_detach() end,
  },
  token = {
    hook = "user namespaces",
    can = "`ebpf.token.open`: programs, maps and BTF as far as a bpffs delegates them",
    what = "a BPF token", since = "6.9", yes = errno.EBADF, no = errno.EINVAL,
    probe = function() return core.probe.token() end,
  },
  -- the next load a program of two instructions for a moment, since the kernel looks at the rest only then
  -- offloading to loopback, which no kernel does, and says so where it knows XDP links
  xdp_link = {
    hook = "XDP",
    can = "`ebpf.link.xdp`: one program a device and mode",
    what = "a link on XDP", since = "5.9", yes = errno.EOPNOTSUPP, no = errno.EINVAL,
    probe = function()
      return core.probe.link_of(program_type.xdp, attach_type.xdp, LOOPBACK, flag.XDP_HW_MODE)
    end,
  },
  netns_link = {
    hook = "network namespace",
    can = "`ebpf.link.netns`: sk_lookup, flow_dissector",
    what = "a link on a network namespace", since = "5.8", yes = errno.EBADF, no = errno.EINVAL,
    probe = function() return core.probe.link_of(program_type.sk_lookup, attach_type.sk_lookup) end,
  },
  netfilter_link = {
    hook = "netfilter",
    can = "`ebpf.link.netfilter`",
    what = "a link of netfilter", since = "6.4", yes = errno.EAFNOSUPPORT, no = errno.EINVAL,
    probe = function() return core.probe.link_of(program_type.netfilter, attach_type.netfilter) end,
  },
  sockmap_link = {
    hook = "sockmap",
    can = "`ebpf.link.sockmap`",
    what = "a link on a sockmap", since = "6.10", yes = errno.EBADF, no = errno.EINVAL,
    probe = function() return core.probe.link_of(program_type.sk_msg, attach_type.sk_msg_verdict) end,
  },
  -- a map of a type that no kernel has: before 6.4 it ends at the flag
  struct_ops_link = {
    hook = "struct_ops",
    can = "`ebpf.link.auto` of a struct_ops map",
    what = "a link of struct_ops", since = "6.4", yes = errno.ENOTSUPP, no = errno.EINVAL,
    probe = function() return core.probe.struct_ops() end,
  },
  -- the kernel says EINVAL of a type that it doesn't know as well, but its verifier then has no words: 0 is words
  freplace = {
    hook = "function of a program",
    can = "`ebpf.link.freplace`, `ebpf.rootlet`: programs that replace it",
    what = "a program that replaces a function of another (freplace)", since = "5.6", yes = 0, no = errno.EINVAL,
    probe = function() return core.probe.freplace() end,
  },
  map_batch = {
    hook = "maps",
    can = "`map:each`, `dump`, `clear`, `batch_get` … by the kernel's batches (before, key by key)",
    what = "batches of map elements", since = "5.6", yes = errno.EBADF, no = errno.EINVAL,
    probe = function() return core.probe.map_batch() end,
  },
  map_get_and_delete = {
    hook = "maps",
    can = "`map:get_and_delete` of hashes (before, only of queues and stacks)",
    what = "reading and deleting a hash's element in one", since = "5.14", yes = errno.ENOENT, no = errno.ENOTSUPP,
    probe = function() return core.probe.map_get_and_delete() end,
  },
  pin_path_fd = {
    hook = "pins",
    can = "relative to the directory's descriptor (before, through /proc)",
    what = "pins relative to a directory's descriptor", since = "6.5", yes = errno.EBADF, no = errno.EINVAL,
    probe = function() return core.probe.path_fd() end,
  },
}

local known = {}

--- Whether the kernel has a feature.
-- @string name
-- @treturn[1] boolean
-- @treturn[2] nil it can't be told
-- @treturn[2] int errno of the probe
function M.have(name)
  if known[name] == nil then
    local row = probes[name]
    local number = row.probe()
    if number == row.yes then
      known[name] = true
    elseif number == row.no then
      known[name] = false
    else
      return nil, number
    end
  end
  return known[name]
end

--- true, or the failure to return: ENOTSUP where it is absent, the probe's errno where it can't be told.
-- @string name
-- @string operation
-- @string subject
function M.need(name, operation, subject)
  local have, number = M.have(name)
  local row = probes[name]
  if have then
    return true
  end
  if have == false then
    local why = ("%s needs Linux %s (probed: absent)"):format(row.what, row.since)
    return errors.fail(operation, subject, "ENOTSUP", why)
  end
  local lacking = number == errno.EPERM and capabilities.missing {"CAP_BPF", "CAP_NET_ADMIN"}
  return errors.fail(operation, subject, number, ("cannot tell whether this kernel has %s (since Linux %s)%s"):format(
    row.what, row.since, lacking and ": " .. lacking or ""))
end

--- Every feature that the library asks for before it relies on it.
-- @treturn table by name: {supported = boolean | nil, errno = int | nil, since = string, hook = string, what = string,
-- can = string}; supported is nil where it can't be told, and errno says why; hook is where it applies ("cgroup",
-- "tcx", "netkit", "any link", "pins" …), can what one can do there
-- @usage for name, feature in pairs(ebpf.features()) do print(name, feature.supported, feature.since) end
function M.all()
  local result = {}
  for name, row in pairs(probes) do
    local have, number = M.have(name)
    result[name] = {
      supported = have, errno = number, since = row.since, hook = row.hook, what = row.what, can = row.can,
    }
  end
  return result
end

return M
