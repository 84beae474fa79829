-- What a walk that failed says: its steps shrunk to few, and told in words.

local socket = require "socket"
local describe = require "spec.support.steps".describe

local M = {}
local SHRINK = 60 -- seconds

-- Whether these steps fail; and which is the last of them.
local function fails(walk, steps)
  walk:empty()
  walk.taken = 0
  for count, step in ipairs(steps) do
    local difference = walk:step(step)
    if difference then
      return difference, count
    end
  end
  return walk:look(), #steps
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

local function shrink(walk, steps, difference)
  local deadline = socket.gettime() + SHRINK
  local size = math.ceil(#steps / 2)
  while size >= 1 do
    local first, smaller = 1, false
    while first <= #steps and socket.gettime() < deadline do
      local fewer = without(steps, first, first + size - 1)
      local other, last = fails(walk, fewer)
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
local function simplify(walk, steps, difference)
  for _, step in ipairs(steps) do
    for _, key in ipairs {"revision", "old", "preorder"} do
      if step[key] and (key ~= "old" or step.op == "update") then
        local value = step[key]
        step[key] = nil
        local other, last = fails(walk, steps)
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
local function leg_of(walk, seed, count)
  local steps = {}
  walk:empty()
  walk:leg(seed, count, function(step)
    walk.state:apply(step)
    steps[#steps + 1] = step
  end)
  return steps
end

--- A report of it.
-- @tparam table walk
-- @int seed of the leg
-- @string difference
-- @int count steps of the leg taken
function M.report(walk, seed, difference, count)
  local lines = {("a walk on %s differs at step %d of SEED=%d: %s"):format(walk.name, count, seed, difference)}
  if not walk.strangers then
    local steps = leg_of(walk, seed, count)
    local again = fails(walk, steps)
    if not again then
      lines[#lines + 1] = "and not when these steps are taken once more"
    else
      steps, again = simplify(walk, shrink(walk, steps, again))
      lines[#lines + 1] = "shrunk:"
      for number, step in ipairs(steps) do
        lines[#lines + 1] = ("%4d. %s"):format(number, describe(step))
      end
      lines[#lines + 1] = "      " .. again
    end
  end
  return table.concat(lines, "\n")
end

return M
