-- Assertions about results: assert.fails(result, "EBUSY", "text in the message"), assert.order(hook, …).

local assert = require "luassert"
local errno = require "ebpf".errno
local say = require "say"

local function fails(_, arguments)
  local results, name, text = arguments[1], arguments[2], arguments[3]
  return results[1] == nil and type(results[2]) == "string" and results[3] == errno[name]
    and results[2]:find(": " .. name .. ": ", 1, true) ~= nil
    and (not text or results[2]:find(text, 1, true) ~= nil)
end

say:set("assertion.fails.positive", "Expected a failure, got:\n%s\nwanted errno:\n%s\nwith the words:\n%s")
assert:register("assertion", "fails", fails, "assertion.fails.positive")

-- The programs of a hook, in order: ids of what the query gives against the handles given.
local function order(_, arguments)
  local list = arguments[1]
  local wanted = {}
  for i = 2, arguments.n do
    local thing = arguments[i]
    wanted[i - 1] = type(thing) == "number" and thing or thing.info and thing:info().program_id or thing:id()
  end
  local found = {}
  for i, entry in ipairs(list) do
    found[i] = entry.program_id
  end
  arguments[1], arguments[2], arguments.n = table.concat(found, " "), table.concat(wanted, " "), 2
  return arguments[1] == arguments[2]
end

say:set("assertion.order.positive", "Expected another order, got:\n%s\nwanted:\n%s")
assert:register("assertion", "order", order, "assertion.order.positive")

-- Misuse: a list of {pattern, function}, each of which raises an error with such a message.
local function misuse(_, arguments)
  for _, case in ipairs(arguments[1]) do
    local returned, message = pcall(case[2])
    if returned or not tostring(message):find(case[1]) then
      arguments[1], arguments[2], arguments.n = returned and "no error" or tostring(message), case[1], 2
      return false
    end
  end
  return true
end

say:set("assertion.misuse.positive", "Expected another error, got:\n%s\nwanted:\n%s")
assert:register("assertion", "misuse", misuse, "assertion.misuse.positive")
