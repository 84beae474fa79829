-- What runs inside nginx: one program on a cgroup, attached once, whatever becomes of nginx. init_by_lua runs in the
-- master, at the start and at each reload; the pin tells it that the program is attached already. Workers answer
-- requests and need nothing but the map.
-- luacheck: std ngx_lua

local asm = require "spec.support.asm"
local ebpf = require "ebpf"

local M = {}
local state = {} -- of this VM

local function opened(pin, kind)
  local thing, message, errno = pin:get(kind)
  if not thing and errno ~= ebpf.errno.ENOENT then
    error(message)
  end
  return thing
end

local function open_map(path)
  local pin = assert(ebpf.pin.at(path))
  local map = opened(pin, "map")
  if not map then
    map = assert(ebpf.map.create{type = "array", key_size = 4, value_size = 8, max_entries = 1, name = "packets"})
    assert(pin:put(map))
  end
  pin:close()
  return map
end

-- Each VM brings its own program: updates the link that is pinned, or makes it. The handles it took to do so.
local function attach(options, map)
  local program = assert(ebpf.program.load{type = "cgroup_skb", insns = asm.counter(map:fd(), 1), name = "policy"})
  local pin = assert(ebpf.pin.at(options.link))
  local link = opened(pin, "link")
  if link then
    assert(link:update(program))
    return link, {program, pin, link}
  end
  local cgroup = assert(ebpf.cgroup.open(options.cgroup))
  local hook = assert(cgroup:mprog "cgroup_inet_egress")
  link = assert(hook:link(program))
  assert(pin:put(link))
  return link, {program, pin, link, cgroup, hook}
end

-- The worst habits: nothing is closed, and the first VM makes two links that nobody pins, one of which it forgets.
local function keep_open(options, handles)
  ebpf.on_collect(function(id)
    local file = assert(io.open(options.prefix .. "/collected", "a"))
    file:write(id, "\n")
    file:close()
  end)
  state.handles = handles
  if state.generation == 1 then
    local cgroup = assert(ebpf.cgroup.open(options.cgroup))
    local hook = assert(cgroup:mprog "cgroup_inet_ingress")
    state.unpinned = {cgroup, hook, assert(hook:link(handles[1]))}
    assert(hook:link(assert(ebpf.program.load{type = "cgroup_skb", insns = asm.verdict(1)})))
  end
end

--- For init_by_lua.
function M.start(options)
  local link, handles
  state.generation = ngx.shared.life:incr("generation", 1, 0)
  state.map = open_map(options.map)
  link, handles = attach(options, state.map)
  state.link_id, state.program_id = link:id(), handles[1]:id()
  if options.keep_open then
    return keep_open(options, handles)
  end
  for _, handle in ipairs(handles) do
    handle:close()
  end
end

-- A worker has no capability. Older kernels (5.10) let nobody without one read a map, not even by a descriptor.
local function packets()
  local count, message, errno = state.map:get(0)
  if not count and errno ~= ebpf.errno.EPERM then
    error(message)
  end
  return count or "EPERM"
end

--- What this process knows: generation, its pid, link, program, packets counted.
function M.answer()
  ngx.say(table.concat({state.generation, ngx.worker.pid(), state.link_id, state.program_id, packets()}, " "))
end

--- Begins to answer, and goes on once this generation is released: a worker still has work when nginx reloads.
function M.hold()
  ngx.send_headers()
  ngx.flush(true)
  repeat
    ngx.sleep(0.02)
  until (ngx.shared.life:get "released" or 0) >= state.generation
  M.answer()
end

--- Releases the generation that the query string names: an old worker may answer this, too, until it hears of the
-- reload.
function M.release()
  ngx.shared.life:set("released", tonumber(ngx.var.args))
  M.answer()
end

return M
