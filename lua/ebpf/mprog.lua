--- Mprog: the ordered list of programs on one hook, as the kernel runs it.
-- A program is attached by a link, which belongs to whoever holds it (link), or without one, and then it belongs to
-- the hook (attach). Nothing is overwritten or detached that the caller didn't name.
-- Hooks come from Cgroup:mprog, and for network devices from mprog.open.
-- @module ebpf.mprog

local anchors = require "ebpf.anchors"
local core = require "ebpf.core"
local device = require "ebpf.device"
local diagnose = require "ebpf.diagnose"
local errors = require "ebpf.errors"
local features = require "ebpf.features"
local options = require "ebpf.options"
local origin = require "ebpf.origin"
local snapshot = require "ebpf.snapshot"

local M = {}
local methods = core.mprog.methods
local flag = core.abi.constants
local errno_of = errors.errno
local TRIES = 16
local unpack = table.unpack or unpack -- luacheck: ignore

local function pack(...)
  return {n = select("#", ...), ...}
end

--- The hook of one attach type on a network device.
-- @tparam string|int dev name or index
-- @string attach_type "tcx_ingress", "tcx_egress", "netkit_primary" or "netkit_peer"; a netkit's two hooks are both
-- addressed by its primary device
-- @treturn[1] Mprog
-- @treturn[2] nil
-- @treturn[2] string message
-- @treturn[2] int errno: ENODEV (no such device), ENOTSUP (this kernel has none), ENXIO (the device is no netkit),
-- EACCES (it is a netkit's peer)
-- @see bpf(2), BPF_PROG_QUERY (tcx: Linux 6.6; netkit: 6.7); drivers/net/netkit.c, kernel/bpf/tcx.c
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

local function subject_of(hook)
  local description = core.mprog.describe(hook)
  return description.attach_type .. " on " .. description.where
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
-- @see bpf(2), BPF_LINK_CREATE (cgroups: Linux 5.7; order, revision and preorder of cgroup links: 6.17)
-- @usage local link = assert(hook:link(program, {before = other, revision = hook:query().revision}))
function methods:link(program, opts)
  options.expect("hook:link", "self", self, "mprog")
  options.expect("hook:link", 1, program, "program")
  opts = options.check("hook:link", opts, link_options)
  if opts.preorder ~= nil and core.mprog.describe(self).ifindex then
    error("option 'preorder' to 'hook:link' is for cgroups", 2)
  end
  local key = anchors.position("hook:link", opts)
  local flags, relative, number = anchors.place("hook:link", opts, key, "link", core.mprog.describe(self))
  if not flags then
    return nil, relative, number
  end
  local link, message
  link, message, number = core.mprog.link(self, program, flags, relative, opts.revision)
  if not link then
    return diagnose.failure({operation = "link", hook = self, program = program, anchored = relative ~= 0,
      revision = opts.revision}, message, number)
  end
  origin.note(link)
  return link
end

local attach_options = {
  before = "any", after = "any", at = "string", preorder = "boolean", revision = "revision", mode = "string",
  overwrite = "boolean",
}

local mode_flags = {multi = flag.F_ALLOW_MULTI, override = flag.F_ALLOW_OVERRIDE, exclusive = 0}

-- In these modes the kernel replaces what is there without a word. So look first; and where there are revisions,
-- let the kernel refuse if somebody came in between.
local function attach_single(hook, program, opts)
  for _ = 1, TRIES do
    local present, count, revision = core.mprog.mode(hook)
    if not present then
      return nil, count, revision
    end
    local same_mode = snapshot.mode_of(present, count) == opts.mode -- in another one the kernel refuses anyway
    if same_mode and not opts.overwrite then
      local list = snapshot.take(hook, false, false)
      local entry = list and list[1]
      return errors.fail("attach", subject_of(hook), "EEXIST", ("program %s is attached, and mode %s would replace it: "
        .. "overwrite = true if that is meant"):format(entry and entry.program_id or "?", opts.mode))
    end
    local attachment, message, number = core.mprog.attach(hook, program, mode_flags[opts.mode], 0,
      opts.revision or revision)
    if attachment or number ~= errno_of.ESTALE or opts.revision then
      return attachment, message, number
    end
  end
  return errors.fail("attach", subject_of(hook), "ESTALE", ("the hook changed %d times meanwhile"):format(TRIES))
end

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
-- @see bpf(2), BPF_PROG_ATTACH (cgroups: Linux 4.10, multi 4.15, preorder 6.15, order and revision 6.17)
function methods:attach(program, opts)
  options.expect("hook:attach", "self", self, "mprog")
  options.expect("hook:attach", 1, program, "program")
  opts = options.check("hook:attach", opts, attach_options)
  local mode = options.one_of("hook:attach", "mode", opts.mode or "multi", {"multi", "override", "exclusive"})
  local on_device = core.mprog.describe(self).ifindex ~= nil
  for _, name in ipairs {"mode", "overwrite", "preorder"} do
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
  local flags, relative, number = anchors.place("hook:attach", opts, key, "program", core.mprog.describe(self))
  if not flags then
    return nil, relative, number
  end
  local attachment, message
  if mode == "multi" then
    flags = flags + (on_device and 0 or flag.F_ALLOW_MULTI)
    attachment, message, number = core.mprog.attach(self, program, flags, relative, opts.revision)
  else
    attachment, message, number = attach_single(self, program, opts)
  end
  if attachment then
    return attachment
  end
  return diagnose.failure({operation = "attach", hook = self, program = program, anchored = relative ~= 0,
    revision = opts.revision, mode = mode}, message, number)
end

-- The link that a value names: a Link's id, or an entry's. Where an entry's program is there several times, its link is
-- one of several, and whether it has one is the kernel's to say.
local function named_link(what, named)
  local class = options.class(named)
  if class == "link" then
    options.expect(what, 1, named, "link")
    return named:id()
  end
  if class ~= "table" then
    return nil
  end
  for _, key in ipairs {"link_id", "program_id"} do
    local id = named[key]
    if id ~= nil and (type(id) ~= "number" or id < 1 or id % 1 ~= 0) then
      error(("bad argument '1' to '%s' (%s is an id, not %s)"):format(what, key, tostring(id)), 4)
    end
  end
  return named.link_id
end

-- Whether a link is on the hook: a device's list tells, on a cgroup the link itself. What can't be told counts as yes:
-- the caller has it from a query.
local function has_link(hook, named, link_id)
  local here = core.mprog.describe(hook)
  if here.ifindex then
    local list = core.mprog.query(hook, 0)
    for _, entry in ipairs(list or {}) do
      if entry.link_id == link_id then
        return true
      end
    end
    return list == nil
  end
  local link, _, number = named, nil, nil
  if options.class(named) ~= "link" then
    link, _, number = core.link.from_id(link_id)
  end
  if not link then
    return number ~= errno_of.ENOENT
  end
  local info = link:info()
  if link ~= named then
    link:close()
  end
  return not info or info.attach_type == here.attach_type and info.cgroup_id == here.cgroup_id
end

-- A handle for the program that is named, and whether it was opened just for that.
-- nil, message, errno where a link is what holds it, or it is gone.
local function named_program(what, operation, hook, named)
  local class = options.class(named)
  if class == "program" or class == "attachment" then
    options.expect(what, 1, named, "program", "attachment")
    return named, false
  end
  local link_id = named_link(what, named)
  if link_id then
    if not has_link(hook, named, link_id) then
      return errors.fail(operation, subject_of(hook), "ENOENT", ("link %d is not attached here"):format(link_id))
    end
    return errors.fail(operation, subject_of(hook), "EBUSY", ("the program is attached by link %d: use link:%s"):format(
      link_id, operation == "replace" and "update" or "detach"))
  end
  if class ~= "table" or not named.program_id then
    error(("bad argument '1' to '%s' (program, attachment or entry of a snapshot expected, got %s)"):format(what,
      named == nil and "no value" or class), 3)
  end
  local program, _, number = core.program.from_id(named.program_id)
  if not program then
    local gone = number == errno_of.ENOENT and ("there is no program %d any more"):format(named.program_id) or nil
    return errors.fail(operation, subject_of(hook), number, gone)
  end
  return program, true
end

local function id_of(handle)
  return handle.program_id and handle:program_id() or handle:id()
end

-- One program, mode override or exclusive: BPF_F_REPLACE is for lists only, and attaching replaces whatever is there.
local function replace_single(hook, old, program, opts, flags)
  for _ = 1, TRIES do
    local list, message, number = core.mprog.query(hook, 0)
    if not list then
      return nil, message, number
    end
    if #snapshot.find(list, id_of(old)) == 0 then
      return errors.fail("replace", subject_of(hook), "ENOENT", ("program %s is not attached here"):format(id_of(old)))
    end
    local attachment
    attachment, message, number = core.mprog.attach(hook, program, flags, 0, opts.revision or list.revision)
    if attachment or number ~= errno_of.ESTALE or opts.revision then
      return attachment, message, number
    end
  end
  return errors.fail("replace", subject_of(hook), "ESTALE", ("the hook changed %d times meanwhile"):format(TRIES))
end

-- A device's list refuses to replace a program by itself, which changes nothing and which a cgroup's accepts: it is
-- left as it is, if it is there and no link's.
local function replace_by_itself(hook, program, opts)
  local list = core.mprog.query(hook, 0)
  local entry = list and snapshot.find(list, program:id())[1]
  if entry and not entry.link_id and (not opts.revision or opts.revision == list.revision) then
    return core.mprog.holding(hook, program)
  end
end

-- The new attachment, for Mprog:replace and Attachment:replace alike.
function M.replace_on(hook, old, program, opts)
  local on_device = core.mprog.describe(hook).ifindex ~= nil
  local preorder = opts.preorder
  if options.class(old) == "attachment" and preorder == nil then
    preorder = core.attachment.flags(old) >= flag.F_PREORDER -- the kernel forgets it unless it is said again
  elseif preorder == nil and not on_device and features.have "cgroup_preorder" then
    preorder = snapshot.runs_ahead(hook, id_of(old))
  end
  local flags = on_device and 0 or flag.F_ALLOW_MULTI + (preorder and flag.F_PREORDER or 0)
  local attachment, message, number = core.mprog.attach(hook, program, flags, 0, opts.revision, old)
  if not attachment and on_device and number == errno_of.EEXIST and id_of(old) == program:id() then
    attachment = replace_by_itself(hook, program, opts)
  end
  if attachment then
    return attachment
  end
  local context = {operation = "replace", hook = hook, program = program, replaced_id = id_of(old),
    revision = opts.revision}
  local present, count = core.mprog.mode(hook)
  local mode = present and not on_device and snapshot.mode_of(present, count)
  if number == errno_of.EPERM and mode and mode ~= "multi" then
    context.mode = mode
    attachment, message, number = replace_single(hook, old, program, opts, mode_flags[mode])
    if attachment then
      return attachment
    end
  end
  return diagnose.failure(context, message, number)
end

function M.need_order(hook, operation, opts)
  if opts.revision and core.mprog.describe(hook).cgroup_id then
    return features.need("cgroup_order", operation, subject_of(hook))
  end
  return true
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
-- @see bpf(2), BPF_PROG_ATTACH with BPF_F_REPLACE (cgroups: Linux 5.6)
function methods:replace(old, new, opts)
  options.expect("hook:replace", "self", self, "mprog")
  options.expect("hook:replace", 2, new, "program")
  opts = options.check("hook:replace", opts, {revision = "revision", preorder = "boolean"})
  if opts.preorder ~= nil and core.mprog.describe(self).ifindex then
    error("option 'preorder' to 'hook:replace' is for cgroups", 2)
  end
  local handle, opened, number = named_program("hook:replace", "replace", self, old)
  if not handle then
    return nil, opened, number
  end
  local have, message, absent = M.need_order(self, "replace", opts)
  local attachment
  if have then
    attachment, message, absent = M.replace_on(self, handle, new, opts)
  end
  if opened then
    handle:close()
  end
  return attachment, message, absent
end

-- The kernel doesn't compare the program in these modes: any descriptor detaches what is there.
local function detach_named(hook, handle, opts)
  local revision = opts.revision
  local flags, count, current = core.mprog.mode(hook)
  if not flags then
    return nil, count, current
  end
  local mode = core.mprog.describe(hook).cgroup_id and snapshot.mode_of(flags, count)
  if mode and mode ~= "multi" then
    local list, message, number = core.mprog.query(hook, 0)
    if not list then
      return nil, message, number
    end
    if #snapshot.find(list, id_of(handle)) == 0 then
      return errors.fail("detach", subject_of(hook), "ENOENT", ("program %s is not attached here"):format(
        id_of(handle)))
    end
    revision = revision or list.revision
  end
  return core.mprog.detach(hook, handle, 0, 0, revision)
end

function M.detach_from(hook, handle, opts)
  local done, message, number
  for _ = 1, TRIES do
    done, message, number = detach_named(hook, handle, opts)
    if done then
      return true
    end
    if number ~= errno_of.ESTALE or opts.revision then
      break
    end
  end
  return diagnose.failure({operation = "detach", hook = hook, replaced_id = id_of(handle), revision = opts.revision},
    message, number)
end

-- Cgroups know no detaching by position, and on a device it would take off whatever stands there by then: the one that
-- is there is found and named.
local function detach_at(hook, opts)
  for _ = 1, TRIES do
    local list, message, number = snapshot.take(hook, false, true)
    if not list then
      return nil, message, number
    end
    local entry = list[opts.at == "head" and 1 or #list]
    if not entry then
      return errors.fail("detach", subject_of(hook), "ENOENT", "nothing is attached here")
    end
    local handle, opened
    if entry.link_ids then
      return errors.fail("detach", subject_of(hook), "EBUSY", ("program %d is attached several times here, and the one "
        .. "at the %s may be a link's: name what to detach"):format(entry.program_id, opts.at))
    end
    handle, opened, number = named_program("hook:detach", "detach", hook, entry)
    if not handle then
      return nil, opened, number
    end
    local done
    done, message, number = M.detach_from(hook, handle, {revision = opts.revision or list.revision})
    handle:close()
    if done or number ~= errno_of.ESTALE or opts.revision then
      return done, message, number
    end
  end
  return errors.fail("detach", subject_of(hook), "ESTALE", ("the order changed %d times meanwhile"):format(TRIES))
end

--- Take one program off that is attached without a link.
-- @param program a Program, an Attachment or an entry of a snapshot; nil with `at`
-- @tparam[opt] table opts `revision`; `at` = "head" or "tail": whatever is first or last
-- @treturn[1] true
-- @treturn[2] nil
-- @treturn[2] string message
-- @treturn[2] int errno: ENOENT (not attached here), EBUSY (a link owns it: use link:detach), ESTALE, EPERM
-- @see bpf(2), BPF_PROG_DETACH
function methods:detach(program, opts)
  options.expect("hook:detach", "self", self, "mprog")
  opts = options.check("hook:detach", opts, {revision = "revision", at = "string"})
  if (program == nil) == (opts.at == nil) then
    error("bad argument '1' to 'hook:detach' (a program, or the option 'at', and not both)", 2)
  end
  local have, message, number = M.need_order(self, "detach", opts)
  if not have then
    return nil, message, number
  end
  if opts.at then
    options.one_of("hook:detach", "at", opts.at, {"head", "tail"})
    return detach_at(self, opts)
  end
  local handle, opened
  handle, opened, number = named_program("hook:detach", "detach", self, program)
  if not handle then
    return nil, opened, number
  end
  local done
  done, message, number = M.detach_from(self, handle, opts)
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
-- the kernel forgetting a dying link's id and taking its program off, nothing tells that it had one.
-- @treturn[2] nil, message, errno: EPERM (no CAP_NET_ADMIN), ENOENT (the cgroup was removed), ENOTSUP (no such hook)
-- @see bpf(2), BPF_PROG_QUERY (Linux 4.15; revision on cgroups 6.17)
-- @usage for position, entry in ipairs(assert(hook:query())) do print(position, entry.program_id, entry.link_id) end
function methods:query(opts)
  options.expect("hook:query", "self", self, "mprog")
  opts = options.check("hook:query", opts, {effective = "boolean", links = "boolean"})
  if opts.effective and core.mprog.describe(self).ifindex then
    error("option 'effective' to 'hook:query' is for cgroups: a device has nothing above it", 2)
  end
  return snapshot.take(self, opts.effective, opts.links ~= false)
end

-- A hook at one revision: its changes carry it.
local function at_revision(hook, revision)
  local function with_revision(opts)
    local copy = {}
    if opts ~= nil and type(opts) ~= "table" then
      return opts -- for the method to refuse
    end
    for key, value in pairs(opts or {}) do
      copy[key] = value
    end
    copy.revision = revision
    return copy
  end
  return {
    link = function(_, program, opts) return hook:link(program, with_revision(opts)) end,
    attach = function(_, program, opts) return hook:attach(program, with_revision(opts)) end,
    replace = function(_, old, new, opts) return hook:replace(old, new, with_revision(opts)) end,
    detach = function(_, program, opts) return hook:detach(program, with_revision(opts)) end,
  }
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
  local have, message, number = M.need_order(self, "transact", {revision = true})
  if not have then
    return nil, message, number
  end
  local tries = opts.tries or TRIES
  for _ = 1, tries do
    local list
    list, message, number = snapshot.take(self, false, opts.links ~= false)
    if not list then
      return nil, message, number
    end
    local results = pack(decide(list, at_revision(self, list.revision)))
    if results[1] ~= nil or results[3] ~= errno_of.ESTALE then
      return unpack(results, 1, results.n)
    end
  end
  return errors.fail("transact", subject_of(self), "ESTALE", ("the order changed at each of %d tries"):format(tries))
end

--- What the hook is: attach_type, where (path or device), cgroup_id or ifindex.
-- @treturn table
function methods:describe()
  options.expect("hook:describe", "self", self, "mprog")
  return core.mprog.describe(self)
end

return M
