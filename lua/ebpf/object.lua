--- Objects: ELF files of BPF programs and maps, as clang makes them; libbpf opens, relocates and loads them.
-- Programs and maps taken from an Object own their descriptors: closing or losing the Object doesn't touch them.
-- On kernels before 5.11 libbpf raises RLIMIT_MEMLOCK when it loads.
-- @module ebpf.object

local auto = require "ebpf.auto"
local core = require "ebpf.core"
local errors = require "ebpf.errors"
local options = require "ebpf.options"
local records = require "ebpf.records"
local struct_ops = require "ebpf.struct_ops"

local M = {}
local methods = core.object.methods
local load, take_map, take_program = methods.load, methods.map, methods.program

-- true; or nil, message, errno where there is no such constant; or nil, message where it can't have the value
local function set_constant(object, name, value)
  local section = core.section.of(object, ".rodata")
  local there
  for _, known in ipairs(section and core.section.names(section) or {}) do
    there = there or known == name
  end
  if not there then
    return errors.fail("object", ("%s in .rodata"):format(name), "ENOENT", "there is no variable of this name")
  end
  local done, message = pcall(function() section[name] = value end)
  if not done then
    return nil, ("bad option 'rodata' to 'object.open' (%s)"):format(message:match "%((.*)%)$" or message)
  end
  return true
end

--- Open an ELF file, without loading it.
-- @tparam string|table source a path, or {data = bytes}
-- @tparam[opt] table opts `name` (of the object; default from the file), `pin_root` (where maps that the file wants
-- pinned by name are pinned), `rodata` = {variable = value}: constants to set before loading, as
-- object.rodata[variable] = value does, `targets` =
-- {program = {Program, function}}: which function of which loaded program a program of section freplace (or fentry,
-- fexit) is for, `token` (a Token: libbpf gets one of its own from the same bpffs)
-- @treturn[1] Object
-- @treturn[2] nil
-- @treturn[2] string message, with what libbpf said
-- @treturn[2] int errno: ENOENT, EINVAL, ENOTSUP (a token, and libbpf is older than 1.5), or one of
-- libbpf's own from 4000
-- @usage local obj = assert(ebpf.object.open("policy.bpf.o", {rodata = {port = 4242}}))
function M.open(source, opts)
  local what = "object.open"
  opts = options.check(what, opts, {
    name = "text", pin_root = "text", rodata = "table", targets = "table", token = "token",
  })
  options.expect(what, 1, source, "string", "table")
  local path, data
  if type(source) == "table" then
    data = options.check(what, source, {data = "string"}).data
    options.expect(what, "data", data, "string")
  else
    path = options.path(what, 1, source)
  end
  for name, target in pairs(opts.targets or {}) do
    options.expect(what, "targets." .. name, target, "table")
    options.expect(what, "targets." .. name, target[1], "program")
    options.expect(what, "targets." .. name, target[2], "string")
  end
  local object, message, errno = core.object.open(path, data, opts.name, opts.pin_root,
    opts.token and options.open(what, "token", opts.token):path())
  if not object then
    return nil, message, errno
  end
  local done
  for name, value in pairs(opts.rodata or {}) do
    done, message, errno = set_constant(object, name, value)
    if not done then
      object:close()
      if not errno then
        error(message, 2)
      end
      return nil, message, errno
    end
  end
  for name, target in pairs(opts.targets or {}) do
    done, message, errno = core.object.set_target(object, name, target[1], target[2])
    if not done then
      object:close()
      return nil, message, errno
    end
  end
  return object
end

--- Load the object's programs and maps into the kernel. A second call does nothing.
-- Its struct_ops maps are made for links (BPF_F_LINK) where the kernel has them, whatever section they are in.
-- @treturn[1] true
-- @treturn[2] nil
-- @treturn[2] string message, with what libbpf and the verifier said
-- @treturn[2] int errno: EPERM (no CAP_BPF), EACCES and EINVAL (the verifier); EINVAL again for an Object that could
-- not be loaded, which is to be opened anew
function methods:load()
  options.expect("object:load", "self", self, "object")
  struct_ops.prepare(self)
  return load(self)
end

--- The object's variables, by their names: `object.bss`, `object.data`, `object.rodata` and `object.kconfig` are these
-- sections, nil where the file has none.
-- Before load() a variable has what programs will begin with, and may be set to something else. Then it is the very
-- memory that programs use: reading or writing it is no system call, .rodata is read-only, and .kconfig has its values.
-- Values are those of the C type (doc/types.md): a struct or an array is read as a copy, and written whole. Integers
-- are read and written at once; of a larger value a program may be half way through. A name that is no variable raises.
-- Sections go on when the Object is closed, and keep the map that the variables are in.
-- @function Object:section
-- @string name ".bss", ".data", ".data.custom" …
-- @treturn Section|nil
-- @usage object.rodata.limit = 100
-- assert(object:load())
-- print(object.bss.packets, object:section(".data.stats").total)

--- A program of the loaded object.
-- @string name of the function
-- @treturn[1] Program
-- @treturn[2] nil, message, errno: ENOENT (none of this name, or the file says not to load it)
function methods:program(name)
  local program, message, errno = take_program(self, name)
  if not program then
    return nil, message, errno
  end
  return auto.remember(program, self, name)
end

--- A map of the loaded object.
-- A struct_ops, which link.auto registers, keeps the Object's memory and descriptors until it is closed too.
-- @string name
-- @treturn[1] Map
-- @treturn[2] nil, message, errno: ENOENT
function methods:map(name)
  local map, message, errno = take_map(self, name)
  if not map then
    return nil, message, errno
  end
  return records.remember(map, self)
end

local function all(self, names, get)
  local result = {}
  for _, name in ipairs(names) do
    local thing, message, errno = get(self, name)
    if not thing then
      return nil, message, errno
    end
    result[name] = thing
  end
  return result
end

--- All programs of the loaded object, but those that the file says not to load by themselves.
-- @treturn[1] {[string]=Program}
-- @treturn[2] nil, message, errno
function methods:programs()
  options.expect("object:programs", "self", self, "object")
  return all(self, core.object.program_names(self), self.program)
end

--- All maps of the loaded object.
-- @treturn[1] {[string]=Map}
-- @treturn[2] nil, message, errno
function methods:maps()
  options.expect("object:maps", "self", self, "object")
  return all(self, core.object.map_names(self), self.map)
end

return M
