--- Maps: stores that programs and user space share.
-- Keys and values of a map with BTF are what the C types say: integers, enums by name, structs and arrays as tables,
-- char arrays as strings (doc/types.md has all). Without BTF those of 1, 2, 4 and 8 bytes are integers (unsigned), all
-- others byte strings, and keys of LPM tries of addresses texts: "10.0.0.0/8". A byte string of the very size is always
-- accepted, but for enums and addresses. A per-CPU value is a list, one a possible CPU; with {sum = true} its sum over
-- the CPUs.
--
-- What some types hold besides:
--
-- * prog\_array, array\_of\_maps, hash\_of\_maps: `set` takes a Program or a Map. Reading gives its id, which needs
--   no privilege; program.from_id and map.from_id open it. A number is refused: it would be taken for a descriptor.
-- * cgroup\_array: `set` takes a Cgroup or its descriptor; it can't be read. cgrp\_storage: so are its keys.
-- * sockmap, sockhash, reuseport\_sockarray: `set` takes a socket's descriptor (a TCP socket that listens or is
--   connected, a bound UDP socket). Reading gives its cookie, where values are of 8 bytes.
-- * devmap, devmap\_hash, cpumap: an ifindex, or a queue's size. Where values are of 8 bytes, a program may come with
--   it: `{ifindex =, program =}`, `{queue_size =, program =}`; read as `{ifindex =, program_id =}`.
-- * xskmap: `set` takes the descriptor of a socket of AF\_XDP that has its memory and its rings; it can't be read.
-- * sk\_storage, task\_storage, inode\_storage: keys are descriptors: of the socket, a pidfd, of the file. Such maps
--   come from an Object.
-- * cgroup\_storage, percpu\_cgroup\_storage: keys are cgroups' ids (Cgroup:id), or {cgroup\_inode\_id =,
--   attach\_type =}. A value is there while the program that uses the map is attached, and can't be deleted.
-- * stack\_trace: what programs put there; `delete` and `clear` make room.
-- * arena (Linux 6.9): made, pinned and passed on. Its memory is the programs': `mmap` is of arrays alone.
-- * queue, stack, bloom\_filter have no keys: push, pop, peek, has.
-- @module ebpf.map

local core = require "ebpf.core"
local each = require "ebpf.each"
local errors = require "ebpf.errors"
local map_sizes = require "ebpf.map_sizes"
local options = require "ebpf.options"
local pin = require "ebpf.pin"

local M = {}
local methods = core.map.methods

local known = {
  type = "string", key_size = "u32", value_size = "u32", max_entries = "u32", name = "text", flags = "u32",
  token = "token", inner = "map", map_extra = "u32", btf = "btf", key_type = "string|number",
  value_type = "string|number",
}

-- Ids of the types that the spec names, and their sizes where it leaves these out; nil, message, errno.
local function types_of(what, spec, numbers)
  local ids = {}
  for _, side in ipairs {"key", "value"} do
    local name = spec[side .. "_type"]
    if name ~= nil and not spec.btf then
      error(("bad option '%s_type' to '%s' (it goes with btf)"):format(side, what), 3)
    elseif name ~= nil then
      local id, size, errno = core.btf.find(spec.btf, name)
      if not id then
        return nil, size, errno
      end
      ids[side] = id
      numbers[side .. "_size"] = numbers[side .. "_size"] or size
    end
  end
  return ids
end

-- The kernel only says EINVAL: what the type wants of its sizes.
local function created(spec, refused, map, message, number)
  if not map and refused and number == errors.errno.EINVAL then
    return errors.fail("map create", spec.name or "", number, refused)
  end
  return map, message, number
end

--- Create a map. A size that is the same for all maps of a type may be left out, and the flag that lpm\_trie needs.
-- @tparam table spec `type` (as "hash"), `key_size` and `value_size` (bytes), `max_entries`; optional `name` (at
-- most 15 bytes), `flags` (BPF_F_* of MAP_CREATE), `token` (a Token, in a user namespace), `inner` (for array\_of\_maps
-- and hash\_of\_maps: a Map like those that will be put there), `map_extra` (bloom\_filter: how many hashes, 1 to 15),
-- `btf` (a Btf that was loaded), `key_type` and `value_type` (types of it, by name or id: of these sizes, which then
-- may be left out)
-- @treturn[1] Map
-- @treturn[2] nil, message, errno: EPERM (no CAP_BPF), EINVAL (no such type, sizes that don't fit it), ENOMEM, ENOENT
-- (no such type in the BTF)
-- @see bpf(2)
-- @kernel BPF_MAP_CREATE
-- @usage local calls = assert(ebpf.map.create{type = "prog_array", max_entries = 8})
function M.create(spec)
  local what = "map.create"
  options.expect(what, 1, spec, "table")
  options.check(what, spec, known)
  local map_type = options.name(what, "type", spec.type, core.names.map_type, "map type")
  local of_type = map_sizes.of(spec.type)
  if options.open(what, "btf", spec.btf) and not spec.btf:fd() then
    error(("bad option 'btf' to '%s' (load it first: Btf:load)"):format(what), 2)
  end
  local numbers = {key_size = spec.key_size, value_size = spec.value_size}
  local types, message, errno = types_of(what, spec, numbers)
  if not types then
    return nil, message, errno
  end
  for _, key in ipairs {"key_size", "value_size", "max_entries"} do
    numbers[key] = numbers[key] or spec[key] or of_type[key]
    options.expect(what, key, numbers[key], "number")
  end
  local name = spec.name or ""
  if #name > 15 then
    error(("bad argument 'name' to '%s' (at most 15 bytes, got %d)"):format(what, #name), 2)
  end
  if of_type.inner then
    options.expect(what, "inner", spec.inner, "map")
  end
  return created(spec, of_type.refused, core.map.create(map_type, numbers.key_size, numbers.value_size,
    numbers.max_entries, name, map_sizes.with(spec.flags or 0, of_type.flags),
    options.open(what, "token", spec.token), options.open(what, "inner", spec.inner), spec.map_extra,
    spec.btf, types.key, types.value))
end

--- Open a map by its id.
-- @int id
-- @treturn[1] Map
-- @treturn[2] nil, message, errno: ENOENT (no such id), EPERM (no CAP_SYS_ADMIN)
function M.from_id(id)
  return core.map.from_id(id)
end

--- A Map of a duplicate of a descriptor; the caller's stays the caller's.
-- @int fd
-- @treturn[1] Map
-- @treturn[2] nil, message, errno: EBADF, EINVAL (no BPF map)
function M.from_fd(fd)
  return core.map.from_fd(fd)
end

--- Walk all maps of the system: as program.each.
function M.each()
  return each.walk(core.map)
end

--- The value of a key.
-- @function Map:get
-- @param key
-- @tparam[opt] {sum=boolean} opts of a per-CPU integer, the sum over the CPUs (in 64 bits) instead of the list
-- @return[1] the value
-- @treturn[2] nil when there is no such key
-- @treturn[3] nil, message, errno: ENOTSUP or ENOTSUPP (this type can't be read from user space)

--- Write a value.
-- @function Map:set
-- @param key
-- @param value
-- @string[opt="any"] when "any", "noexist" (only a new key) or "exist" (only one that is there)
-- @treturn[1] true
-- @treturn[2] nil, message, errno: EEXIST, ENOENT, E2BIG (full, or beyond an array's end), EPERM (frozen)

--- The Codecs of keys and of values. A map from an Object has the types of its file; any other those that the kernel
-- has of it, fetched at the first use.
-- @function Map:codec
-- @treturn[1] Codec|false of keys; false where they have no type
-- @treturn[1] Codec|false of values
-- @treturn[2] nil, message, errno: EPERM (no CAP_SYS_ADMIN to read the kernel's BTF: keys and values are integers and
-- byte strings then)
-- @see ebpf.btf

--- The same map with integers and byte strings, whatever its types: a Map, which uses this one's descriptor and ends
-- with it. The same one each time.
-- @field Map.raw
-- @usage local bytes = map.raw:get(key)

--- Delete a key.
-- @function Map:delete
-- @param key
-- @treturn[1] boolean whether there was one
-- @treturn[2] nil, message, errno: EINVAL (an array: clear makes it zero)

--- Read a value and delete its key, without a gap in between.
-- @function Map:get_and_delete
-- @param key
-- @tparam[opt] {sum=boolean} opts as for get
-- @return[1] the value
-- @treturn[2] nil when there is no such key
-- @treturn[3] nil, message, errno: ENOTSUPP (only hashes can, since Linux 5.14, and queues and stacks)

--- Put a value into a queue, stack or Bloom filter.
-- @function Map:push
-- @param value
-- @string[opt="any"] when "exist": where a queue or stack is full, its oldest value makes room
-- @treturn[1] true
-- @treturn[2] nil, message, errno: E2BIG (full)

--- Take the value that is next: a queue's oldest, a stack's newest.
-- @function Map:pop
-- @return[1] the value
-- @treturn[2] nil when it is empty
-- @treturn[3] nil, message, errno

--- The value that pop would take.
-- @function Map:peek
-- @return as pop

--- Whether a value may have been put into a Bloom filter: false is certain. (Linux 5.16)
-- @function Map:has
-- @param value
-- @treturn[1] boolean
-- @treturn[2] nil, message, errno

local function summed(what, opts)
  return options.check(what, opts, {sum = "boolean"}).sum or false
end

--- Walk keys and values, read many at a time: a value is as it was when its batch was read. The loop's body may write
-- and delete. Each key is given once at most; what is there during the whole walk is given, whatever others write
-- meanwhile. Where a type has neither indices nor a hash's batches (lpm\_trie, sockhash, devmap\_hash) this costs
-- memory for the keys, and the walk raises EAGAIN if keys go faster than it gets on. An lpm\_trie is read at least
-- twice, since the kernel may pass over keys beside one that is being written: several times, if there are writers.
-- That makes a miss there very unlikely, and does not rule it out.
-- @tparam[opt] {sum=boolean} opts as for get
-- @return iterator of key, value; raises where the map can't be read
-- @usage for address, packets in map:each{sum = true} do print(address, packets) end
function methods:each(opts)
  options.expect("map:each", "self", self, "map")
  local step, message = core.map.each(self, summed("map:each", opts))
  if not step then
    error(message, 2)
  end
  return step
end

--- All of the map, as each gives it.
-- @tparam[opt] {sum=boolean} opts as for get
-- @treturn[1] table value by key; where keys are tables, a list of {key =, value =}
-- @treturn[2] nil, message, errno
function methods:dump(opts)
  options.expect("map:dump", "self", self, "map")
  return core.map.dump(self, summed("map:dump", opts))
end

local function batch(what, self, count, cursor, opts, take)
  options.expect(what, "self", self, "map")
  if type(count) ~= "number" or count < 1 or count > 2 ^ 24 or count % 1 ~= 0 then
    error(("bad argument '1' to '%s' (integer from 1 to 16777216 expected)"):format(what), 3)
  end
  return core.map.batch_get(self, count, cursor, take, summed(what, opts))
end

--- Some of the elements, and where to go on: for walks that are interrupted, or spread over processes.
-- @int count how many; a hash gives its buckets whole, which may be some more or less
-- @string[opt] cursor what the former call gave; none: from the first
-- @tparam[opt] {sum=boolean} opts as for get
-- @treturn[1] table list of keys
-- @treturn[1] table list of their values
-- @treturn[1] ?string cursor; nil when these were the last. Where a cursor is a key (all types but hashes) and that is
-- deleted before the next call, the kernel starts from the first again
-- @treturn[2] nil, message, errno
function methods:batch_get(count, cursor, opts)
  return batch("map:batch_get", self, count, cursor, opts, false)
end

--- The same, and the elements are deleted, without a gap in between: for hashes.
-- @int count
-- @string[opt] cursor
-- @tparam[opt] {sum=boolean} opts
-- @return as batch_get; ENOTSUPP for other types
function methods:batch_get_and_delete(count, cursor, opts)
  return batch("map:batch_get_and_delete", self, count, cursor, opts, true)
end

--- Write many elements: one call of the kernel for some thousands, where the type has that.
-- @function Map:batch_set
-- @tparam table keys a list; or, with no values, a table of value by key
-- @tparam[opt] table values a list as long
-- @string[opt="any"] when as for set; other than "any" it is a call an element
-- @treturn[1] int how many
-- @treturn[2] nil
-- @treturn[2] string message
-- @treturn[2] int errno: as set
-- @treturn[2] int how many were written before it failed, in the list's order
-- @usage assert(map:batch_set{[1] = 10, [2] = 20})

--- Delete many keys. One that isn't there is passed over.
-- @function Map:batch_delete
-- @tparam table keys a list
-- @treturn[1] int how many were there
-- @treturn[2] nil, message, errno, and how many were deleted before it failed

--- Delete all elements; those of an array become zero. What others add meanwhile may stay.
-- @function Map:clear
-- @treturn[1] true
-- @treturn[2] nil, message, errno: EPERM (frozen), ENOTSUP or ENOTSUPP (a type that can't be walked)

--- Forbid writes from user space for ever, by whatever descriptor; programs write on.
-- @function Map:freeze
-- @treturn[1] true
-- @treturn[2] nil, message, errno: EBUSY (frozen already, or mapped for writing), EPERM

--- Pin the map under a new name: as Program:pin.
-- @function Map:pin
methods.pin = pin.method "map:pin"

--- Map an array's elements into this process: reading one is no system call. The array must have been made with
-- BPF_F_MMAPABLE (flag 1024). Values are as those of Map:get. Integers are read and written whole; of a larger value a
-- program may be half way through.
-- The mapping stays when the Map is closed, and keeps the kernel's map.
-- @function Map:mmap
-- @treturn[1] Mapping
-- @treturn[2] nil, message, errno: ENOTSUP (no array, or made without the flag), ENOMEM
-- @usage local counters = assert(map:mmap())
-- print(counters[0], counters:get(1))
-- counters[0] = 0
-- @see mmap(2)
-- @kernel Linux 5.5
methods.mmap = core.mapping.open

--- The element of an index, from 0 on: also mapping[index].
-- @function Mapping:get
-- @int index
-- @return[1] the value
-- @treturn[2] nil beyond the end

--- Write an element: also mapping[index] = value, which raises where this fails.
-- @function Mapping:set
-- @int index
-- @param value
-- @treturn[1] true
-- @treturn[2] nil, message, errno: E2BIG (beyond the end), EPERM (the map is frozen)

--- How many elements there are; the last one's index is one less.
-- @function Mapping:length
-- @treturn int

--- Whether elements may be written: not where the map is frozen.
-- @function Mapping:writable
-- @treturn boolean

--- What the kernel tells about the map: id, type, name, key_size, value_size, max_entries, flags, map_extra, ifindex,
-- btf_id, btf_key_type_id, btf_value_type_id, btf_vmlinux_value_type_id; and from /proc, where that is mounted, frozen
-- (boolean) and memlock (bytes).
-- @function Map:info
-- @treturn[1] table
-- @treturn[2] nil, message, errno

return M
