-- Failures in words: nil, message, errno. One place makes every message, for C (through the explainer) and for Lua.
-- "operation subject: ENAME: why": what was tried, on what, what the kernel said, and the reason where it is known.

local core = require "ebpf.core"
local hints = require "ebpf.hints"

local errno = core.fail.errno
local M = {errno = errno}

local LOG_LINES = 40

-- The end of a log is where the reason stands; the whole of it may be megabytes.
local function tail(log)
  local lines = {}
  for line in log:gmatch "[^\n]+" do
    lines[#lines + 1] = "  " .. line
  end
  if #lines > LOG_LINES then
    lines[#lines - LOG_LINES] = ("  (%d lines before)"):format(#lines - LOG_LINES)
  end
  return table.concat(lines, "\n", math.max(1, #lines - LOG_LINES))
end

local function hint(operation, name)
  local rows = hints[operation]
  local text = rows and rows[name] or hints.any[name]
  if type(text) == "function" then
    return text()
  end
  return text
end

--- The message for a failure.
-- @string operation what was tried: a key of the hints
-- @string subject on what
-- @tparam int|string number errno, or its name: ENOTSUP and EOPNOTSUPP are one number
-- @string[opt] why the reason, where the caller knows it
-- @string[opt] log what libbpf or the verifier said
function M.explain(operation, subject, number, why, log)
  local name = type(number) == "string" and number or errno[number] or tostring(number)
  number = errno[name] or number
  local reason = why or hint(operation, name) or core.fail.strerror(number)
  local what = subject ~= "" and operation .. " " .. subject or operation
  local message = ("%s: %s: %s"):format(what, name, reason)
  if log and log ~= "" then
    message = message .. "\n" .. tail(log)
  end
  return message
end

--- nil, message, errno
-- @string operation
-- @string subject
-- @tparam int|string number errno, or its name
-- @string[opt] why
function M.fail(operation, subject, number, why)
  return nil, M.explain(operation, subject, number, why), type(number) == "string" and errno[number] or number
end

core.fail.set_explainer(M.explain)

return M
