-- Where file systems are mounted: /proc/self/mountinfo.
-- @see proc(5)

local M = {}

local function octal(text)
  return (text:gsub("\\(%d%d%d)", function(digits) return string.char(tonumber(digits, 8)) end))
end

--- The mount points of one type of file system, in the order of mounting.
-- @string kind as "cgroup2"
-- @treturn {string,...}
function M.of(kind)
  local file = io.open "/proc/self/mountinfo"
  local found = {}
  if not file then
    return found
  end
  for line in file:lines() do
    local path, this = line:match "^%d+ %d+ %S+ %S+ (%S+) .- %- (%S+)"
    if this == kind then
      found[#found + 1] = octal(path)
    end
  end
  file:close()
  return found
end

return M
