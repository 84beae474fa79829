--- Tokens: BPF in a user namespace, as far as the mount options of a bpffs there delegate it (delegate_cmds,
-- delegate_maps, delegate_progs, delegate_attachs; set by who is privileged outside).
-- A token is given to program.load, map.create, Btf:load and object.open as `token`; a program loaded through one is
-- attached as any other. The kernel ignores a token that doesn't allow what is asked, and then asks for capabilities.
-- @module ebpf.token

local core = require "ebpf.core"
local features = require "ebpf.features"
local options = require "ebpf.options"

local M = {}

--- Get a token from a bpffs.
-- @string path the root directory of a bpffs that was mounted for this process's user namespace
-- @treturn[1] Token
-- @treturn[2] nil
-- @treturn[2] string message
-- @treturn[2] int errno: ENOTSUP (before 6.9; or this is the first user namespace), EINVAL (not the root of a
-- bpffs), EPERM (another user namespace's bpffs, or no CAP_BPF in this one), ENOENT (no such directory; or it delegates
-- nothing)
-- @see bpf(2)
-- @kernel BPF_TOKEN_CREATE (Linux 6.9); kernel/bpf/token.c
-- @usage local token = assert(ebpf.token.open "/sys/fs/bpf")
-- local program = assert(ebpf.program.load{type = "cgroup_skb", insns = bytes, token = token})
function M.open(path)
  options.path("token.open", 1, path)
  local have, message, errno = features.need("token", "token", path)
  if not have then
    return nil, message, errno
  end
  return core.token.open(path)
end

--- What the token allows: commands, map_types, program_types, attach_types; each "any", or a list of names.
-- @function Token:info
-- @treturn[1] table
-- @treturn[2] nil, message, errno: ENOTSUP (before Linux 6.17)

--- The path as it was given.
-- @function Token:path
-- @treturn string

return M
