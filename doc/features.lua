-- usage: lua features.lua README.md            writes the table of ebpf.features() between its two comments
--        lua features.lua --check README.md    fails if it isn't what stands there

local BEGIN, END = "<!-- features: make features-table -->\n", "<!-- end of features -->"

local features = require "ebpf.features"

local function number(release)
  local major, minor = release:match "^(%d+)%.(%d+)$"
  return tonumber(major) * 1000 + tonumber(minor)
end

-- Hooks in the order in which they came to Linux, and so the rows of each.
local function table_of(all)
  local rows, first = {}, {}
  for name, feature in pairs(all) do
    local since = number(feature.since)
    feature.hook = feature.hook or "other"
    rows[#rows + 1] = {name = name, feature = feature, since = since}
    first[feature.hook] = math.min(first[feature.hook] or since, since)
  end
  local function before(a, b)
    local keys = {
      {first[a.feature.hook], first[b.feature.hook]}, {a.feature.hook, b.feature.hook}, {a.since, b.since},
      {a.name, b.name},
    }
    for _, pair in ipairs(keys) do
      if pair[1] ~= pair[2] then
        return pair[1] < pair[2]
      end
    end
    return false
  end
  table.sort(rows, before)
  local lines = {"| hook | what you can do | since Linux | `ebpf.features()` |", "|---|---|---|---|"}
  local hook
  for _, row in ipairs(rows) do
    lines[#lines + 1] = ("| %s | %s | %s | `%s` |"):format(row.feature.hook ~= hook and row.feature.hook or "",
      row.feature.can or row.feature.what, row.feature.since, row.name)
    hook = row.feature.hook
  end
  return table.concat(lines, "\n") .. "\n"
end

local function read(path)
  local file = assert(io.open(path))
  local text = file:read "*a"
  file:close()
  return text
end

local check = arg[1] == "--check"
local path = arg[check and 2 or 1]
local text = read(path)
local _, from = text:find(BEGIN, 1, true)
local to = text:find(END, 1, true)
assert(from and to and from < to, path .. " has no place for the table: " .. BEGIN .. END)
local wanted = text:sub(1, from) .. table_of(features.all()) .. text:sub(to)

if check and text ~= wanted then
  io.stderr:write(path, ": the table of features has drifted from lua/ebpf/features.lua: make features-table\n")
  os.exit(1)
elseif not check then
  local file = assert(io.open(path, "w"))
  assert(file:write(wanted))
  file:close()
end
