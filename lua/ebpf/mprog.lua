--- Mprog: the ordered list of programs on one hook, as the kernel runs it.
-- A program is attached by a link, which belongs to whoever holds it (link), or without one, and then it belongs to
-- the hook (attach). Nothing is overwritten or detached that the caller didn't name.
-- Hooks come from Cgroup:mprog, and for network devices from mprog.open.
-- @module ebpf.mprog

local anchors = require "ebpf.anchors"
local changes = require "ebpf.changes"
local core = require "ebpf.core"
local device = require "ebpf.device"
local diagnose = require "ebpf.diagnose"
local errors = require "ebpf.errors"
local features = require "ebpf.features"
local named = require "ebpf.named"
local options = require "ebpf.options"
local origin = require "ebpf.origin"
local snapshot = require "ebpf.snapshot"
local transact = require "ebpf.transact"

local M = {}
local methods = core.mprog.methods
local attach_plain, link_plain, note = core.mprog.attach_plain, core.mprog.link_plain, origin.note -- called most
local flag = core.abi.constants
local errno_of = errors.errno

--- The hook of one attach type on a network device.
-- @tparam string|int dev name or index
-- @string attach_type "tcx_ingress", "tcx_egress", "netkit_primary" or "netkit_peer"; a netkit's two hooks are both
-- addressed by its primary device
-- @treturn[1] Mprog
-- @treturn[2] nil
-- @treturn[2] string message
-- @treturn[2] int errno: ENODEV (no such device), ENOTSUP (this kernel has none), ENXIO (the device is no netkit),
-- EACCES (it is a netkit's peer)
-- @see bpf(2)
-- @kernel BPF_PROG_QUERY (tcx: Linux 6.6; netkit: 6.7); drivers/net/netkit.c, kernel/bpf/tcx.c
-- @usage local hook = assert(ebpf.mprog.open("eth0", "tcx_ingress"))
function M.open(dev, attach_type)
  local number = options.name("mprog.open", 2, attach_type, core.names.attach_type, "attach type")
  local family = attach_type:match "^(tcx)_" or attach_type:match "^(netkit)_"
  if not family then
    error(("bad argument '2' to 'mprog.open' (%s is no attach type of network devices)"):format(attach_type), 2)
  end
  local index, name, missing = device.resolve("mprog.open", 1, dev)
  if not index then
    return nil, name, missing
  end
  local have, message, absent = features.need(family, "mprog", attach_type .. " on " .. name)
  if not have then
    return nil, message, absent
  end
  local hook = core.mprog.new(nil, index, number, 0, name)
  local flags
  flags, message, absent = core.mprog.mode(hook)
  if flags or absent == errno_of.EPERM then -- what may not be queried may yet be used
    return hook
  end
  hook:close()
  return nil, message, absent
end

local link_options = {before = "any", after = "any", at = "string", preorder = "boolean", revision = "revision"}

--- Attach a program by a link: it stays while the link, or a pin of it, does.
-- @tparam Program program
-- @tparam[opt] table opts at most one of `before` and `after` (a Link, an entry of a snapshot or {link_id = n}; on
-- devices a program too) and `at` ("head" or "tail"); `preorder` = true (cgroups: runs before what isn't, ancestors
-- first); `revision` = n (refuse if the list changed since). Default: the end.
-- @treturn[1] Link
-- @treturn[2] nil
-- @treturn[2] string message
-- @treturn[2] int errno: EPERM (no CAP_NET_ADMIN; programs without a link in another mode), ESTALE (revision),
-- ENOENT (the anchor isn't there; the cgroup was removed), EINVAL (wrong kind of program or anchor), E2BIG (full),
-- ENOTSUP (no such ordering in this kernel)
-- @see bpf(2)
-- @kernel BPF_LINK_CREATE (cgroups: Linux 5.7; order, revision and preorder of cgroup links: 6.17)
-- @usage local link = assert(hook:link(program, {before = other, revision = hook:query().revision}))
function methods:link(program, opts)
  local link, message, number = false, nil, nil
  local relative, revision = 0, nil
  if opts == nil then
    link, message, number = link_plain(self, program) -- false: not what it should be
  end
  if link == false then
    local flags
    options.expect("hook:link", "self", self, "mprog")
    options.expect("hook:link", 1, program, "program")
    opts = options.check("hook:link", opts, link_options)
    if opts.preorder ~= nil and core.mprog.on_device(self) then
      error("option 'preorder' to 'hook:link' is for cgroups", 2)
    end
    local key = anchors.position("hook:link", opts)
    flags, relative, number = anchors.place("hook:link", opts, key, "link", core.mprog.describe(self))
    if not flags then
      return nil, relative, number
    end
    revision = opts.revision
    link, message, number = core.mprog.link(self, program, flags, relative, revision)
  end
  if not link then
    return diagnose.failure({operation = "link", hook = self, program = program, anchored = relative ~= 0,
      revision = revision}, message, number)
  end
  note(link)
  return link
end

local modes = {"multi", "override", "exclusive"}
local cgroup_options = {"mode", "overwrite", "preorder"}
local attach_options = {
  before = "any", after = "any", at = "string", preorder = "boolean", revision = "revision", mode = "string",
  overwrite = "boolean",
}

--- Attach a program without a link: it stays until it is detached, or the cgroup is removed.
-- @tparam Program program
-- @tparam[opt] table opts position as for link, where anchors are programs attached without a link; `preorder`,
-- `revision`; `mode`: "multi" (default), or "override" and "exclusive", which hold one program a cgroup (override:
-- one below takes its place; exclusive: none may be below) and replace a present one only with `overwrite` = true
-- @treturn[1] Attachment
-- @treturn[2] nil
-- @treturn[2] string message
-- @treturn[2] int errno: EEXIST (the program is there already; a mode of one, and it is taken), EPERM (no
-- CAP_NET_ADMIN; another mode here or above), ESTALE, ENOENT, EINVAL, E2BIG (full: 64), ENOTSUP
-- @see bpf(2)
-- @kernel BPF_PROG_ATTACH (cgroups: Linux 4.10, multi 4.15, preorder 6.15, order and revision 6.17)
function methods:attach(program, opts)
  local attachment, message, number = false, nil, nil
  local mode, relative, revision = "multi", 0, nil
  if opts == nil then
    attachment, message, number = attach_plain(self, program) -- false: not what it should be
  end
  if attachment == false then
    options.expect("hook:attach", "self", self, "mprog")
    options.expect("hook:attach", 1, program, "program")
    opts = options.check("hook:attach", opts, attach_options)
    mode = options.one_of("hook:attach", "mode", opts.mode or mode, modes)
    local on_device = core.mprog.on_device(self)
    for _, name in ipairs(cgroup_options) do
      if on_device and opts[name] ~= nil then
        error(("option '%s' to 'hook:attach' is for cgroups"):format(name), 2)
      end
    end
    if mode == "multi" and opts.overwrite ~= nil then
      error("option 'overwrite' to 'hook:attach' goes with mode override or exclusive", 2)
    end
    local key = anchors.position("hook:attach", opts)
    if mode ~= "multi" and (key or opts.preorder) then
      error(("option '%s' to 'hook:attach' goes with mode multi: the others hold one program"):format(
        key or "preorder"), 2)
    end
    local flags
    flags, relative, number = anchors.place("hook:attach", opts, key, "program", core.mprog.describe(self))
    if not flags then
      return nil, relative, number
    end
    revision = opts.revision
    if mode == "multi" then
      flags = flags + (on_device and 0 or flag.F_ALLOW_MULTI)
      attachment, message, number = core.mprog.attach(self, program, flags, relative, revision)
    else
      attachment, message, number = changes.attach_single(self, program, opts)
    end
  end
  if attachment then
    return attachment
  end
  return diagnose.failure({operation = "attach", hook = self, program = program, anchored = relative ~= 0,
    revision = revision, mode = mode}, message, number)
end

--- Put a program in another's place, whatever its position: no packet meets both or neither.
-- The Attachment returned is a new handle: close the old one, or call Attachment:replace, which has one for all.
-- @param old what to replace: a Program, an Attachment, or an entry of a snapshot
-- @tparam Program new
-- @tparam[opt] table opts `revision`; `preorder`: whether the new one is. Default: as the old one, which an Attachment
-- knows, and which else shows where the old one runs ahead of one that stands before it in the list
-- @treturn[1] Attachment
-- @treturn[2] nil
-- @treturn[2] string message
-- @treturn[2] int errno: ENOENT (old isn't attached here), EBUSY (a link owns it: use link:update), EEXIST (new is
-- here already), ESTALE, EPERM, E2BIG (the kernel refuses while 64 are attached)
-- @see bpf(2)
-- @kernel BPF_PROG_ATTACH with BPF_F_REPLACE (cgroups: Linux 5.6)
function methods:replace(old, new, opts)
  options.expect("hook:replace", "self", self, "mprog")
  options.expect("hook:replace", 2, new, "program")
  opts = options.check("hook:replace", opts, {revision = "revision", preorder = "boolean"})
  if opts.preorder ~= nil and core.mprog.on_device(self) then
    error("option 'preorder' to 'hook:replace' is for cgroups", 2)
  end
  local handle, opened, number = named.program("hook:replace", "replace", self, old)
  if not handle then
    return nil, opened, number
  end
  local have, message, absent = changes.need_order(self, "replace", opts)
  local attachment
  if have then
    attachment, message, absent = changes.replace_on(self, handle, new, opts)
  end
  if opened then
    handle:close()
  end
  return attachment, message, absent
end

--- Take one program off that is attached without a link.
-- @param program a Program, an Attachment or an entry of a snapshot; nil with `at`
-- @tparam[opt] table opts `revision`; `at` = "head" or "tail": whatever is first or last
-- @treturn[1] true
-- @treturn[2] nil
-- @treturn[2] string message
-- @treturn[2] int errno: ENOENT (not attached here), EBUSY (a link owns it: use link:detach), ESTALE, EPERM
-- @see bpf(2)
-- @kernel BPF_PROG_DETACH
function methods:detach(program, opts)
  options.expect("hook:detach", "self", self, "mprog")
  opts = options.check("hook:detach", opts, {revision = "revision", at = "string"})
  if (program == nil) == (opts.at == nil) then
    error("bad argument '1' to 'hook:detach' (a program, or the option 'at', and not both)", 2)
  end
  local have, message, number = changes.need_order(self, "detach", opts)
  if not have then
    return nil, message, number
  end
  if opts.at then
    options.one_of("hook:detach", "at", opts.at, {"head", "tail"})
    return changes.detach_at(self, opts)
  end
  local handle, opened
  handle, opened, number = named.program("hook:detach", "detach", self, program)
  if not handle then
    return nil, opened, number
  end
  local done
  done, message, number = changes.detach_from(self, handle, opts)
  if opened then
    handle:close()
  end
  return done, message, number
end

--- What is attached, in the order it runs.
-- @tparam[opt] table opts `effective` = true: what really runs here, the cgroups above and preorder in place (no
-- revision, no mode); `links` = false: don't look for link ids, which on cgroups costs a walk over the system's links
-- @treturn[1] table snapshot: a list of entries {program_id = n, link_id = n | nil}, with `revision` (nil where the
-- kernel keeps none) and `mode` ("multi", "override", "exclusive"; nil when empty). Where a program is attached
-- several times here, its entries have `link_ids`, the candidates. `links_unknown` is a message where links can't
-- be walked (no CAP_SYS_ADMIN), `skipped` counts links that could not be opened, `unsettled` is true if the list
-- never stood still, or a link stayed half dead: then an entry without a link_id may have one. In the instant between
-- the kernel forgetting a dying link's id and taking its program off, nothing tells that it had one. An empty netkit
-- hook hides its revision: it is found by refused attaching, with a program loaded for that, or `revision_unknown` is a
-- message (no CAP_BPF; more than 65,536 changes that this handle hasn't seen).
-- @treturn[2] nil, message, errno: EPERM (no CAP_NET_ADMIN), ENOENT (the cgroup was removed), ENOTSUP (no such hook)
-- @see bpf(2)
-- @kernel BPF_PROG_QUERY (Linux 4.15; revision on cgroups 6.17)
-- @usage for position, entry in ipairs(assert(hook:query())) do print(position, entry.program_id, entry.link_id) end
function methods:query(opts)
  options.expect("hook:query", "self", self, "mprog")
  opts = options.check("hook:query", opts, {effective = "boolean", links = "boolean"})
  if opts.effective and core.mprog.on_device(self) then
    error("option 'effective' to 'hook:query' is for cgroups: a device has nothing above it", 2)
  end
  return snapshot.take(self, opts.effective, opts.links ~= false)
end

--- Decide from what is there, and change it only if it is still so: query, decide, attach; again on ESTALE.
-- @tparam function decide called with a snapshot and the hook at that revision, whose link, attach, replace and
-- detach carry the revision: one change a call. What it returns is returned.
-- @tparam[opt] table opts `tries` (default 16); `links` = false as for query
-- @return[1] what decide returned
-- @treturn[2] nil
-- @treturn[2] string message
-- @treturn[2] int errno: ESTALE (the order changed at every try), ENOTSUP (this kernel keeps no revisions)
-- @usage hook:transact(function(snapshot, at) return at:link(program, {before = snapshot[1]}) end)
function methods:transact(decide, opts)
  options.expect("hook:transact", "self", self, "mprog")
  options.expect("hook:transact", 1, decide, "function")
  opts = options.check("hook:transact", opts, {tries = "count", links = "boolean"})
  local have, message, number = changes.need_order(self, "transact", {revision = true})
  if not have then
    return nil, message, number
  end
  return transact.run(self, decide, opts.tries, opts.links ~= false)
end

--- What the hook is: attach_type, where (path or device), cgroup_id or ifindex.
-- @treturn table
function methods:describe()
  options.expect("hook:describe", "self", self, "mprog")
  return core.mprog.describe(self)
end

return M
