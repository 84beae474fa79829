-- Draws what was measured, as SVG: bars for the rows, curves for cost as work grows.

local report = require "bench.report"

local M = {}
local colors = {c = "#6e7781", ["lua5.4"] = "#0b6bcb", luajit = "#e07b00"}
local names = {c = "C", ["lua5.4"] = "Lua 5.4", luajit = "LuaJIT"}
local limit_color = "#b3261e"

local function escape(text)
  return (text:gsub("[&<>]", {["&"] = "&amp;", ["<"] = "&lt;", [">"] = "&gt;"}))
end

local Picture = {}
Picture.__index = Picture

local function picture(width, height)
  local self = setmetatable({parts = {}}, Picture)
  self:add([[<svg xmlns="http://www.w3.org/2000/svg" width="%d" height="%d" viewBox="0 0 %d %d"
  font-family="sans-serif" font-size="13">]], width, height, width, height)
  self:add([[<rect width="%d" height="%d" fill="white"/>]], width, height)
  return self
end

function Picture:add(format, ...)
  table.insert(self.parts, format:format(...))
end

function Picture:text(x, y, text, attributes)
  self:add([[<text x="%.1f" y="%.1f"%s>%s</text>]], x, y, attributes and " " .. attributes or "", escape(text))
end

function Picture:line(x1, y1, x2, y2, color, width)
  self:add([[<line x1="%.1f" y1="%.1f" x2="%.1f" y2="%.1f" stroke="%s" stroke-width="%.1f"/>]], x1, y1, x2, y2, color,
    width or 1)
end

function Picture:write(path)
  table.insert(self.parts, "</svg>\n")
  local file = assert(io.open(path, "w"))
  file:write(table.concat(self.parts, "\n"))
  file:close()
end

function Picture:legend(x, y, languages)
  for _, language in ipairs(languages) do
    self:add([[<rect x="%.1f" y="%.1f" width="12" height="12" fill="%s"/>]], x, y - 11, colors[language])
    self:text(x + 17, y, names[language])
    x = x + 85
  end
  return x
end

local LEFT, SCALE, BAR, GROUP = 390, 150, 11, 36
local MOST = 4 -- times C: a longer bar is cut, and says how long it is

--- Time as a multiple of C's, a bar a language; the limit is a mark.
function M.bars(path, machine, rows, results)
  local shown = {}
  for _, row in ipairs(rows) do
    if row.limit and results[row.name] and results[row.name]["lua5.4"] then
      shown[#shown + 1] = row
    end
  end
  local top = 90
  local bottom = top + #shown * GROUP
  local draw = picture(LEFT + SCALE * MOST + 110, bottom + 20)
  draw:text(16, 26, "Time of one operation, as a multiple of C on libbpf (less is better)", [[font-size="17"]])
  draw:text(16, 46, machine, [[fill="#57606a"]])
  local x = draw:legend(LEFT, 70, {"lua5.4", "luajit"})
  draw:line(x + 6, 58, x + 6, 71, limit_color, 3)
  draw:text(x + 15, 70, "must not be more")
  for tick = 0, MOST do
    draw:line(LEFT + tick * SCALE, top, LEFT + tick * SCALE, bottom, tick == 1 and colors.c or "#d8dee4",
      tick == 1 and 2 or 1)
    draw:text(LEFT + tick * SCALE, top - 5, tick == 1 and "C" or tick .. " x", [[text-anchor="middle" fill="#57606a"]])
  end
  for index, row in ipairs(shown) do
    local y = top + (index - 1) * GROUP + 6
    draw:text(LEFT - 8, y + BAR + 5, row.title, [[text-anchor="end"]])
    for place, language in ipairs {"lua5.4", "luajit"} do
      local ratio = results[row.name][language].ratio
      local length = math.min(ratio, MOST + 0.1) * SCALE
      local above = y + (place - 1) * (BAR + 1)
      draw:add([[<rect x="%d" y="%.1f" width="%.1f" height="%d" fill="%s"/>]], LEFT, above, length, BAR,
        colors[language])
      draw:text(LEFT + length + 5, above + BAR - 1, ("%.2f"):format(ratio), [[font-size="11"]])
    end
    draw:line(LEFT + row.limit * SCALE, y - 3, LEFT + row.limit * SCALE, y + 2 * BAR + 4, limit_color, 3)
  end
  draw:write(path)
end

local WIDTH, HEIGHT, PAD = 330, 210, 60

local function plot(draw, left, top, row, curve)
  local low, high = math.huge, 0
  for _, line in pairs(curve) do
    for _, ns in ipairs(line.ns) do
      low, high = math.min(low, ns), math.max(high, ns)
    end
  end
  local first, last = math.log(row.at[1], 10), math.log(row.at[#row.at], 10)
  low, high = math.floor(math.log(low, 10)), math.ceil(math.log(high, 10))
  local function place(size, ns)
    return left + (math.log(size, 10) - first) / (last - first) * WIDTH,
      top + HEIGHT - (math.log(ns, 10) - low) / (high - low) * HEIGHT
  end
  draw:text(left, top - 12, row.title, [[font-weight="bold"]])
  for power = low, high do
    local _, y = place(1, 10 ^ power)
    draw:line(left, y, left + WIDTH, y, "#d8dee4")
    draw:text(left - 6, y + 4, report.time(10 ^ power):gsub("%.0 ", " "), [[text-anchor="end" font-size="11"]])
  end
  for _, size in ipairs(row.at) do
    local x = place(size, 10 ^ low)
    draw:line(x, top + HEIGHT, x, top + HEIGHT + 4, "#57606a")
    draw:text(x, top + HEIGHT + 17, tostring(size), [[text-anchor="middle" font-size="11"]])
  end
  for _, language in ipairs {"c", "lua5.4", "luajit"} do
    local line = curve[language]
    local points = {}
    for index, ns in ipairs(line and line.ns or {}) do
      points[index] = ("%.1f,%.1f"):format(place(row.at[index], ns))
    end
    draw:add([[<polyline points="%s" fill="none" stroke="%s" stroke-width="2"/>]], table.concat(points, " "),
      colors[language])
    for _, point in ipairs(points) do
      local x, y = point:match "(.*),(.*)"
      draw:add([[<circle cx="%s" cy="%s" r="3" fill="%s"/>]], x, y, colors[language])
    end
  end
end

--- Time against size, both axes logarithmic: a plot a row, a curve a language.
function M.curves(path, machine, grown)
  local lines = math.ceil(#grown / 2)
  local draw = picture(2 * (WIDTH + 2 * PAD), 90 + lines * (HEIGHT + 80))
  draw:text(16, 26, "Cost as work grows (both axes logarithmic)", [[font-size="17"]])
  draw:text(16, 46, machine, [[fill="#57606a"]])
  draw:legend(PAD + 10, 70, {"c", "lua5.4", "luajit"})
  for index, one in ipairs(grown) do
    local column, line = (index - 1) % 2, math.floor((index - 1) / 2)
    plot(draw, PAD + 10 + column * (WIDTH + 2 * PAD - 10), 115 + line * (HEIGHT + 80), one.row, one.curve)
  end
  draw:write(path)
end

return M
