--- Cgroups: directories of the cgroup2 hierarchy, as places for programs.
-- @module ebpf.cgroup

local core = require "ebpf.core"
local mounts = require "ebpf.mounts"
local options = require "ebpf.options"

local M = {}
local methods = core.cgroup.methods

--- Open a cgroup.
-- @string path of its directory
-- @treturn[1] Cgroup
-- @treturn[2] nil, message, errno: EBADF (cgroup v1, or no cgroup at all), ENOENT, ENOTDIR, EACCES
-- @usage local cg = assert(ebpf.cgroup.open "/sys/fs/cgroup/web.slice")
function M.open(path)
  return core.cgroup.open(options.path("cgroup.open", 1, path))
end

--- Where the cgroup2 hierarchy is mounted: often /sys/fs/cgroup, but not everywhere.
-- @treturn[1] string path of the first such mount
-- @treturn[2] nil none
function M.mountpoint()
  return mounts.of "cgroup2"[1]
end

--- The hook of one attach type on this cgroup.
-- @string attach_type as "cgroup_inet_egress"
-- @treturn[1] Mprog it stays usable after the Cgroup is closed
-- @treturn[2] nil, message, errno: EMFILE
function methods:mprog(attach_type)
  options.expect("cgroup:mprog", "self", self, "cgroup")
  local number = options.name("cgroup:mprog", 1, attach_type, core.names.attach_type, "attach type")
  if not attach_type:find "^cgroup_" and attach_type ~= "lsm_cgroup" then
    error(("bad argument '1' to 'cgroup:mprog' (%s is no attach type of cgroups)"):format(attach_type), 2)
  end
  return core.mprog.new(self:fd(), 0, number, self:id(), self:path())
end

--- The cgroup's id, as links tell it: cgroup_id.
-- @function Cgroup:id
-- @treturn int

--- The path as it was given.
-- @function Cgroup:path
-- @treturn string

--- The cgroup above this one.
-- @function Cgroup:parent
-- @treturn[1] Cgroup
-- @treturn[2] nil at the top of what is mounted

return M
