-- Measuring a row: its workers take turns, round by round, so that whatever else the machine does meets all of them.

local workers = require "bench.workers"

local M = {}
local ROUND = 30e6 -- ns

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

--- Measures one row.
-- @tparam table row see rows.lua
-- @int rounds
-- @treturn table by language: {ns =, ratio =, low =, high =} medians, and the quartiles of the ratio to C in the same
-- round; nil where the row is absent
function M.row(row, rounds)
  local holder = row.hold and workers.start("c", "hold", row.hold)
  local team = start(row)
  local counts, times = {}, {}
  for index, worker in ipairs(team) do
    times[index] = {}
    if worker then
      counts[index] = calibrate(worker, row.step or 1)
    end
  end
  for round = 1, rounds do
    for turn = 1, #team do
      local index = (turn + round) % #team + 1
      local worker = team[index]
      if worker then
        times[index][round] = worker:go(counts[index]) / counts[index]
      end
    end
  end
  local results = {}
  for index, worker in ipairs(team) do
    if worker then
      worker:stop()
      local ratios = {}
      for round, time in ipairs(times[index]) do
        ratios[round] = time / (times[1][round] or time)
      end
      results[worker.language] = {
        ns = quantile(times[index], 0.5), ratio = quantile(ratios, 0.5), low = quantile(ratios, 0.25),
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
