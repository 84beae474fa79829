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

-- Where the test stands in its spec file, even if a helper called `it` for it.
local function place(element)
  local file = element
  while file and file.descriptor ~= "file" do
    file = busted.parent(file)
  end
  local trace = element.trace or {}
  local name = file and file.name or trace.short_src or "spec" -- the suite has neither
  local line = trace.short_src == name and trace.currentline
    or (trace.traceback or ""):match(name:gsub("%p", "%%%0") .. ":(%d+)")
  return name:gsub("^%./", "") .. (line and ":" .. line or "")
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
  io.write(("%s %s: %s\n    %s\n"):format(word, place(element), full_name(element), (text:gsub("\n", "\n    "))))
  io.flush()
end

return function()
  local handler = {}
  local reasons = {} -- why a test is pending, by element

  local function verdict(verb, element, reason)
    record(verb, place(element), full_name(element), ("%.1f"):format(element.duration or 0), reason or "")
  end

  function handler.test_start(element)
    verdict("start", element)
    return nil, true
  end

  function handler.test_end(element, _, status)
    local verb = ({ success = "pass", pending = "skip" })[status] or "fail"
    verdict(verb, element, reasons[element])
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
    if element.descriptor ~= "it" then verdict("fail", element) end
    return nil, true
  end

  function handler.error(element, _, message, trace)
    explain("ERROR", element, message, trace)
    if element.descriptor ~= "it" then verdict("fail", element) end
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
