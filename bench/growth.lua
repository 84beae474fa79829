-- Cost as work grows: a row at several sizes, and how steep the curve is.

local measure = require "bench.measure"
local report = require "bench.report"

local M = {}
local languages = {"c", "lua5.4", "luajit"}

--- @treturn table by language: {ns = {one a size}, slope = of the line from the first to the last, on logarithmic axes}
function M.measure(row, rounds)
  local curve = {}
  for index, size in ipairs(row.at) do
    local one = {name = row.name, c = row.c, hold = row.hold and size or nil,
      argument = not row.hold and size - (row.others and 1 or 0) or nil}
    for language, result in pairs(measure.row(one, rounds)) do
      curve[language] = curve[language] or {ns = {}}
      curve[language].ns[index] = result.ns
    end
  end
  for _, line in pairs(curve) do
    line.slope = math.log(line.ns[#row.at] / line.ns[1]) / math.log(row.at[#row.at] / row.at[1])
  end
  return curve
end

function M.header()
  return ("%-36s %-8s %-58s %s"):format("cost as work grows", "", "n: time", "slope (1: linear)")
end

function M.lines(row, curve)
  local lines = {}
  for _, language in ipairs(languages) do
    local line = curve[language]
    if line then
      local points = {}
      for index, size in ipairs(row.at) do
        points[index] = ("%d: %s"):format(size, report.time(line.ns[index]))
      end
      lines[#lines + 1] = ("%-36s %-8s %-58s %.2f"):format(#lines == 0 and row.title or "", language,
        table.concat(points, "  "), line.slope)
    end
  end
  return lines
end

return M
