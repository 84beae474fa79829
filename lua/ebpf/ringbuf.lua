--- Ring buffers: records that programs send, in the order in which they were reserved, over all CPUs.
-- A record is a byte string, or a value of the type that was given. doc/ringbuf.md has loops for event libraries and
-- nginx, and says what is counted. One consumer a map: two, in one process or several, lose records between them.
-- @module ebpf.ringbuf

local core = require "ebpf.core"
local options = require "ebpf.options"
local records = require "ebpf.records"

local M = {}
local methods = core.ringbuf.methods
local opened = setmetatable({}, {__mode = "v"}) -- map's id -> Ringbuf
local droppers = setmetatable({}, {__mode = "k"}) -- Ringbuf -> function or Map

records.methods(core.ringbuf, "ringbuf")

--- Read a map of type ringbuf. What was sent since it was made is there, unless somebody else consumed it.
-- @tparam Map map
-- @tparam[opt] table opts `type`: the C type of records, by its name ("event", "struct event") or a Codec (default:
-- byte strings; one that is shorter than the type comes as a byte string too); `btf`: an Object, Btf, Program or Map
-- that knows the type, where the map is not from an Object; `reuse` = true: one table for all records, filled anew for
-- each together with the tables in it, which leaves no garbage (keep copies; consume and poll then want a function);
-- `dropped`: what the program counts of records that it could not send, as a function or a Map (its element 0, over all
-- CPUs)
-- @treturn[1] Ringbuf
-- @treturn[2] nil, message, errno: EINVAL (another type of map), EBUSY (it is open here already), ENOENT (no such C
-- type), ENOTSUP (BPF_F_RB_OVERWRITE), EPERM
-- @usage local rb = assert(ebpf.ringbuf.open(object:map "events", {type = "event"}))
-- while true do
--   for _, event in ipairs(assert(rb:poll(1000))) do print(event.pid, event.comm) end
-- end
-- @see bpf(2)
-- @kernel BPF_MAP_TYPE_RINGBUF (Linux 5.8)
function M.open(map, opts)
  options.expect("ringbuf.open", 1, map, "map")
  opts = options.check("ringbuf.open", opts, {
    type = "string|codec", btf = "object|btf|program|map", reuse = "boolean", dropped = "function|map",
  })
  options.open("ringbuf.open", "btf", opts.btf)
  local ring, message, errno = records.open(opened, core.ringbuf, "ringbuf", map, opts, "consumer")
  if not ring then
    return nil, message, errno
  end
  droppers[ring] = opts.dropped
  return ring
end

--- Consume records, without waiting. Stops at a record that a program is still writing.
-- @function Ringbuf:consume
-- @int[opt] max how many at most; default: those that are there at the call
-- @func[optchain] fn called with each record. One that it raises at stays, and those after it: the next consume begins
-- with it. It must not yield: Ringbuf:events lets the loop's body.
-- @treturn[1] {record, …} without fn; none of it is consumed before all of it is there
-- @treturn[2] int with fn: how often it was called
-- @treturn[3] nil, message, errno: ESTALE (another consumer took some; told once each time), EBUSY (in a child of the
-- process that opened it)

--- Wait for a record, then consume. In nginx it holds up the worker: consume in a timer instead.
-- @function Ringbuf:poll
-- @tparam[opt] number timeout milliseconds; default: forever
-- @int[opt] max as for consume
-- @func[opt] fn as for consume
-- @return as consume: an empty list, or 0, where none came

--- Iterate over the records that are there, and that come meanwhile. Each is consumed as the loop's body gets it.
-- @function Ringbuf:events
-- @tparam[opt=0] number timeout milliseconds to wait for the next record before the loop ends; math.huge: it never does
-- @treturn function iterator of records; raises where consume would fail
-- @usage for event in rb:events(math.huge) do print(event.pid) end

--- The descriptor that is readable while there is something to consume: for an event library.
-- @function Ringbuf:pollfd
-- @treturn int

--- What to wait for at pollfd: "r", as luv and cqueues have it.
-- @function Ringbuf:events_mask
-- @treturn string

--- How long one may wait at pollfd.
-- @function Ringbuf:timeout
-- @treturn[1] int 0 while there is something to consume
-- @treturn[2] nil forever

--- What happened so far, by this handle.
-- @treturn table `consumed` (records), `discarded` (that programs reserved and gave up), `dropped` (that programs could
-- not send: what the option says; nil without, since the kernel doesn't count)
function methods:counts()
  options.expect("ringbuf:counts", "self", self, "ringbuf")
  local counts = core.ringbuf.counts(self)
  local dropper = droppers[self]
  counts.dropped = nil
  if type(dropper) == "function" then
    counts.dropped = dropper()
  elseif dropper then
    local value = assert(dropper:get(0))
    counts.dropped = 0
    for _, one in ipairs(type(value) == "table" and value or {value}) do
      counts.dropped = counts.dropped + one
    end
  end
  return counts
end

--- The bytes of data that fit.
-- @function Ringbuf:size
-- @treturn int

--- The bytes that are not consumed: records, their headers of 8 bytes, and what is still being written.
-- @function Ringbuf:available
-- @treturn int

return M
