-- Query, decide, attach, and again when somebody came in between. Several processes at once: race_spec.

local w = require "spec.support.world"

w.describe("a transaction", function(world)
  local needs = w.it_needs

  needs("cgroup_order", "shows what is there, and attaches at that revision", function()
    local hook = world():hook()
    local a, b = world():programs(2)
    local first = world():keep(hook:link(a))
    local link = world():keep(hook:transact(function(snapshot, at)
      assert.order(snapshot, a)
      assert.equal(2, snapshot.revision)
      assert.equal(first:id(), snapshot[1].link_id)
      return at:link(b, {before = snapshot[1]})
    end))
    assert.equal(b:id(), link:info().program_id)
    assert.order(hook:query(), b, a)
  end)

  needs("cgroup_order", "is tried again when the list changed under it", function()
    local hook = world():hook()
    local a, b, c = world():programs(3)
    local calls = 0
    local link = world():keep(hook:transact(function(snapshot, at)
      calls = calls + 1
      if calls <= 2 then
        world():keep(hook:link(calls == 1 and a or b))
      end
      return at:link(c, {at = "head", preorder = #snapshot > 100})
    end))
    assert.equal(3, calls)
    assert.order(hook:query(), c, a, b)
    assert.is_true(link:alive())
  end)

  needs("cgroup_order", "gives up with ESTALE after its tries, and nothing is attached", function()
    local hook = world():hook()
    local a, b = world():programs(2)
    local link = world():keep(hook:link(a))
    local calls = 0
    assert.fails({hook:transact(function(_, at)
      calls = calls + 1
      link:update(a)
      return at:link(b)
    end, {tries = 3})}, "ESTALE", "changed at each of 3 tries")
    assert.equal(3, calls)
    assert.order(hook:query(), a)
  end)

  needs("cgroup_order", "replaces and detaches too, and returns what the function returns", function()
    local hook = world():hook()
    local a, b = world():programs(2)
    world():keep(hook:attach(a))
    world():keep(hook:transact(function(snapshot, at) return at:replace(snapshot[1], b) end))
    assert.order(hook:query(), b)
    assert.same({nil, "not today", 7, n = 3}, {n = 3, hook:transact(function() return nil, "not today", 7 end)})
    assert.is_true(hook:transact(function(snapshot, at) return at:detach(snapshot[1]) end))
    assert.order(hook:query())
    assert.equal("nothing to do", hook:transact(function(snapshot) return #snapshot == 0 and "nothing to do" end))
    assert.is_true(hook:transact(function(_, at) return at:attach(a, {at = "tail"}):close() end))
    assert.order(hook:query(), a)
  end)

  needs("cgroup_order", "carries one change: a second one is stale, and said to be", function()
    local hook = world():hook()
    local a, b = world():programs(2)
    local second
    assert.is_true(hook:transact(function(_, at)
      world():keep(at:attach(a))
      second = {at:attach(b)}
      return true
    end))
    assert.fails(second, "ESTALE", "the order changed since revision 1: it is at 2")
    assert.order(hook:query(), a)
  end)

  needs("cgroup_order", "raises what its function raises", function()
    local hook = world():hook()
    assert.has_error(function() hook:transact(function() error "mine" end) end)
    assert.has_error(function() hook:transact() end)
    assert.has_error(function() hook:transact(print, {times = 1}) end)
    assert.order(hook:query())
  end)

  needs("cgroup_order", "raises what is misused in it at the line of whoever called", function()
    local hook = world():hook()
    local program = world():program()
    local function line() return debug.getinfo(2, "l").currentline end
    local called
    for _, case in ipairs {
      {"bad argument '1' to 'hook:link' %(program expected, got no value", function(at)
        called = line() local result = at:link()
        return result
      end},
      {"unknown option 'befor' to 'hook:link'", function(at)
        called = line() local result = at:link(program, {befor = program})
        return result
      end},
      {"bad options to 'hook:attach' %(table expected, got number", function(at)
        called = line() local result = at:attach(program, 7)
        return result
      end},
      {"options 'before' and 'at' to 'hook:attach' exclude each other", function(at)
        called = line() local result = at:attach(program, {before = program, at = "head"})
        return result
      end},
      {"bad argument '2' to 'hook:replace' %(program expected, got string", function(at)
        called = line() local result = at:replace(program, "b")
        return result
      end},
      {"bad argument '1' to 'hook:detach'", function(at)
        called = line() local result = at:detach(nil)
        return result
      end},
      {"bad option 'at' to 'hook:detach' %(head, tail expected, got middle", function(at)
        called = line() local _, result = nil, at:detach(nil, {at = "middle"})
        return result
      end},
      {"mprog is closed", function(at)
        hook:close()
        called = line() local result = at:attach(program)
        return result
      end},
    } do
      local done, message = pcall(function()
        local result = hook:transact(function(_, at) return (case[2](at)) end)
        return result
      end)
      assert.is_false(done)
      assert.matches(("^%%S*spec/transact_spec.lua:%d: %s"):format(called, case[1]), message)
    end
  end)

  needs("cgroup_order", "raises at its own caller's line where the misuse was a tail call: it leaves none", function()
    local hook = world():hook()
    local called
    local done, message = pcall(function()
      called = debug.getinfo(1, "l").currentline local result = hook:transact(function(_, at)
        return at:link()
      end)
      return result
    end)
    assert.is_false(done)
    assert.matches(("^%%S*spec/transact_spec.lua:%d: bad argument '1'"):format(called), message)
    assert.order(hook:query())
  end)

  needs("cgroup_order", "is one program's work among links too", function()
    local hook = world():hook()
    local programs = {world():programs(5)}
    for _, program in ipairs(programs) do
      world():keep(hook:transact(function(snapshot, at)
        return at:link(program, snapshot[1] and {before = snapshot[1]})
      end))
    end
    assert.order(hook:query(), programs[5], programs[4], programs[3], programs[2], programs[1])
  end)
end)
