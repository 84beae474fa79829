-- busted output handler for spec/vm: one record a test for the program that counts (spec/vm/tally),
-- failures in full as text in between.
--
-- A record is a line "\30verb<TAB>field<TAB>…". The mark may stand in the middle of a line, after
-- text that a spec left without a newline. "start" goes out before the test runs: if the
-- interpreter dies or the machine hangs, the last one names the culprit.

local busted = require "busted"
local full_name = require "busted.outputHandlers.base"().getFullName

local function record(...)
  local fields = { ... }
  for i = 1, #fields do
    fields[i] = tostring(fields[i]):gsub("[%c]+", " ")
  end
  io.write("\30", table.concat(fields, "\t"), "\n")
  io.flush()
end

local function place(element, trace)
  trace = element.trace or trace or {}
  local file = element.descriptor == "file" and element.name or trace.short_src
  return (file or "?"):gsub("^%./", ""), trace.currentline or 0
end

local function text_of(message)
  if type(message) == "string" then return message end
  if message == nil then return "no message" end
  return require "pl.pretty".write(message)
end

local function explain(word, element, message, trace)
  local text = text_of(message)
  if word == "ERROR" and trace and trace.traceback then
    text = text .. "\n" .. trace.traceback:match("^%s*(.-)%s*$")
  end
  local file, line = place(element, trace)
  io.write(("%s %s:%d: %s\n    %s\n"):format(word, file, line, full_name(element), (text:gsub("\n", "\n    "))))
  io.flush()
end

return function()
  local handler = {}
  local reasons = {} -- why a test is pending, by element

  local function verdict(verb, element, trace, reason)
    local file, line = place(element, trace)
    record(verb, file, line, full_name(element), reason or "")
  end

  function handler.test_start(element)
    verdict("start", element)
    return nil, true
  end

  function handler.test_end(element, _, status)
    local verb = ({ success = "pass", pending = "skip" })[status] or "fail"
    verdict(verb, element, nil, reasons[element])
    return nil, true
  end

  function handler.pending(element, _, message)
    -- busted puts the place in front; it is known already.
    local reason = message and text_of(message):gsub("^[^\n]-:%d+: ", "")
    reasons[element] = reason
    return nil, true
  end

  function handler.failure(element, _, message, trace)
    explain("FAIL", element, message, trace)
    if element.descriptor ~= "it" then verdict("fail", element, trace) end
    return nil, true
  end

  function handler.error(element, _, message, trace)
    explain("ERROR", element, message, trace)
    if element.descriptor ~= "it" then verdict("fail", element, trace) end
    return nil, true
  end

  function handler.suite_end()
    record("done")
    return nil, true
  end

  function handler:subscribe()
    busted.subscribe({ "test", "start" }, self.test_start)
    busted.subscribe({ "test", "end" }, self.test_end)
    busted.subscribe({ "pending" }, self.pending)
    busted.subscribe({ "failure" }, self.failure)
    busted.subscribe({ "error" }, self.error)
    busted.subscribe({ "suite", "end" }, self.suite_end)
  end

  return handler
end
