--- Perf buffers: records that programs send by bpf_perf_event_output, a buffer for each CPU. For programs that are
-- older than ring buffers (Linux 5.8), which are better in all else: here CPUs' records come in no order, and the
-- kernel pads them with up to 7 bytes.
-- @module ebpf.perfbuf

local core = require "ebpf.core"
local errors = require "ebpf.errors"
local options = require "ebpf.options"
local records = require "ebpf.records"

local M = {}
local methods = core.perfbuf.methods
local opened = setmetatable({}, {__mode = "v"}) -- map's id -> Perfbuf

records.methods(core.perfbuf, "perfbuf")

local DEFAULT_PAGES = 8

--- Read a map of type perf_event_array: what is sent from now on.
-- @tparam Map map
-- @tparam[opt] table opts `pages`: of each CPU's buffer, a power of two (default 8); `type`, `btf`, `reuse`:
-- as for ringbuf.open
-- @treturn[1] Perfbuf
-- @treturn[2] nil, message, errno: EINVAL (another type of map), EBUSY (it is open here already: whoever opens it in
-- another process takes it over), ENOENT (no such C type), EPERM (no CAP_PERFMON), ENOMEM
-- @see perf_event_open(2)
function M.open(map, opts)
  local what, operation = "perfbuf.open", "perfbuf open"
  options.expect(what, 1, map, "map")
  opts = options.check(what, opts, {
    pages = "count", type = "string|codec", btf = "object|btf|program|map", reuse = "boolean",
  })
  local pages = opts.pages or DEFAULT_PAGES
  if math.log(pages) / math.log(2) % 1 ~= 0 or pages >= 2 ^ 31 then
    error(("bad option 'pages' to '%s' (power of two expected, got %s)"):format(what, tostring(pages)), 2)
  end
  local refusal = records.refusal(operation, map, "perf_event_array")
  if refusal then
    return nil, refusal[2], refusal[3]
  end
  options.open(what, "btf", opts.btf)
  local id = map:id()
  if opened[id] and not opened[id]:closed() then
    return errors.fail(operation, id, "EBUSY", "it is open here already, and has one consumer")
  end
  local codec, message, errno = records.codec(operation, map, opts)
  if errno then
    return nil, message, errno
  end
  local buffer
  buffer, message, errno = core.perfbuf.open(map, codec, opts.reuse, pages)
  opened[id] = buffer
  return buffer, message, errno
end

--- Consume records, without waiting: as Ringbuf:consume.
-- @function Perfbuf:consume
-- @int[opt] max
-- @func[optchain] fn
-- @treturn[1] {record, …}
-- @treturn[2] int
-- @treturn[3] nil, message, errno

--- Wait for a record, then consume: as Ringbuf:poll.
-- @function Perfbuf:poll
-- @tparam[opt] number timeout milliseconds
-- @int[opt] max
-- @func[opt] fn

--- Iterate over records: as Ringbuf:events.
-- @function Perfbuf:events
-- @tparam[opt=0] number timeout milliseconds

--- The descriptor that is readable while the kernel has something. What consume left behind because of `max` it doesn't
-- show: Perfbuf:timeout does.
-- @function Perfbuf:pollfd
-- @treturn int

--- What to wait for at pollfd: "r".
-- @function Perfbuf:events_mask

--- How long one may wait at pollfd: 0 while there is something to consume, else nil.
-- @function Perfbuf:timeout

--- What happened so far.
-- @treturn table `consumed` (records), `dropped` (that found a buffer full, as the kernel tells)
function methods:counts()
  options.expect("perfbuf:counts", "self", self, "perfbuf")
  local counts = core.perfbuf.counts(self)
  counts.discarded = nil
  return counts
end

return M
