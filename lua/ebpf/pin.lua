--- Pins: names in a BPF file system (bpffs) that keep programs, maps and links in the kernel.
-- A Pin holds its directory open, not the object: closing the handle changes nothing on disk.
-- Where the library refuses before the kernel, the errno is the kernel's.
-- @module ebpf.pin

local core = require "ebpf.core"
local errors = require "ebpf.errors"
local mounts = require "ebpf.mounts"
local options = require "ebpf.options"

local M = {}
local methods = core.pin.methods
local kinds = {"link", "program", "map"}

--- A name in bpffs, taken or not. While the handle is open its bpffs can't be unmounted.
-- @string path
-- @tparam[opt] table opts `mkdir` = true makes missing directories, 0700
-- @treturn[1] Pin
-- @treturn[2] nil, message, errno: EPERM (not on a bpffs, or a dot in the name), ENOENT (no such directory)
-- @usage local pin = assert(ebpf.pin.at("/sys/fs/bpf/web/egress", {mkdir = true}))
function M.at(path, opts)
  opts = options.check("pin.at", opts, {mkdir = "boolean"})
  options.path("pin.at", 1, path)
  if path:sub(-1) == "/" then
    error("bad argument '1' to 'pin.at' (a pin's path ends with its name, not with a slash)", 2)
  end
  return core.pin.at(path, opts.mkdir or false)
end

-- thing:pin(path), for each kind of thing
function M.method(what)
  return function(self, path)
    options.expect(what, "self", self, "link", "program", "map")
    options.path(what, 1, path)
    local pin, message, errno = core.pin.at(path, false)
    if not pin then
      return nil, message, errno
    end
    local done
    done, message, errno = core.pin.put(pin, self)
    if not done then
      pin:close()
      return nil, message, errno
    end
    return pin
  end
end

--- Pin a thing under this name.
-- @function Pin:put
-- @tparam Link|Program|Map thing
-- @treturn[1] true
-- @treturn[2] nil, message, errno: EEXIST (the name is taken), EPERM
-- @see bpf(2)
-- @kernel BPF_OBJ_PIN (Linux 4.4; links 5.7)

--- Open what is pinned here.
-- @string[opt] kind "link", "program" or "map": anything else there is an error
-- @treturn[1] Link|Program|Map by what it really is
-- @treturn[2] nil, message, errno: ENOENT (nothing), EINVAL (of another kind), EACCES
-- @see bpf(2)
-- @kernel BPF_OBJ_GET (Linux 4.4)
function methods:get(kind)
  options.expect("pin:get", "self", self, "pin")
  if kind ~= nil then
    options.one_of("pin:get", 1, kind, kinds)
  end
  local thing, message, errno = core.pin.get(self)
  if not thing then
    return nil, message, errno
  end
  local found = options.class(thing)
  if kind and found ~= kind then
    thing:close()
    return errors.fail("pin get", self:path(), "EINVAL", ("there is a %s, not a %s"):format(found, kind))
  end
  return thing
end

local function opened(pin)
  local thing, message, errno = core.pin.get(pin)
  if thing or errno == errors.errno.ENOENT then
    return thing
  end
  return nil, message, errno
end

--- Pin a thing in place of what is pinned here, or anew: beside, then renamed over. Readers find the old or the new
-- one, never neither. A pin of another kind is not replaced.
-- It is looked at before: where several write, hold pin.lock. A process killed in between may leave a name of "~" and
-- 16 hexadecimal digits behind, which holds the thing.
-- @tparam Link|Program|Map thing
-- @treturn[1] true
-- @treturn[2] nil, message, errno: EEXIST (a pin of another kind), EPERM
function methods:swap(thing)
  options.expect("pin:swap", "self", self, "pin")
  options.expect("pin:swap", 1, thing, "link", "program", "map")
  local present, message, errno = opened(self)
  if errno then
    return nil, message, errno
  end
  local found = present and options.class(present)
  if present then
    present:close()
  end
  if found and found ~= options.class(thing) then
    return errors.fail("pin swap", self:path(), "EEXIST",
      ("there is a %s, and a %s would take its place: remove it first"):format(found, options.class(thing)))
  end
  return core.pin.swap(self, thing)
end

--- Remove the name. What it held goes away when nothing else holds it.
-- With a thing, only if the name holds that very object. Between look and removal another process may put something
-- else there: where several write, hold pin.lock.
-- @tparam[opt] Link|Program|Map thing
-- @treturn[1] true
-- @treturn[2] nil, message, errno: ENOENT (nothing is there), EEXIST (something else is), EPERM
function methods:remove(thing)
  options.expect("pin:remove", "self", self, "pin")
  if thing == nil then
    return core.pin.remove(self)
  end
  options.expect("pin:remove", 1, thing, "link", "program", "map")
  local present, message, errno = core.pin.get(self)
  if not present then
    return nil, message, errno
  end
  local kind, id = options.class(present), present:id()
  present:close()
  if kind ~= options.class(thing) or id ~= thing:id() then
    return errors.fail("pin remove", self:path(), "EEXIST", ("the name holds %s %s, not %s %s"):format(
      kind, tostring(id), options.class(thing), tostring(thing:id())))
  end
  return core.pin.remove(self)
end

--- Whether the name is taken.
-- @function Pin:exists
-- @treturn[1] boolean
-- @treturn[2] nil, message, errno

--- The path as it was given.
-- @function Pin:path
-- @treturn string

local closing = {__close = function(list) list.done = true end}

--- Walk a directory's pins, in order of name; directories in it are left out.
-- The handle is lent: the loop closes it when it goes on. Leave the loop to keep it.
-- @string dir
-- @return iterator of name, Link|Program|Map, and its state; state.skipped counts those that vanished or may not be
-- opened. Raises where the directory can't be read.
-- @usage for name, thing in ebpf.pin.each "/sys/fs/bpf/web" do print(name, thing) end
function M.each(dir)
  options.path("pin.each", 1, dir)
  local names, message = core.pin.names(dir)
  if not names then
    error(message, 2)
  end
  table.sort(names)
  local list = setmetatable({skipped = 0}, closing)
  local index, lent = 0, nil
  local function step()
    if lent then
      lent:close()
      lent = nil
    end
    while not list.done and index < #names do
      index = index + 1
      local pin = core.pin.at(dir .. "/" .. names[index], false)
      local thing, problem, number
      if pin then
        thing, problem, number = core.pin.get(pin)
      end
      if pin then
        pin:close()
      end
      if thing then
        lent = thing
        return names[index], thing
      end
      if number == errors.errno.EMFILE or number == errors.errno.ENFILE then
        error(problem, 2) -- it isn't the entry's fault
      end
      list.skipped = list.skipped + 1
    end
  end
  return step, list, nil, list
end

--- Where a BPF file system is mounted: usually /sys/fs/bpf.
-- @treturn[1] string path of the first such mount
-- @treturn[2] nil none: see mount
function M.mountpoint()
  return mounts.of "bpf"[1]
end

--- Mount a BPF file system on a directory, 0700. Where one is there already nothing is done: a second one would
-- hide it.
-- @string dir
-- @treturn[1] true
-- @treturn[1] boolean whether it was mounted just now
-- @treturn[2] nil, message, errno: EPERM (no CAP_SYS_ADMIN), ENOENT
-- @see mount(2)
function M.mount(dir)
  options.path("pin.mount", 1, dir)
  return core.pin.mount(dir)
end

--- Lock a directory, against others who lock it too (flock): for a read-modify-write over several pins.
-- @string dir
-- @tparam[opt] table opts `shared` = true for readers; `wait`: true (default) for as long as it takes, false for
-- not at all, or seconds
-- @treturn[1] Lock close() gives it back
-- @treturn[2] nil, message, errno: EAGAIN (held by another), ENOENT
-- @see flock(2)
function M.lock(dir, opts)
  opts = options.check("pin.lock", opts, {shared = "boolean", wait = "boolean|number"})
  options.path("pin.lock", 1, dir)
  local wait = opts.wait
  if type(wait) == "number" and wait < 0 then
    error(("bad option 'wait' to 'pin.lock' (seconds from 0 expected, got %s)"):format(wait), 2)
  end
  if wait == nil or wait == true then
    wait = -1
  end
  return core.pin.lock(dir, opts.shared or false, wait or 0)
end

return M
