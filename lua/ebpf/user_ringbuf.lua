--- User ring buffers: records for programs, which drain them by bpf_user_ringbuf_drain (Linux 6.1). One producer a map.
-- @module ebpf.user_ringbuf

local core = require "ebpf.core"
local errors = require "ebpf.errors"
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
  local what, operation = "user_ringbuf.open", "user_ringbuf open"
  options.expect(what, 1, map, "map")
  opts = options.check(what, opts, {type = "string|codec", btf = "object|btf|program|map"})
  local refusal = records.refusal(operation, map, "user_ringbuf")
  if refusal then
    return nil, refusal[2], refusal[3]
  end
  local id = map:id()
  if opened[id] and not opened[id]:closed() then
    return errors.fail(operation, id, "EBUSY", "it is open here already, and has one producer")
  end
  local codec, message, errno = records.codec(what, operation, map, opts)
  if errno then
    return nil, message, errno
  end
  local ring
  ring, message, errno = core.user_ringbuf.open(map, codec)
  if ring then
    opened[id] = ring
  end
  return ring, message, errno
end

--- Append a record. The program sees it when it drains the next time.
-- @function UserRingbuf:push
-- @param value of the type that was given, or a byte string
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
