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

-- A hook at one revision: its changes carry it.
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
    link = function(_, program, opts) return hook:link(program, with_revision(opts)) end,
    attach = function(_, program, opts) return hook:attach(program, with_revision(opts)) end,
    replace = function(_, old, new, opts) return hook:replace(old, new, with_revision(opts)) end,
    detach = function(_, program, opts) return hook:detach(program, with_revision(opts)) end,
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
