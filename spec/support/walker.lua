-- Walks at random through what can be done to a kind of hook, with the kernel and with the model (spec.support.model),
-- and compares after every step: the errno, the order, the link ids, the revision, what runs in effect. A walk is told
-- by its seed on every Lua. One that fails is shrunk to few steps and told in words.

local asm = require "spec.support.asm"
local ebpf = require "ebpf"
local model = require "spec.support.model"
local shrink = require "spec.support.shrink"
local socket = require "socket"
local steps = require "spec.support.steps"
local system = require "spec.support.system"

local M = {}

local LEG = 2000 -- steps from empty lists to the next ones
local LOOK = 50 -- steps between two looks at everything
local NOTHING = 0x7ffffff0 -- an id that is nobody's

-- The kernel's side.

local Walk = {}
Walk.__index = Walk

function Walk:thing(hook, thing)
  local kind, n = thing[1], thing[2]
  if kind == "link" then
    return self.links[n]
  elseif kind == "link id" then
    return {link_id = self.link_ids[n]}
  elseif kind == "attachment" then
    return self.attachments[n]
  elseif kind == "program" then
    return self.programs[n]
  elseif kind == "program id" then
    return {program_id = self.program_ids[n]}
  elseif kind == "entry" then
    return assert(self.hooks[hook]:query())[n]
  end
  return kind == "no link id" and {link_id = NOTHING} or {program_id = NOTHING}
end

local perform = {}

function perform.link(walk, step, hook, opts)
  local link, message, errno = hook:link(walk.programs[step.program], opts)
  if link then
    walk.links[step.slot], walk.link_ids[step.slot] = link, link:id()
  end
  return link, message, errno
end

function perform.attach(walk, step, hook, opts)
  local attachment, message, errno = hook:attach(walk.programs[step.program], opts)
  walk.attachments[step.slot] = attachment
  return attachment, message, errno
end

function perform.replace(walk, step, hook, opts)
  local attachment, message, errno = hook:replace(walk:thing(step.hook, step.old), walk.programs[step.program], opts)
  walk.attachments[step.slot] = attachment
  return attachment, message, errno
end

function perform.detach(walk, step, hook, opts)
  return hook:detach(step.what and walk:thing(step.hook, step.what), opts)
end

function perform.renew(walk, step, _, opts)
  return walk.attachments[step.slot]:replace(walk.programs[step.program], opts)
end

function perform.drop(walk, step, _, opts)
  return walk.attachments[step.slot]:detach(opts)
end

function perform.forget(walk, step)
  local attachment = walk.attachments[step.slot]
  walk.attachments[step.slot] = nil
  return attachment:close()
end

function perform.update(walk, step)
  return walk.links[step.slot]:update(walk.programs[step.program], step.old and walk.programs[step.old])
end

function perform.sever(walk, step)
  return walk.links[step.slot]:detach()
end

function perform.close(walk, step)
  local link = walk.links[step.slot]
  walk.links[step.slot] = nil
  return link:close()
end

function Walk:options(step, revision)
  local opts = {preorder = step.preorder, at = step.at}
  if step.anchor then
    opts[step.place] = self:thing(step.hook, step.anchor)
  else
    opts.at = step.place or opts.at
  end
  opts.revision = revision
  return opts
end

-- The usual case, without words: nothing differs, and nobody else is there.
function Walk:same(list, entries, with_links)
  if #list ~= #entries then
    return false
  end
  local native = with_links and self.kind ~= "cgroup"
  for i, entry in ipairs(entries) do
    if list[i].program_id ~= self.program_ids[entry.program]
      or native and list[i].link_id ~= (entry.link and self.link_ids[entry.link.slot]) then
      return false
    end
  end
  return native or not with_links
end

-- What differs between a list as queried and as it should be; nil if nothing does. Strangers' entries are not counted.
function Walk:differs(what, list, entries, with_links)
  if self:same(list, entries, with_links) then
    return nil
  end
  local found, wanted = {}, {}
  for _, entry in ipairs(list) do
    local number = self.numbers[entry.program_id]
    if number or not self.strangers then
      found[#found + 1] = number or "id " .. entry.program_id
      if with_links then
        found[#found] = found[#found] .. ":" .. (entry.link_id or entry.link_ids and "?" or "-")
      end
    end
  end
  for i, entry in ipairs(entries) do
    wanted[i] = entry.program
    if with_links then
      local seen = self.state.seen(entries, entry)
      wanted[i] = wanted[i] .. ":" .. (seen.link and self.link_ids[seen.link.slot] or seen.several and "?" or "-")
    end
  end
  local one, other = table.concat(found, " "), table.concat(wanted, " ")
  return one ~= other and ("%s is (%s), and should be (%s)"):format(what, one, other) or nil
end

function Walk:compare(hook, with_links)
  local entries = self.state.lists[hook]
  local list, message = self.hooks[hook]:query{links = with_links or self.kind ~= "cgroup"}
  if not list then
    return message
  end
  local revision = not self.strangers and self.state.revision(entries) or nil
  if revision and list.revision ~= revision then
    return ("hook %d is at revision %s, and should be at %s"):format(hook, tostring(list.revision), revision)
  end
  return self:differs("hook " .. hook, list, entries, with_links or self.kind ~= "cgroup")
end

function Walk:compare_effective(hook)
  if self.kind == "cgroup" then
    local list, message = self.hooks[hook]:query{effective = true, links = false}
    return not list and message or self:differs("in effect, hook " .. hook, list, self.state:effective(hook))
  end
end

-- Every list with its links, and every link's own word.
function Walk:look()
  for hook = 1, #self.hooks do
    local difference = self:compare(hook, true) or self:compare_effective(hook)
    if difference then
      return difference
    end
  end
  for slot = 1, steps.LINKS do
    local link = self.links[slot]
    local known = self.state.links[slot]
    if link and (link:alive() ~= known.alive or link:info().program_id ~= self.program_ids[known.program]) then
      return ("link %d is %s with program %s, and should be %s with %d"):format(slot, link:alive() and "alive"
        or "severed", tostring(self.numbers[link:info().program_id]), known.alive and "alive" or "severed",
        known.program)
    end
  end
end

--- Takes one step, with the model and with the kernel. Gives what differs, or nil.
function Walk:step(step)
  local hook = self.state:hook_of(step)
  local revision = self.state:asked(self.state.lists[hook], step)
  local wanted = self.state:apply(step)
  if wanted == nil then
    return nil -- there is nothing to do it to, once earlier steps are left out
  end
  self.taken = self.taken + 1
  local ok, result, message, errno = pcall(function()
    return perform[step.op](self, step, self.hooks[hook], self:options(step, revision))
  end)
  if not ok then
    return "it raised: " .. tostring(result)
  end
  local found = result and true or ebpf.errno[errno] or errno
  self.told[wanted] = (self.told[wanted] or 0) + 1
  if found ~= wanted then
    return ("it gave %s, and should give %s"):format(message or "success", wanted == true and "success" or wanted)
  end
  if step.op == "close" and self:compare(hook) then -- somebody who walks over all links may hold it for a moment
    system.eventually(function() return not self:compare(hook) end)
  end
  if self.taken % LOOK == 0 then
    return self:look()
  end
  return self:compare(hook) or self.taken % 10 == 0 and self:compare_effective(#self.hooks) or nil
end

--- From whatever there is to empty lists, in the kernel; and a model that knows where the kernel's revisions are.
function Walk:empty()
  for slot = 1, steps.LINKS do
    if self.links[slot] then self.links[slot]:close() end
    self.links[slot] = nil
  end
  for slot = 1, steps.HANDLES do
    if self.attachments[slot] then self.attachments[slot]:close() end
    self.attachments[slot] = nil
  end
  local revisions = {}
  for number, hook in ipairs(self.hooks) do
    for _, entry in ipairs(assert(hook:query())) do
      if self.numbers[entry.program_id] and not entry.link_id then hook:detach(entry) end
    end
    assert(system.eventually(function() return self.strangers or #hook:query{links = false} == 0 end))
    revisions[number] = assert(hook:query()).revision or false
  end
  self.state = model.new(self.kind, revisions)
end

-- The steps of one leg, made while `take` takes them; up to the one that differs.
function Walk:leg(seed, length, take, deadline)
  local next_step = steps.leg(self, seed)
  for count = 1, length do
    if deadline and socket.gettime() > deadline then
      return nil, count - 1
    end
    local difference = take(next_step())
    if difference then
      return difference, count
    end
  end
  return nil, length
end

--- A walk on hooks of one kind: two of them, of which nobody else knows.
-- @tparam table world programs and handles are its to keep
-- @tparam table spec name; kind: "cgroup" (hooks are of the parent and the child), "tcx", "netkit"; hooks; ordered:
-- the kernel has revisions and places; preorder: it has that; strangers: others attach here too, so revisions and
-- positions in the whole list are let be
function M.new(world, spec)
  local walk = setmetatable({links = {}, link_ids = {}, attachments = {}, programs = {}, program_ids = {},
    numbers = {}, taken = 0, told = {}}, Walk)
  for key, value in pairs(spec) do
    walk[key] = value
  end
  for i = 1, steps.PROGRAMS do
    local spec_of = walk.kind ~= "cgroup" and {type = "sched_cls", insns = asm.verdict(-1, i)} or nil
    local program = world:program(nil, spec_of)
    walk.programs[i], walk.program_ids[i], walk.numbers[program:id()] = program, program:id(), i
  end
  walk:empty()
  return walk
end

--- Walks. Raises with a report if the kernel and the model ever differ.
-- @int seed
-- @int total steps
-- @number[opt] seconds to stop after, should it take longer
-- @treturn table steps taken, seconds, told (how often each errno, or true, was the answer)
function Walk:run(seed, total, seconds)
  local trace, compiler = ebpf.trace, rawget(_G, "jit") or {on = function() end, off = function() end}
  trace(false) -- 100 microseconds a link
  compiler.off() -- no two steps are alike; under an emulator its code costs twice what it saves
  local started, done = socket.gettime(), 0
  local deadline = seconds and started + seconds
  while done < total and not (deadline and socket.gettime() > deadline) do
    local difference, count = self:leg(seed, math.min(LEG, total - done), function(step)
      return self:step(step)
    end, deadline)
    if difference then
      local report = shrink.report(self, seed, difference, count)
      self:empty()
      trace(true)
      compiler.on()
      error(report, 0)
    end
    self:empty()
    done, seed = done + count, seed + 1
  end
  trace(true)
  compiler.on()
  return {steps = done, seconds = socket.gettime() - started, told = self.told}
end

return M
