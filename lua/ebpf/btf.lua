--- BTF: the types of an object, a map, a program or the kernel; and Codecs, by which bytes of such a type become Lua
-- values and Lua values bytes. doc/types.md says which values stand for which types.
-- @module ebpf.btf

local core = require "ebpf.core"
local errors = require "ebpf.errors"
local options = require "ebpf.options"

local M = {}

--- The kernel's BTF of an id, as info().btf_id of a map or a program gives it.
-- @int id
-- @treturn[1] Btf
-- @treturn[2] nil, message, errno: ENOENT (no such id), EPERM (no CAP_SYS_ADMIN)
function M.from_id(id)
  return core.btf.from_id(id)
end

--- Read BTF from a file, or from bytes.
-- @tparam string|table source the path of an ELF file or of raw BTF (as in /sys/kernel/btf), or {data = bytes}: raw
-- @treturn[1] Btf
-- @treturn[2] nil, message, errno: ENOENT, EINVAL (no BTF), ENODATA (an ELF file without)
function M.parse(source)
  local what = "btf.parse"
  options.expect(what, 1, source, "string", "table")
  if type(source) == "table" then
    options.check(what, source, {data = "string"})
    options.expect(what, "data", source.data, "string")
    return core.btf.parse(nil, source.data)
  end
  return core.btf.parse(options.path(what, 1, source))
end

--- The kernel's own types: /sys/kernel/btf/vmlinux.
-- @treturn[1] Btf
-- @treturn[2] nil, message, errno: ENOENT (a kernel without CONFIG_DEBUG_INFO_BTF)
function M.kernel()
  return core.btf.kernel()
end

-- Why a thing has no BTF, or the Btf of its info.
local function of_thing(word)
  return function(self)
    options.expect(word .. ":btf", "self", self, word)
    local info, message, errno = self:info()
    if not info then
      return nil, message, errno
    end
    if info.btf_id == 0 then
      return errors.fail("btf", ("of %s %d"):format(word, info.id), "ENOENT", "it was made without BTF")
    end
    return core.btf.from_id(info.btf_id)
  end
end

--- The BTF that a map was made with.
-- @function Map:btf
-- @treturn[1] Btf
-- @treturn[2] nil, message, errno: ENOENT (it was made without), EPERM (no CAP_SYS_ADMIN)
core.map.methods.btf = of_thing "map"

--- The BTF that a program was loaded with.
-- @function Program:btf
-- @treturn[1] Btf
-- @treturn[2] nil, message, errno: ENOENT (it was loaded without), EPERM (no CAP_SYS_ADMIN)
core.program.methods.btf = of_thing "program"

--- The BTF in an object's file; a copy, which outlives the Object.
-- @function Object:btf
-- @treturn[1] Btf
-- @treturn[2] nil, message, errno: ENOENT (the file has none)
core.object.methods.btf = core.btf.of_object

--- The BTF as bytes, as btf.parse takes them.
-- @function Btf:bytes
-- @treturn string

--- The id that the kernel has it by; nil if it is not from there.
-- @function Btf:id
-- @treturn int|nil

--- Load it into the kernel, for maps that are to have types of it (map.create). Loaded, it has a descriptor and an id.
-- An Object's will do as it is; one parsed from an ELF file has sections of variables without sizes, and is
-- refused if it has any.
-- @tparam[opt] table opts `token` (a Token, in a user namespace)
-- @treturn[1] true, the second time too
-- @treturn[2] nil, message, errno: EPERM (no CAP_BPF), EINVAL (the kernel refuses it, and says what of it)
-- @see bpf(2)
-- @kernel BPF_BTF_LOAD (Linux 4.18; with a token 6.9)
function core.btf.methods:load(opts)
  options.expect("btf:load", "self", self, "btf")
  opts = options.check("btf:load", opts, {token = "token"})
  return core.btf.load(self, options.open("btf:load", "token", opts.token))
end

--- The Codec of a type.
-- @function Btf:codec
-- @tparam string|int type "struct event", "union u", "enum e"; a name alone is a typedef, struct, union, enum or basic
-- type of that name, or a section of variables (".bss"); or an id
-- @treturn[1] Codec
-- @treturn[2] nil, message, errno: ENOENT (no such type), EINVAL (malformed BTF), E2BIG (more than 65536 fields, 256 MB
-- or 32 levels), EOPNOTSUPP (no type of values)
-- @usage local codec = assert(assert(object:btf()):codec "struct event")
-- print(codec:decode(bytes).pid)

--- The value that these bytes are.
-- @function Codec:decode
-- @string bytes of the type's size; what is more, a flexible array at the end has
-- @tparam[opt] table into what was decoded before, to be filled anew together with the tables in it, each of which is
-- in one place; fields of other names stay
-- @return the value; `into` if it is given

--- The bytes of a value. Raises if it is none of the type, naming the path: "value.stats[3].bytes: …".
-- @function Codec:encode
-- @param value
-- @treturn string

--- The type's size.
-- @function Codec:size
-- @treturn int bytes

return M
