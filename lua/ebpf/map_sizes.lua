-- What map.create has to know of types: sizes that are always the same, flags that they can't do without, and why the
-- kernel refuses one.

local M = {}

local NO_PREALLOC = 1 -- BPF_F_NO_PREALLOC
local MMAPABLE = 1024 -- BPF_F_MMAPABLE

local stores = "maps of this type need BTF, which those of an Object have (object.open)"
local slots = {key_size = 4, value_size = 4, refused = "keys and values of this type are of 4 bytes"}
local keyless = {key_size = 0, refused = "maps of this type have no keys: key_size is 0"}
local ring = {
  key_size = 0, value_size = 0,
  refused = "max_entries is the size in bytes: a power of two, and a multiple of the page size; there are no keys "
    .. "and no values",
}
local store = {flags = NO_PREALLOC, max_entries = 0, refused = stores}
local of_cgroups = {
  max_entries = 0,
  refused = "keys are of 8 bytes, a cgroup's id, or of 16 with the attach type, and max_entries is 0",
}
local sockets = {
  key_size = 4, value_size = 8, -- of 4 bytes, values can't be read (net/core/sock_map.c, sock_map_lookup_sys)
  refused = "keys of a sockmap are of 4 bytes, values of 4 or 8",
}
local devices = {
  key_size = 4, value_size = 4, refused = "keys are of 4 bytes, values of 4 or, with programs, of 8",
}

-- key_size, value_size, max_entries: where the caller gives none; flags: what the kernel insists on; inner: holds maps
M.types = {
  array = {key_size = 4, refused = "keys of an array are of 4 bytes, and max_entries is not 0"},
  percpu_array = {key_size = 4, refused = "keys of an array are of 4 bytes, and values at most of 32768"},
  prog_array = slots, perf_event_array = slots, cgroup_array = slots, xskmap = slots,
  reuseport_sockarray = {key_size = 4, value_size = 8, refused = "keys are of 4 bytes, values of 4 or 8"},
  sockmap = sockets,
  sockhash = {value_size = 8, refused = "values of a sockhash are of 4 or 8 bytes, keys at most of 512"},
  devmap = devices, devmap_hash = devices, cpumap = devices,
  array_of_maps = {key_size = 4, value_size = 4, inner = true, refused = "the inner map can't be of this type"},
  hash_of_maps = {value_size = 4, inner = true, refused = "the inner map can't be of this type"},
  queue = keyless, stack = keyless, bloom_filter = keyless,
  ringbuf = ring, user_ringbuf = ring,
  lpm_trie = {
    flags = NO_PREALLOC,
    refused = "key_size is 4 bytes of prefix length, and 1 to 256 of data",
  },
  sk_storage = store, inode_storage = store, task_storage = store, cgrp_storage = store,
  cgroup_storage = of_cgroups, percpu_cgroup_storage = of_cgroups,
  arena = {
    flags = MMAPABLE, key_size = 0, value_size = 0,
    refused = "an arena has no keys and no values, and max_entries is its size in pages",
  },
  struct_ops = {refused = stores},
}

local none = {}

--- What the type brings along.
-- @string name
-- @treturn table
function M.of(name)
  return M.types[name] or none
end

--- Flags with those that the type needs.
-- @int flags
-- @int needed
-- @treturn int
function M.with(flags, needed)
  return needed and flags % (2 * needed) < needed and flags + needed or flags
end

return M
