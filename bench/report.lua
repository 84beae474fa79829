-- What was measured, in words: a line of text a row, and whether it reaches its limit.

local syscalls = require "bench.syscalls"

local M = {}

local function time(ns)
  if ns < 100 then
    return ("%.1f ns"):format(ns)
  elseif ns < 10e3 then
    return ("%.0f ns"):format(ns)
  elseif ns < 10e6 then
    return ("%.1f us"):format(ns / 1e3)
  end
  return ("%.1f ms"):format(ns / 1e6)
end

M.time = time

--- Whether one language's result reaches the row's limit; nil where it has none or wasn't measured.
function M.reached(row, result)
  if not result then
    return nil
  elseif row.limit then
    return result.ratio <= row.limit
  elseif row.most then
    return result.ns <= row.most
  end
end

function M.limit(row)
  if row.limit then
    return ("%.2f x"):format(row.limit)
  end
  return row.most and time(row.most) or "-"
end

local format = "%-52s %10s  %10s %-19s  %10s %-19s  %8s  %s"

function M.header()
  return format:format("", "C", "Lua 5.4", "", "LuaJIT", "", "limit", "")
end

local function ratio(result)
  return result and ("%.2f x (%.2f-%.2f)"):format(result.ratio, result.low, result.high) or ""
end

--- What is to be said against a row: which language misses the limit, or doesn't have it at all; or "".
function M.verdict(row, results)
  local words = {}
  for _, language in ipairs {"lua5.4", "luajit"} do
    if results[language] == nil then
      words[#words + 1] = language .. " absent"
    elseif M.reached(row, results[language]) == false then
      words[#words + 1] = language .. " misses"
    end
  end
  return #words == 0 and "" or ("%s: %s"):format(row.title, table.concat(words, ", "))
end

function M.line(row, results)
  local cell = function(result) return result and time(result.ns) or "-" end
  return format:format(row.title, cell(results.c), cell(results["lua5.4"]), ratio(results["lua5.4"]),
    cell(results.luajit), ratio(results.luajit), M.limit(row), (M.verdict(row, results):gsub("^.*: ", "")))
end

function M.syscalls_header()
  return ("%-52s %8s %8s %8s"):format("system calls an operation", "C", "Lua 5.4", "LuaJIT")
end

function M.syscalls_line(row, results)
  local cells = {}
  for index, language in ipairs {"c", "lua5.4", "luajit"} do
    local calls = results[language] and syscalls.count(language, row, row.step or 1)
    cells[index] = calls and (calls == 0 and "0" or ("%.2f"):format(calls)) or "-"
  end
  return ("%-52s %8s %8s %8s"):format(row.title, table.unpack(cells))
end

--- Puts the lines between the two marks of a Markdown file: "measured", "profiled".
function M.write(path, mark, lines)
  local file = assert(io.open(path))
  local text = file:read "*a"
  file:close()
  local first, last = ("<!-- %s -->\n"):format(mark), ("<!-- /%s -->"):format(mark)
  local _, start = text:find(first, 1, true)
  local stop = text:find(last, 1, true)
  assert(start and stop, path .. " lacks the marks")
  file = assert(io.open(path, "w"))
  file:write(text:sub(1, start), "```\n", table.concat(lines, "\n"), "\n```\n", text:sub(stop))
  file:close()
end

return M
