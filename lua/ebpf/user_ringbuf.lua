--- User ring buffers: records for programs, which drain them by bpf_user_ringbuf_drain (Linux 6.1). One producer a map.
-- @module ebpf.user_ringbuf

local core = require "ebpf.core"
local options = require "ebpf.options"
local records = require "ebpf.records"

local M = {}
local opened = setmetatable({}, {__mode = "v"})

--- Write to a map of type user_ringbuf.
-- @tparam Map map
-- @tparam[opt] table opts `type`, `btf`: as for ringbuf.open
-- @treturn[1] UserRingbuf
-- @treturn[2] nil, message, errno: EINVAL (another type of map), EBUSY (it is open here already), ENOENT (no such C
-- type)
-- @see bpf(2)
-- @kernel BPF_MAP_TYPE_USER_RINGBUF
function M.open(map, opts)
  options.expect("user_ringbuf.open", 1, map, "map")
  opts = options.check("user_ringbuf.open", opts, {type = "string|codec", btf = "object|btf|program|map"})
  options.open("user_ringbuf.open", "btf", opts.btf)
  return records.open(opened, core.user_ringbuf, "user_ringbuf", map, opts, "producer")
end

--- Append a record. The program sees it when it drains the next time.
-- @function UserRingbuf:push
-- @param value of the type that was given; a byte string, where none was given or the type is a struct, union or list
-- @treturn[1] true
-- @treturn[2] nil, message, errno: ENOSPC (full until the program drains it), E2BIG (larger than the whole ring), EBUSY
-- (in a child of the process that opened it)

--- The bytes of data that fit.
-- @function UserRingbuf:size

--- The bytes that are free now; a record takes 8 more than its size, rounded up to 8.
-- @function UserRingbuf:available

--- What happened so far: {pushed = records}.
-- @function UserRingbuf:counts

return M
