-- What a query says where links and programs have to be matched while others are changing both.

local core = require "ebpf.core"
local ebpf = require "ebpf"
local system = require "spec.support.system"
local w = require "spec.support.world"

w.describe("a query that walks the links of a cgroup", function(world)
  local walk = core.link.on_cgroups

  after_each(function() core.link.on_cgroups = walk end)

  -- Calls meanwhile(n) at the n-th walk, after it: the list moves between the walk and the look that must confirm it.
  local function moved_by(meanwhile)
    local walks = 0
    core.link.on_cgroups = function(...)
      local owners, skipped, dying = walk(...)
      walks = walks + 1
      meanwhile(walks)
      return owners, skipped, dying
    end
    return function() return walks end
  end

  it("walks again when the list moved meanwhile, and then has everybody's link", function()
    local hook = world():hook()
    local a, b = world():programs(2)
    local first, second = world():keep(hook:link(a)), nil
    local walks = moved_by(function(n)
      if n == 1 then second = world():keep(hook:link(b)) end
    end)
    local list = hook:query()
    assert.equal(2, walks())
    assert.same({first:id(), second:id()}, {list[1].link_id, list[2].link_id})
    assert.is_nil(list.unsettled)
  end)

  it("says that the list never stood still, rather than walk for ever", function()
    local hook = world():hook()
    local a, b = world():programs(2)
    local attachment = world():keep(hook:attach(a))
    local walks = moved_by(function(n)
      if n % 2 == 1 then
        assert(attachment:detach())
        world():keep(hook:attach(b))
      else
        assert(hook:detach(b))
        attachment = world():keep(hook:attach(a))
      end
    end)
    local list = hook:query()
    assert.equal(5, walks())
    assert.is_true(list.unsettled)
    core.link.on_cgroups = walk
    assert.is_nil(hook:query().unsettled)
  end)

  it("does not walk when it is told not to, nor where nothing is attached", function()
    local hook = world():hook()
    local walks = moved_by(function() end)
    assert.equal(0, #hook:query())
    world():keep(hook:link(world():program()))
    assert.is_nil(hook:query{links = false}[1].link_id)
    assert.equal(0, walks())
    assert.is_number(hook:query()[1].link_id)
    assert.equal(1, walks())
  end)
end)

w.describe("a walk over links", function(world)
  it("meets each once and in order, whether its number is the next or others are missing between", function()
    local hook = world():hook()
    local program = world():program()
    local links, wanted = {}, {}
    for number = 1, 24 do
      links[number] = world():keep(hook:link(program))
    end
    for number, link in ipairs(links) do
      local gone = number % 5 == 0 or number > 10 and number < 14 or number == 24
      wanted[#wanted + 1] = not gone and link:id() or nil
      if gone then
        link:close()
      end
    end
    local function walk(during)
      local found = {}
      for link in ebpf.link.each{program = program} do
        found[#found + 1] = link:id()
        during(#found)
      end
      return found
    end
    assert.is_true(system.eventually(function() return #hook:query() == #wanted end))
    assert.same(wanted, walk(function() end))
    assert.equal(#wanted, #hook:query())
    for index, entry in ipairs(hook:query()) do
      assert.same(wanted, entry.link_ids, index)
    end
    local added
    local found = walk(function(count)
      added = count == #wanted and world():keep(hook:link(program)) or added
    end)
    wanted[#wanted + 1] = added:id()
    assert.same(wanted, found)
    assert.same(wanted, walk(function(count) -- the first has been met by then
      if count == 3 then
        links[1]:close()
      end
    end))
  end)

  it("can be of one device", function()
    local pass = world():program(nil, {type = "xdp"})
    local link = world():keep(ebpf.link.xdp("lo", pass, {mode = "generic"}))
    world():keep(world():hook():link(world():program()))
    local function ids(filter)
      local found = {}
      for each in ebpf.link.each(filter) do
        found[#found + 1] = each:id()
      end
      return found
    end
    assert.same({link:id()}, ids{ifindex = 1})
    assert.same({link:id()}, ids{ifindex = 1, type = "xdp"})
    assert.same({}, ids{ifindex = 1, type = "cgroup"})
    assert.same({}, ids{ifindex = 99999})
  end)
end)
