-- The library in a real nginx: init_by_lua attaches and pins, workers answer, each reload brings a new Lua VM while the
-- old one goes on, and the cache manager closes its copy of the VM as soon as it starts. What init_by_lua does is in
-- spec/support/nginx/policy.lua.

local ebpf = require "ebpf"
local nginx = require "spec.support.nginx.server"
local system = require "spec.support.system"
local worlds = require "spec.support.world"

local missing = nginx.missing()
local RELOADS = 3

-- A life of nginx is led once, by the test that comes first; what was seen on the way is what the tests look at.
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
      local seen, server = {}, nil
      local done, message = xpcall(function()
        live(seen, world, function(options)
          server = world:keep(nginx.start(options))
          return server
        end)
      end, function(message) return debug.traceback(tostring(message)) end)
      story = done and seen
      failure = not done and message .. (server and "\nnginx's error.log:\n" .. server:log() or "")
    end
    assert(story, failure)
    return story
  end
end

local function it_tells(name, life, body)
  it(name, function()
    if missing then
      return pending(missing)
    end
    body(life())
  end)
end

local function column(list, key)
  local found = {}
  for position, entry in ipairs(list) do
    found[position] = entry[key] or "none"
  end
  return found
end

-- Counts until it is what is expected, or for long enough.
local function count_to(expected, count)
  local found
  system.eventually(function()
    found = count()
    return found == expected
  end)
  return found
end

describe("in nginx, a link that init_by_lua pins and closes before the fork", function()
  local life = once(function(seen, world, start)
    local cgroup = world:cgroup()
    local hook = world:hook("cgroup_inet_egress", cgroup)
    local options = {cgroup = cgroup, link = world:pin_path(), map = world:pin_path()}
    seen.stages, seen.answers, seen.held_back, seen.old_workers = {}, {}, {}, {}
    local function look(stage, generation)
      local list = assert(hook:query())
      list.stage, list.generation = stage, generation
      table.insert(seen.stages, list)
    end

    local before = world:keep(hook:link(world:program()))
    local server = start(options)
    local after = world:keep(hook:link(world:program()))
    seen.answers[1] = server:get()
    seen.links = {before:id(), seen.answers[1].link_id, after:id()}
    server:settle()
    seen.held, seen.of_ours = server:held(), server:held_of_ours()
    look("after the start", 1)

    for generation = 1, RELOADS do
      local held_back = server:ask "/hold"
      for _, answer in ipairs(server:reload(generation + 1)) do
        table.insert(seen.answers, answer)
      end
      seen.old_workers[generation] = count_to(1, function() -- not the other one, on its way out
        return #server:pids "worker process" == 2 and #server:pids "worker process is shutting down" or 0
      end)
      look("while an old worker has work after reload " .. generation, generation + 1)
      server:get("/release?" .. generation)
      seen.held_back[generation] = held_back()
      server:settle()
      look("after reload " .. generation, generation + 1)
    end
    seen.held_at_last = server:held()

    seen.quit = server:quit()
    look("after nginx has quit", RELOADS + 1)
    local map = world:keep(world:keep(ebpf.pin.at(options.map)):get "map")
    local _, port = world:receiver()
    seen.packets = map:get(0)
    assert(world:sender(cgroup):sendto("x", "127.0.0.1", port))
    seen.packets_at_last = map:get(0)
    assert(world:keep(ebpf.pin.at(options.link)):remove())
    seen.removed = count_to(2, function() return #hook:query() end)
  end)

  it_tells("is one link, of one id, in one place among others, from the start until after the end", life, function(seen)
    assert.is_true(seen.quit)
    assert.equal(2 + 2 * RELOADS, #seen.stages)
    for _, list in ipairs(seen.stages) do
      assert.same(seen.links, column(list, "link_id"), list.stage)
    end
  end)

  it_tells("gets the program of each reload by one change in place", life, function(seen)
    local programs = {}
    for _, answer in ipairs(seen.answers) do
      programs[answer.generation] = answer.program_id
    end
    local first, last = seen.stages[1][1].program_id, seen.stages[1][3].program_id
    for _, list in ipairs(seen.stages) do
      assert.same({first, programs[list.generation], last}, column(list, "program_id"), list.stage)
      if list.revision then
        assert.equal(seen.stages[1].revision + list.generation - 1, list.revision, list.stage)
      end
    end
    assert.equal(RELOADS + 1, #programs)
    assert.not_equal(programs[1], programs[RELOADS + 1])
  end)

  it_tells("lets old and new workers answer all the while", life, function(seen)
    for _, answer in ipairs(seen.answers) do
      assert.equal(seen.links[2], answer.link_id)
    end
    for generation = 1, RELOADS do
      assert.equal(1, seen.old_workers[generation])
      assert.equal(generation, seen.held_back[generation].generation)
      assert.equal(seen.links[2], seen.held_back[generation].link_id)
    end
  end)

  it_tells("counts the packets of every answer, and the workers read it without a capability", life, function(seen)
    local packets = 0
    for _, answer in ipairs(seen.answers) do
      if not answer.packets then
        return pending "a process without capabilities may not read a map here"
      end
      assert.is_true(answer.packets > packets, "no packet was counted for a request")
      packets = answer.packets
    end
  end)

  it_tells("costs master, workers and cache manager no descriptor, whatever number of reloads", life, function(seen)
    assert.same(seen.held, seen.held_at_last)
  end)

  it_tells("leaves the workers nothing but the map, and the cache manager not even that", life, function(seen)
    assert.same({
      ["master"] = {map = 1}, ["worker process"] = {{map = 1}, {map = 1}}, ["cache manager process"] = {{}},
    }, seen.of_ours)
  end)

  it_tells("holds after nginx has quit, until its pin is removed", life, function(seen)
    assert.equal(seen.packets + 1, seen.packets_at_last)
    assert.equal(2, seen.removed)
  end)
end)

describe("in nginx, links that init_by_lua does not close", function()
  local life = once(function(seen, world, start)
    local cgroup = world:cgroup()
    local egress = world:hook("cgroup_inet_egress", cgroup)
    local ingress = world:hook("cgroup_inet_ingress", cgroup)
    local options = {cgroup = cgroup, link = world:pin_path(), map = world:pin_path(), keep_open = true}
    local function look()
      return {pinned = assert(egress:query()), unpinned = assert(ingress:query())}
    end

    local server = start(options)
    server:settle()
    seen.answer = server:get()
    seen.started, seen.of_ours = look(), server:held_of_ours()
    seen.mapped = system.read(("/proc/%d/maps"):format(server:pids "cache manager process"[1]))

    server:reload(2)
    server:settle()
    seen.reloaded, seen.of_ours_then = look(), server:held_of_ours()
    seen.held = server:held()

    server:refused_reload()
    seen.refused, seen.answer_then = look(), server:get()
    server:settle()
    seen.held_at_last = server:held()

    seen.collected = system.read(server.prefix .. "/collected") or ""
    seen.quit = server:quit()
    seen.ended = look()
  end)

  it_tells("stay when the cache manager closes its VM at the start", life, function(seen)
    assert.same({{}}, seen.of_ours["cache manager process"])
    assert.same({seen.answer.link_id}, column(seen.started.pinned, "link_id"))
    assert.same({seen.answer.program_id}, column(seen.started.unpinned, "program_id"))
  end)

  -- ngx_lua has the collector run before it forks.
  it_tells("are gone before the first request if no variable has them and no pin", life, function(seen)
    assert.equal(1, #seen.started.unpinned) -- of two
  end)

  it_tells("leave the library mapped when their VM is closed, for libbpf calls back into it", life, function(seen)
    assert.matches("/ebpf/core%.so\n", seen.mapped)
  end)

  it_tells("are inherited by every worker, with all else that is open", life, function(seen)
    local everything = {prog = 1, map = 1, link = 2, directory = 5}
    assert.same(everything, seen.of_ours.master)
    assert.same({everything, everything}, seen.of_ours["worker process"])
  end)

  it_tells("stay if they are pinned, and go if not, when the master closes the old VM at a reload", life, function(seen)
    assert.same({seen.answer.link_id}, column(seen.reloaded.pinned, "link_id"))
    assert.equal(0, #seen.reloaded.unpinned)
    local everything = {prog = 1, map = 1, link = 1, directory = 1}
    assert.same({
      ["master"] = everything, ["worker process"] = {everything, everything}, ["cache manager process"] = {{}},
    }, seen.of_ours_then)
  end)

  it_tells("stay at a reload that nginx refuses, but with the program of the VM it threw away", life, function(seen)
    assert.same({seen.answer.link_id}, column(seen.refused.pinned, "link_id"))
    assert.equal(2, seen.answer_then.generation)
    assert.equal(seen.answer_then.program_id, seen.reloaded.pinned[1].program_id)
    assert.not_equal(seen.answer_then.program_id, seen.refused.pinned[1].program_id)
    assert.same(seen.held, seen.held_at_last)
  end)

  it_tells("are told to on_collect if the collector took them, and not if their VM was closed", life, function(seen)
    local ids = {}
    for id in seen.collected:gmatch "%d+" do
      ids[#ids + 1] = tonumber(id)
    end
    assert.equal(1, #ids) -- the one that no variable has
    assert.not_equal(seen.answer.link_id, ids[1])
    assert.not_equal(seen.started.unpinned[1].link_id, ids[1])
  end)

  it_tells("end with nginx unless they are pinned", life, function(seen)
    assert.is_true(seen.quit)
    assert.same({seen.answer.link_id}, column(seen.ended.pinned, "link_id"))
    assert.equal(0, #seen.ended.unpinned)
  end)
end)
