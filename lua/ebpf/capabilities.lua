-- Which of the capabilities that bpf(2) asks for this process has, read when a refusal has to be explained.
-- @see capabilities(7)

local M = {}

local bits = {CAP_NET_ADMIN = 12, CAP_SYS_ADMIN = 21, CAP_PERFMON = 38, CAP_BPF = 39}

local function effective()
  local file = io.open "/proc/self/status"
  local text = file and file:read "*a"
  if file then
    file:close()
  end
  return text and text:match "CapEff:%s*(%x+)"
end

local function has(mask, bit)
  local position = #mask - math.floor(bit / 4)
  local digit = tonumber(mask:sub(position, position), 16) or 0
  return math.floor(digit / 2 ^ (bit % 4)) % 2 == 1
end

--- A sentence about which of the named capabilities are missing.
-- @tparam {string,...} names each is enough by itself where `any` is true, else all are needed
-- @bool[opt] any
-- @treturn string|nil nil when none is missing, or when it can't be told
function M.missing(names, any)
  local mask = effective()
  local absent = {}
  for _, name in ipairs(names) do
    if mask and not has(mask, bits[name]) then
      absent[#absent + 1] = name
    end
  end
  if #absent == 0 or any and #absent < #names then
    return nil
  end
  return "this process lacks " .. table.concat(absent, any and " and " or ", ")
end

--- Whether this process is in a user namespace other than the first: capabilities there don't count outside.
function M.namespaced()
  local file = io.open "/proc/self/uid_map"
  local text = file and file:read "*a"
  if file then
    file:close()
  end
  return text ~= nil and not text:find "^%s*0%s+0%s+4294967295"
end

return M
