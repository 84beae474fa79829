--- Attach BPF programs, keep them attached, order them and swap them without a gap.
-- Success returns a value or true; a runtime failure returns nil, message, errno; misuse raises, naming the argument.
-- @module ebpf

local address = require "ebpf.address"
local core = require "ebpf.core"
local errors = require "ebpf.errors"
local features = require "ebpf.features"
local mprog = require "ebpf.mprog"
local options = require "ebpf.options"
local origin = require "ebpf.origin"

local M = {
  _VERSION = "ebpf 0.1.0-dev",
  address = {bytes = address.bytes, text = address.text},
  btf = require "ebpf.btf",
  cgroup = require "ebpf.cgroup",
  link = require "ebpf.link",
  lpm = address.lpm,
  map = require "ebpf.map",
  mprog = {open = mprog.open},
  object = require "ebpf.object",
  perfbuf = require "ebpf.perfbuf",
  pin = require "ebpf.pin",
  program = require "ebpf.program",
  ringbuf = require "ebpf.ringbuf",
  rootlet = require "ebpf.rootlet",
  token = require "ebpf.token",
  user_ringbuf = require "ebpf.user_ringbuf",
}
require "ebpf.attachment"

--- errno by name and name by errno: ebpf.errno.ESTALE == 116, ebpf.errno[116] == "ESTALE".
M.errno = errors.errno

--- What this kernel can do: see ebpf.features.
-- @function features
-- @treturn table
M.features = features.all

--- Hear of links that are collected while they hold their program: unclosed, unpinned and attached. Without a
-- function it is a warning on Lua 5.4 (see warn), and silence on others.
-- @tparam function|nil fn called with the link's id (0 for USDT probes), its hook ("cgroup_inet_egress") and, with
-- trace on, a traceback of where it was made; its errors are dropped
-- @usage ebpf.on_collect(function(id, hook, made) log(("link %d on %s was lost%s"):format(id, hook, made)) end)
function M.on_collect(fn)
  if fn ~= nil then
    options.expect("on_collect", 1, fn, "function")
  end
  core.link.on_collect(fn)
end

--- Remember where links are made, for on_collect.
-- @function trace
-- @bool on
M.trace = origin.trace

return M
