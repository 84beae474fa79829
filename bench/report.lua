-- What was measured, in words: a line of text a row, and whether it reaches its limit.

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

function M.machine(report)
  return ("%s, %d CPUs; %s; libbpf %s; medians of %d rounds"):format(report.machine, report.cpus, report.kernel,
    report.libbpf, report.rounds)
end

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

function M.verdict(row, results)
  local words = {}
  for _, language in ipairs {"lua5.4", "luajit"} do
    local reached = M.reached(row, results[language])
    if results[language] == nil then
      words[#words + 1] = language .. " absent"
    elseif reached == false then
      words[#words + 1] = language .. " misses"
    end
  end
  return table.concat(words, ", ")
end

function M.line(row, results)
  local cell = function(result) return result and time(result.ns) or "-" end
  return format:format(row.title, cell(results.c), cell(results["lua5.4"]), ratio(results["lua5.4"]),
    cell(results.luajit), ratio(results.luajit), M.limit(row), M.verdict(row, results))
end

return M
