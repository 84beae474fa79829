-- Query, decide, change; again if the list moved meanwhile: Mprog:transact, documented in mprog.lua.

local errors = require "ebpf.errors"
local named = require "ebpf.named"
local snapshot = require "ebpf.snapshot"

local M = {}
local TRIES = 16
local unpack = table.unpack or unpack -- luacheck: ignore

local function pack(...)
  return {n = select("#", ...), ...}
end

local here = debug.getinfo(1, "S").source

-- Raises at the line of whoever misused a change. If it was `return at:link(…)`, that line is gone from the stack, and
-- it is the line that called transact: never one of ours, nor of a function that has no lines.
local function raise(message)
  local level, caller = 1
  repeat
    level = level + 1
    caller = debug.getinfo(level, "Sl")
  until not caller or (caller.currentline > 0 and caller.source ~= here)
  error(message, level)
end

local function returned(ok, ...)
  if not ok then
    raise((...))
  end
  return ...
end

-- A hook at one revision: its changes carry it. What they raise gets its position in `raise`: pcall has none.
local function at_revision(hook, revision)
  local function with_revision(opts)
    local copy = {}
    if opts ~= nil and type(opts) ~= "table" then
      return opts -- for the method to refuse
    end
    for key, value in pairs(opts or {}) do
      copy[key] = value
    end
    copy.revision = revision
    return copy
  end
  return {
    link = function(_, program, opts) return returned(pcall(hook.link, hook, program, with_revision(opts))) end,
    attach = function(_, program, opts) return returned(pcall(hook.attach, hook, program, with_revision(opts))) end,
    replace = function(_, old, new, opts)
      return returned(pcall(hook.replace, hook, old, new, with_revision(opts)))
    end,
    detach = function(_, program, opts) return returned(pcall(hook.detach, hook, program, with_revision(opts))) end,
  }
end

function M.run(hook, decide, tries, links)
  tries = tries or TRIES
  for _ = 1, tries do
    local list, message, number = snapshot.take(hook, false, links)
    if not list then
      return nil, message, number
    elseif list.revision_unknown then
      return nil, list.revision_unknown, errors.errno.ESTALE
    end
    local results = pack(decide(list, at_revision(hook, list.revision)))
    if results[1] ~= nil or results[3] ~= errors.errno.ESTALE then
      return unpack(results, 1, results.n)
    end
  end
  return errors.fail("transact", named.subject(hook), "ESTALE", ("the order changed at each of %d tries"):format(tries))
end

return M
