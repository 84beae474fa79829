-- What an iterator goes over: options of ebpf.link.auto, documented in link.lua.

local core = require "ebpf.core"
local errors = require "ebpf.errors"
local options = require "ebpf.options"

local M = {}

local what = "link.auto"
M.options = {map = "map", cgroup = "cgroup", order = "string", pid = "count", tid = "count"}

-- enum bpf_cgroup_iter_order
local orders = {"self_only", "descendants_pre", "descendants_post", "ancestors_up"}
local order_numbers = {}
for number, name in ipairs(orders) do
  order_numbers[name] = number
end

-- target of an iterator -> the options that the kernel reads for it; it passes over the others in silence
local takes = {
  bpf_map_elem = {map = true}, bpf_sk_storage_map = {map = true}, sockmap = {map = true},
  cgroup = {cgroup = true, order = true},
  task = {pid = true, tid = true}, task_file = {pid = true, tid = true}, task_vma = {pid = true, tid = true},
}

--- Raises unless these options, known ones of their types, go together.
function M.check(opts)
  options.at_most_one(what, opts, {"map", "cgroup", "pid", "tid"}, 4)
  options.at_most_one(what, opts, {"map", "order", "pid", "tid"}, 4)
  if opts.order ~= nil then
    options.one_of(what, "order", opts.order, orders, 4)
  end
end

--- Whether the kernel must be told what to go over: by options, or because the target is nothing without.
function M.parameters(section, opts)
  local target = section:match "^iter%.?s?/(.+)$"
  return next(opts) ~= nil or (takes[target] ~= nil and (takes[target].map or takes[target].cgroup) or false)
end

local function refusal(section, opts)
  local target = section:match "^iter%.?s?/(.+)$"
  for option in pairs(opts) do
    if not target then
      return ("'%s' is for iterators, and this section is none's"):format(option)
    elseif not (takes[target] and takes[target][option]) then
      return ("an iterator over %s takes no '%s'"):format(target, option)
    end
  end
  if takes[target].map and not opts.map then
    return ("an iterator over %s must be told which map: {map = …}"):format(target)
  end
end

--- The link of an iterator program over what the options say.
function M.link(program, section, opts)
  local why = refusal(section, opts)
  if why then
    return errors.fail("link auto", section, "EINVAL", why)
  end
  local order = section:find "^iter%.?s?/cgroup$" and order_numbers[opts.order or "descendants_pre"]
  local link, message, number = core.link_create.iter(section, program, opts.map and opts.map:fd(), order or nil,
    opts.cgroup and opts.cgroup:fd(), opts.tid, opts.pid)
  -- Before 6.1 the kernel refuses a pid as too long, and passes over a tid in silence: its info tells.
  local info = link and (opts.pid or opts.tid) and link:info()
  if info and (info.pid ~= (opts.pid or 0) or info.tid ~= (opts.tid or 0))
    or opts.pid and number == errors.errno.E2BIG then
    if link then
      link:close()
    end
    return errors.fail("link auto", section, "ENOTSUP", "an iterator over one process or task needs Linux 6.1 (tried)")
  end
  return link, message, number
end

return M
