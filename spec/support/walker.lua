-- Walks at random through what can be done to a kind of hook, with the kernel and with the model (spec.support.model),
-- and compares after every step: the errno, the order, the link ids, the revision, what runs in effect. A walk is told
-- by its seed on every Lua. One that fails is shrunk to few steps and told in words.

local asm = require "spec.support.asm"
local ebpf = require "ebpf"
local model = require "spec.support.model"
local socket = require "socket"
local system = require "spec.support.system"

local M = {}

local LINKS, HANDLES, PROGRAMS = 96, 24, 120 -- slots, and programs: more than a list takes
local FEW = 12 -- programs of most steps, so that they meet
local LEG = 2000 -- steps from empty lists to the next ones
local LOOK = 50 -- steps between two looks at everything
local SHRINK = 60 -- seconds
local NOTHING = 0x7ffffff0 -- an id that is nobody's

-- Park and Miller's generator: exact in doubles, so the same on every Lua.
local function generator(seed)
  local state = seed % 2147483646 + 1
  local function random(n)
    state = state * 16807 % 2147483647
    return math.floor(state / 2147483647 * n) + 1
  end
  for _ = 1, 8 do random(2) end -- small seeds have similar first numbers
  return random
end

-- Steps, made from the model alone: so a seed tells them without a kernel.

local rushes = {"link", "attach", "link", "attach", "link", "attach", "link", "attach", "update", "replace"}
local grows = {"link", "link", "link", "attach", "attach", "attach", "update", "replace", "renew"}
local shrinks = {"detach", "detach", "detach", "drop", "sever", "close", "close", "close", "update", "replace"}
local anchors = {"link", "link", "link id", "attachment", "program", "program", "program id", "entry", "no link id",
  "no program id"}

local function any(random, list)
  return list[random(#list)]
end

-- The slot of something: mostly of one that this hook has, else whatever is there.
local function slot_of(random, things, count, list, hook)
  for _ = 1, #list > 0 and random(8) > 1 and 6 or 0 do
    local link = list[random(#list)].link
    if link and things[link.slot] == link then
      return link.slot
    end
  end
  local slot = random(count)
  for _ = 1, 8 do
    local thing = things[slot]
    if thing and (thing.hook == hook and not thing.detached or random(4) == 1) then
      break
    end
    slot = random(count)
  end
  return slot
end

local function free_slot(random, things, count)
  local first = random(count)
  for i = 0, count - 1 do
    local slot = (first + i - 1) % count + 1
    if not things[slot] then
      return slot
    end
  end
end

local function program_of(random, list, present, few)
  if #list > 0 and random(100) <= present then
    return list[random(#list)].program
  end
  return random(few)
end

local function thing_of(random, state, list, hook, kind, few)
  if kind == "link" then
    return {kind, slot_of(random, state.links, LINKS, list, hook)}
  elseif kind == "link id" then
    return {kind, random(4) == 1 and random(LINKS) or slot_of(random, state.links, LINKS, list, hook)}
  elseif kind == "attachment" then
    return {kind, slot_of(random, state.attachments, HANDLES, list, hook)}
  elseif kind == "entry" then
    return {kind, random(math.max(#list, 1))}
  end
  return {kind, program_of(random, list, 85, few)}
end

-- An anchor that may do for a cgroup's link is one that a cgroup's program may not be ordered against.
local function anchor_kind(random, op, walk)
  local kind
  repeat
    kind = any(random, anchors)
    local fits = op == "link" and kind:find "link" or op == "attach" and not kind:find "link" or kind == "entry"
    local rare = kind == "entry" or kind:find "no "
  until (fits or walk.kind ~= "cgroup" or random(12) == 1) and (not rare or random(4) == 1)
    and not (kind == "entry" and walk.strangers)
  return kind
end

local function one_step(random, walk, state, target)
  local hook = random(#state.lists)
  local list = state.lists[hook]
  local few = target > FEW and PROGRAMS or FEW
  local way = #list < target and (few == FEW and grows or rushes) or shrinks
  local op = any(random, random(100) <= (way == rushes and 95 or 75) and way or way == shrinks and grows or shrinks)
  local step = {op = op, hook = hook, program = program_of(random, list, few == FEW and 15 or 4, few)}
  if op == "link" or op == "attach" then
    local links = op == "link"
    step.slot = free_slot(random, links and state.links or state.attachments, links and LINKS or HANDLES)
    if not step.slot then
      return {op = links and "close" or "forget", slot = random(links and LINKS or HANDLES), hook = hook}
    end
    local where = random(10)
    if walk.ordered and where > 3 then
      step.place = any(random, where <= 5 and {"head", "tail"} or {"before", "after"})
      step.anchor = where > 5 and thing_of(random, state, list, hook, anchor_kind(random, op, walk), few) or nil
    end
    step.preorder = walk.preorder and (op == "attach" or walk.ordered) and random(3) == 1 or nil
  elseif op == "replace" then
    step.slot = free_slot(random, state.attachments, HANDLES)
    if not step.slot then
      return {op = "forget", slot = random(HANDLES), hook = hook}
    end
    step.old = thing_of(random, state, list, hook, any(random, {"program", "program", "attachment", "attachment",
      "program id", "link", walk.strangers and "program" or "entry", "no program id"}), few)
    step.preorder = walk.preorder and random(4) == 1 or nil
  elseif op == "detach" then
    if random(3) == 1 and not walk.strangers then
      step.at = any(random, {"head", "tail"})
    else
      step.what = thing_of(random, state, list, hook, any(random, {"program", "program", "program", "attachment",
        "program id", "link", walk.strangers and "program" or "entry", "no program id"}), few)
    end
    step.program = nil
  elseif op == "renew" or op == "drop" then
    step.slot = slot_of(random, state.attachments, HANDLES, list, hook)
  else
    step.slot = slot_of(random, state.links, LINKS, list, hook)
    local link = state.links[step.slot]
    if op == "update" and link and random(3) == 1 then
      step.old = random(4) > 1 and link.program or random(few)
    end
  end
  if walk.ordered and not walk.strangers and op ~= "update" and op ~= "sever" and op ~= "close" and random(4) == 1 then
    step.revision = random(3) == 1 and any(random, {-1, 1, 7}) or 0
  end
  step.hook = state:hook_of(step)
  if op == "drop" or op == "sever" or op == "close" then
    step.program = nil
  end
  return step
end

-- How long the lists are to be, and for how many steps: mostly short, and once in every other leg, full.
local function next_phase(random, walk, seed, phase)
  if phase == 3 and seed % 2 == 0 and not walk.strangers then
    return PROGRAMS, 600
  end
  return any(random, walk.strangers and {3, 6, 10} or {2, 3, 4, 5, 6, 7, 8, 9, 10, 12, 16}), 100 + random(100)
end

-- In words.

local function words_of(thing)
  return thing[1]:find "^no " and thing[1] or thing[1] .. " " .. thing[2]
end

function M.describe(step)
  local words = {}
  if step.program then words[1] = "program " .. step.program end
  for _, key in ipairs {"old", "what"} do
    local thing = step[key]
    if thing then
      words[#words + 1] = key .. " = " .. (type(thing) == "table" and words_of(thing) or "program " .. thing)
    end
  end
  if step.place then
    words[#words + 1] = step.anchor and step.place .. " = " .. words_of(step.anchor) or "at = " .. step.place
  end
  if step.at then words[#words + 1] = "at = " .. step.at end
  if step.preorder then words[#words + 1] = "preorder" end
  if step.revision then words[#words + 1] = ("revision = the present one %+d"):format(step.revision) end
  local names = {
    link = "link %d = hook %d:link", attach = "attachment %d = hook %d:attach",
    replace = "attachment %d = hook %d:replace", renew = "attachment %d (hook %d):replace",
    drop = "attachment %d (hook %d):detach", forget = "attachment %d (hook %d):close",
    update = "link %d (hook %d):update", sever = "link %d (hook %d):detach", close = "link %d (hook %d):close",
  }
  local name = names[step.op] and names[step.op]:format(step.slot, step.hook) or ("hook %d:detach"):format(step.hook)
  return name .. "(" .. table.concat(words, ", ") .. ")"
end

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
  for slot = 1, LINKS do
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
  for slot = 1, LINKS do
    if self.links[slot] then self.links[slot]:close() end
    self.links[slot] = nil
  end
  for slot = 1, HANDLES do
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
function Walk:leg(seed, steps, take, deadline)
  local random = generator(seed)
  local target, left, phase = 0, 0, 0
  for count = 1, steps do
    if deadline and socket.gettime() > deadline then
      return nil, count - 1
    end
    if left == 0 then
      phase = phase + 1
      target, left = next_phase(random, self, seed, phase)
    end
    left = left - 1
    local difference = take(one_step(random, self, self.state, target))
    if difference then
      return difference, count
    end
  end
  return nil, steps
end

-- From here on: a walk that failed.

-- Whether these steps fail; and which is the last of them.
function Walk:fails(steps)
  self:empty()
  self.taken = 0
  for count, step in ipairs(steps) do
    local difference = self:step(step)
    if difference then
      return difference, count
    end
  end
  return self:look(), #steps
end

local function without(steps, first, last)
  local rest = {}
  for i, step in ipairs(steps) do
    if i < first or i > last then
      rest[#rest + 1] = step
    end
  end
  return rest
end

function Walk:shrink(steps, difference)
  local deadline = socket.gettime() + SHRINK
  local size = math.ceil(#steps / 2)
  while size >= 1 do
    local first, smaller = 1, false
    while first <= #steps and socket.gettime() < deadline do
      local fewer = without(steps, first, first + size - 1)
      local other, last = self:fails(fewer)
      if other then
        steps, difference, smaller = without(fewer, last + 1, #fewer), other, true
      else
        first = first + size
      end
    end
    if size == 1 and not smaller or socket.gettime() >= deadline then
      break
    end
    size = math.max(1, math.floor(size / 2))
  end
  return steps, difference
end

-- Options that the failure doesn't hang on are left out too.
function Walk:simplify(steps, difference)
  for _, step in ipairs(steps) do
    for _, key in ipairs {"revision", "old", "preorder"} do
      if step[key] and (key ~= "old" or step.op == "update") then
        local value = step[key]
        step[key] = nil
        local other, last = self:fails(steps)
        if other and last == #steps then
          difference = other
        else
          step[key] = value
        end
      end
    end
  end
  return steps, difference
end

-- The steps of a leg once more, to be shrunk: the model alone tells them.
function Walk:steps_of(seed, count)
  local steps = {}
  self:empty()
  self:leg(seed, count, function(step)
    self.state:apply(step)
    steps[#steps + 1] = step
  end)
  return steps
end

function Walk:report(seed, difference, count)
  local lines = {("a walk on %s differs at step %d of SEED=%d: %s"):format(self.name, count, seed, difference)}
  if not self.strangers then
    local steps = self:steps_of(seed, count)
    local again = self:fails(steps)
    if not again then
      lines[#lines + 1] = "and not when these steps are taken once more"
    else
      steps, again = self:simplify(self:shrink(steps, again))
      lines[#lines + 1] = "shrunk:"
      for number, step in ipairs(steps) do
        lines[#lines + 1] = ("%4d. %s"):format(number, M.describe(step))
      end
      lines[#lines + 1] = "      " .. again
    end
  end
  return table.concat(lines, "\n")
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
  for i = 1, PROGRAMS do
    local spec_of = walk.kind ~= "cgroup" and {type = "sched_cls", insns = asm.verdict(-1, i)} or nil
    local program = world:program(nil, spec_of)
    walk.programs[i], walk.program_ids[i], walk.numbers[program:id()] = program, program:id(), i
  end
  walk:empty()
  return walk
end

--- Walks. Raises with a report if the kernel and the model ever differ.
-- @int seed
-- @int steps
-- @number[opt] seconds to stop after, should it take longer
-- @treturn table steps taken, seconds, told (how often each errno, or true, was the answer)
function Walk:run(seed, steps, seconds)
  local trace, compiler = ebpf.trace, rawget(_G, "jit") or {on = function() end, off = function() end}
  trace(false) -- 100 microseconds a link
  compiler.off() -- no two steps are alike; under an emulator its code costs twice what it saves
  local started, done = socket.gettime(), 0
  local deadline = seconds and started + seconds
  while done < steps and not (deadline and socket.gettime() > deadline) do
    local difference, count = self:leg(seed, math.min(LEG, steps - done), function(step)
      return self:step(step)
    end, deadline)
    if difference then
      local report = self:report(seed, difference, count)
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
