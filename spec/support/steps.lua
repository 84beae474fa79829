-- The steps of a random walk, made from the model alone: so a seed tells them without a kernel, on every Lua.

local M = {}

M.LINKS, M.HANDLES, M.PROGRAMS = 96, 24, 120 -- slots, and programs: more than a list takes
local LINKS, HANDLES, PROGRAMS = M.LINKS, M.HANDLES, M.PROGRAMS
local FEW = 12 -- programs of most steps, so that they meet

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

--- The steps of one leg, one at a time: a function that gives the next.
-- @tparam table walk kind, ordered, preorder, strangers, and state: the model, as it is by then
-- @int seed
function M.leg(walk, seed)
  local random = generator(seed)
  local target, left, phase = 0, 0, 0
  return function()
    if left == 0 then
      phase = phase + 1
      target, left = next_phase(random, walk, seed, phase)
    end
    left = left - 1
    return one_step(random, walk, walk.state, target)
  end
end

local function words_of(thing)
  return thing[1]:find "^no " and thing[1] or thing[1] .. " " .. thing[2]
end

--- A step in words.
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

return M
