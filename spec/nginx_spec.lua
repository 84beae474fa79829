-- The library in a real nginx: init_by_lua attaches and pins, workers answer, reloads bring a new Lua VM each while the
-- old one goes on, and the cache manager closes its copy of the VM as soon as it starts. What init_by_lua does is in
-- spec/support/nginx/policy.lua.

local nginx = require "spec.support.nginx.server"
local system = require "spec.support.system"
local worlds = require "spec.support.world"

local missing = nginx.missing()

-- A life of nginx is led once, by whichever test comes first; what was seen at its stages is what the tests read.
local function once(live)
  local world, story, failure
  teardown(function()
    if world then
      world:finish()
    end
  end)
  return function()
    if not world then
      world = worlds.new()
      local server
      local done
      done, story = xpcall(live, debug.traceback, world, function(started) server = started end)
      if not done then
        failure, story = story .. (server and "\nerror.log:\n" .. server:log() or ""), nil
      end
    end
    assert(story, failure)
    return story
  end
end

local function it_lives(name, life, body)
  it(name, function()
    if missing then
      return pending(missing)
    end
    body(life())
  end)
end

local function ids(list, key)
  local found = {}
  for position, entry in ipairs(list) do
    found[position] = entry[key] or "none"
  end
  return found
end

local function kinds_of_bpf(pid)
  local count = {}
  for _, target in ipairs(nginx.held(pid)) do
    local kind = target:match "bpf.(%a+)$" or target:find("^/") and not target:find "^/dev/null$" and target
    if kind then
      count[kind] = (count[kind] or 0) + 1
    end
  end
  return count
end

describe("x", function() end)
