-- Measuring a row: its workers take turns, round by round, so that whatever else the machine does meets all of them.

local workers = require "bench.workers"

local M = {}
local ROUND = 30e6 -- ns
local TEAM_ROUNDS = 3

local function sorted(list)
  local copy = {table.unpack(list)}
  table.sort(copy)
  return copy
end

local function quantile(list, part)
  local values = sorted(list)
  local place = 1 + part * (#values - 1)
  local below = math.floor(place)
  local above = math.min(below + 1, #values)
  return values[below] + (values[above] - values[below]) * (place - below)
end

-- How often to do it in a round: until it takes long enough to be measured. Warms the worker up as well.
local function calibrate(worker, step)
  local count = step
  local took = worker:go(count)
  while took < ROUND / 4 do
    count = count * 2
    took = worker:go(count)
  end
  return math.max(step, math.floor(count * ROUND / took / step) * step)
end

local function start(row)
  local team = {}
  for index, language in ipairs {"c", "lua5.4", "luajit"} do
    local name = language == "c" and row.c or language ~= "c" and row.lua or row.name
    team[index] = workers.start(language, name, row.argument) or false
  end
  return team
end

-- Some rounds by workers that are new: where a process has its code and its data is luck, which costs or saves some
-- percent as long as it lives.
local function add_rounds(row, rounds, times)
  local team = start(row)
  local counts = {}
  for index, worker in ipairs(team) do
    times[index] = times[index] or {language = worker and worker.language}
    counts[index] = worker and calibrate(worker, row.step or 1)
  end
  for round = 1, rounds do
    for turn = 1, #team do
      local index = (turn + round) % #team + 1
      local worker = team[index]
      if worker then
        table.insert(times[index], worker:go(counts[index]) / counts[index])
      end
    end
  end
  for _, worker in ipairs(team) do
    if worker then
      worker:stop()
    end
  end
end

--- Measures one row.
-- @tparam table row see rows.lua
-- @int rounds
-- @treturn table by language: {ns =, ratio =, low =, high =} medians, and the quartiles of the ratio to C in the same
-- round; nil where the row is absent
function M.row(row, rounds)
  local holder = row.hold and workers.start("c", "hold", row.hold)
  local times = {}
  for first = 1, rounds, TEAM_ROUNDS do
    add_rounds(row, math.min(TEAM_ROUNDS, rounds - first + 1), times)
  end
  local results = {}
  for _, list in ipairs(times) do
    if list.language then
      local ratios = {}
      for round, time in ipairs(list) do
        ratios[round] = time / (times[1][round] or time)
      end
      results[list.language] = {
        ns = quantile(list, 0.5), ratio = quantile(ratios, 0.5), low = quantile(ratios, 0.25),
        high = quantile(ratios, 0.75),
      }
    end
  end
  if holder then
    holder:stop()
  end
  return results
end

return M
