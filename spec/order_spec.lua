-- The order of programs on a cgroup: scenarios of the kernel's selftests cgroup_mprog_opts, cgroup_mprog_ordering and
-- cgroup_preorder. Each asks the query and, with markers, a real packet.

local ebpf = require "ebpf"
local w = require "spec.support.world"

-- One packet to nobody, through the cgroup's egress programs.
local function send(sender)
  sender:sendto("x", "127.0.0.1", 9)
end

w.describe("the order on a cgroup", function(world)
  local needs = w.it_needs

  it("is that of attaching, by default, for links and for programs without one", function()
    local hook = world():hook()
    local a, b, c, d = world():programs(4)
    world():keep(hook:link(a))
    world():keep(hook:attach(b))
    world():keep(hook:link(c))
    world():keep(hook:attach(d))
    assert.order(hook:query(), a, b, c, d)
  end)

  it("is the order in which a packet meets the programs", function()
    local cgroup = world():cgroup()
    local hook = world():hook(nil, cgroup)
    local cell = world():cell()
    local one, two, three = world():markers(cell, 3)
    for _, program in ipairs {two, three, one} do
      world():keep(hook:link(program))
    end
    send(world():sender(cgroup))
    assert.equal(231, cell:get(0))
  end)

  -- every way to name a place in the list a, b; and where the new one stands then
  local link_places = {
    {"before the first", function(a) return {before = a} end, {3, 1, 2}},
    {"before the last", function(_, b) return {before = b} end, {1, 3, 2}},
    {"after the first", function(a) return {after = a} end, {1, 3, 2}},
    {"after the last", function(_, b) return {after = b} end, {1, 2, 3}},
    {"at the head", function() return {at = "head"} end, {3, 1, 2}},
    {"at the tail", function() return {at = "tail"} end, {1, 2, 3}},
    {"after the first, by link id", function(a) return {after = {link_id = a:id()}} end, {1, 3, 2}},
    {"before the last, by an entry", function(_, _, list) return {before = list[2]} end, {1, 3, 2}},
    {"nowhere in particular", function() return {} end, {1, 2, 3}},
  }

  for _, case in ipairs(link_places) do
    needs("cgroup_order", "takes a link " .. case[1], function()
      local hook = world():hook()
      local programs = {world():programs(3)}
      local a = world():keep(hook:link(programs[1]))
      local b = world():keep(hook:link(programs[2]))
      local list = hook:query()
      assert.equal(3, list.revision)
      local opts = case[2](a, b, list)
      opts.revision = list.revision
      world():keep(hook:link(programs[3], opts))
      local wanted = {}
      for i, index in ipairs(case[3]) do
        wanted[i] = programs[index]:id()
      end
      assert.order(hook:query(), (table.unpack or unpack)(wanted)) -- luacheck: ignore
      assert.equal(4, hook:query().revision)
    end)
  end

  local program_places = {
    {"before the first", function(a) return {before = a} end, {3, 1, 2}},
    {"after the first", function(a) return {after = a} end, {1, 3, 2}},
    {"before the last, an attachment", function(_, b) return {before = b} end, {1, 3, 2}},
    {"after the last, an attachment", function(_, b) return {after = b} end, {1, 2, 3}},
    {"at the head", function() return {at = "head"} end, {3, 1, 2}},
    {"at the tail", function() return {at = "tail"} end, {1, 2, 3}},
    {"after the first, by program id", function(a) return {after = {program_id = a:id()}} end, {1, 3, 2}},
    {"before the last, by an entry", function(_, _, list) return {before = list[2]} end, {1, 3, 2}},
  }

  for _, case in ipairs(program_places) do
    needs("cgroup_order", "takes a program without a link " .. case[1], function()
      local hook = world():hook()
      local programs = {world():programs(3)}
      world():keep(hook:attach(programs[1]))
      local b = world():keep(hook:attach(programs[2]))
      local opts = case[2](programs[1], b, hook:query())
      world():keep(hook:attach(programs[3], opts))
      local wanted = {}
      for i, index in ipairs(case[3]) do
        wanted[i] = programs[index]:id()
      end
      assert.order(hook:query(), (table.unpack or unpack)(wanted)) -- luacheck: ignore
    end)
  end

  needs("cgroup_order", "takes only links as anchors of links, and only programs as those of programs", function()
    local hook = world():hook()
    local a, b, c = world():programs(3)
    local link = world():keep(hook:link(a))
    local attachment = world():keep(hook:attach(b))
    local list = hook:query()
    for _, anchor in ipairs {b, attachment, list[2], {program_id = b:id()}, a} do
      assert.fails({hook:link(c, {before = anchor})}, "EINVAL", "give a Link or {link_id = n}")
    end
    for _, anchor in ipairs {link, list[1], {link_id = link:id()}} do
      assert.fails({hook:attach(c, {before = anchor})}, "EINVAL", "give a Program, an Attachment")
    end
    assert.order(hook:query(), a, b)
    assert.equal(list.revision, hook:query().revision)
  end)

  needs("cgroup_order", "refuses an anchor that is not in the list, and leaves the list alone", function()
    local hook, elsewhere = world():hook(), world():hook()
    local a, b, c = world():programs(3)
    world():keep(hook:link(a))
    local other = world():keep(elsewhere:link(b))
    assert.fails({hook:link(c, {after = other})}, "ENOENT", "anchor is not attached here")
    assert.fails({hook:link(c, {before = {link_id = 0x7ffffff0}})}, "ENOENT", "anchor is not attached here")
    assert.fails({hook:attach(c, {after = a})}, "ENOENT", "anchor is not attached here")
    other:detach()
    assert.fails({hook:link(c, {after = other})}, "ENOENT", "anchor is not attached here")
    assert.order(hook:query(), a)
    assert.equal(2, hook:query().revision)
  end)

  needs("cgroup_order", "refuses a stale revision with ESTALE and is left alone", function()
    local hook = world():hook()
    local a, b, c = world():programs(3)
    local link = world():keep(hook:link(a))
    world():keep(hook:attach(b))
    local revision = hook:query().revision
    for _, stale in ipairs {revision - 1, revision + 1} do
      local words = "the order changed since revision " .. stale
      assert.fails({hook:link(c, {revision = stale})}, "ESTALE", words)
      assert.fails({hook:link(c, {revision = stale, before = link})}, "ESTALE", words)
      assert.fails({hook:attach(c, {revision = stale})}, "ESTALE", words)
      assert.fails({hook:replace(b, c, {revision = stale})}, "ESTALE", words)
      assert.fails({hook:detach(b, {revision = stale})}, "ESTALE", words)
      assert.fails({hook:detach(nil, {at = "tail", revision = stale})}, "ESTALE", words)
    end
    assert.order(hook:query(), a, b)
    assert.equal(revision, hook:query().revision)
  end)

  needs("cgroup_order", "is counted by a revision: every change adds one, and no failure does", function()
    local hook = world():hook()
    local a, b, c = world():programs(3)
    local function at(revision) assert.equal(revision, hook:query().revision) end
    at(1)
    local link = world():keep(hook:link(a))
    at(2)
    local attachment = world():keep(hook:attach(b))
    at(3)
    assert.is_true(link:update(c))
    at(4)
    assert.is_true(link:update(c)) -- to itself: on a cgroup that counts too
    at(5)
    assert.is_true(attachment:replace(a))
    at(6)
    assert.fails({hook:attach(a)}, "EEXIST")
    at(6)
    assert.is_true(attachment:detach())
    at(7)
    link:close()
    at(8) -- empty, and not reset
    assert.fails({hook:detach(a, {revision = 7})}, "ESTALE")
    assert.fails({hook:detach(a, {revision = 8})}, "ENOENT", "is not attached here")
    at(8)
  end)

  needs("cgroup_order", "puts preorder programs first, ancestors' before descendants'", function()
    local parent = world():cgroup()
    local child = world():cgroup(parent)
    local above, below = world():hook(nil, parent), world():hook(nil, child)
    local cell = world():cell()
    local one, two, three, four = world():markers(cell, 4)
    local l1 = world():keep(above:link(one))
    local l2 = world():keep(above:link(two, {preorder = true}))
    local l3 = world():keep(below:link(three))
    local l4 = world():keep(below:link(four, {preorder = true}))
    assert.order(above:query(), one, two)
    assert.order(below:query(), three, four)
    local effective = assert(below:query{effective = true})
    assert.order(effective, two, four, three, one)
    assert.is_true(effective.effective)
    assert.is_nil(effective.revision)
    assert.is_nil(effective.mode)
    local ids = {}
    for i, entry in ipairs(effective) do
      ids[i] = entry.link_id
    end
    assert.same({l2:id(), l4:id(), l3:id(), l1:id()}, ids)
    assert.order(above:query{effective = true}, two, one)
    send(world():sender(child))
    assert.equal(2431, cell:get(0))
  end)

  needs("cgroup_preorder", "takes preorder for programs without a link, in list order among themselves", function()
    local hook = world():hook()
    local a, b, c = world():programs(3)
    world():keep(hook:attach(a))
    world():keep(hook:attach(b, {preorder = true}))
    world():keep(hook:attach(c, {preorder = true}))
    assert.order(hook:query(), a, b, c)
    assert.order(hook:query{effective = true}, b, c, a)
  end)

  needs("cgroup_order", "refuses an anchor that is preorder where the new one is not, and the reverse", function()
    local hook = world():hook()
    local a, b, c = world():programs(3)
    local early = world():keep(hook:link(a, {preorder = true}))
    local late = world():keep(hook:link(b))
    assert.fails({hook:link(c, {before = early})}, "EINVAL", "preorder")
    assert.fails({hook:link(c, {after = late, preorder = true})}, "EINVAL", "preorder")
    world():keep(hook:link(c, {before = early, preorder = true}))
    assert.order(hook:query(), c, a, b)
  end)

  needs("cgroup_order", "survives an update while a preorder entry exists, every program with its link", function()
    local cgroup = world():cgroup()
    local hook = world():hook(nil, cgroup)
    local cell = world():cell()
    local one, two, three = world():markers(cell, 3)
    world():keep(hook:link(one, {preorder = true}))
    local link = world():keep(hook:link(two))
    assert.is_true(link:update(three))
    assert.order(hook:query{effective = true}, one, three)
    send(world():sender(cgroup))
    assert.equal(13, cell:get(0))
  end)

  it("has the cgroups above in its effective list, from the inside out", function()
    local parent = world():cgroup()
    local child = world():cgroup(parent)
    local above, below = world():hook(nil, parent), world():hook(nil, child)
    local cell = world():cell()
    local one, two, three = world():markers(cell, 3)
    local link = world():keep(above:link(one))
    world():keep(below:attach(two))
    world():keep(below:link(three))
    assert.order(below:query{effective = true}, two, three, one)
    assert.equal(link:id(), below:query{effective = true}[3].link_id)
    assert.is_nil(below:query{effective = true}[1].link_id)
    assert.order(below:query{effective = true, links = false}, two, three, one)
    assert.order(below:query(), two, three)
    send(world():sender(child))
    assert.equal(231, cell:get(0))
  end)

  w.it_lacks("cgroup_order", "can't be asked for where the kernel has none: each way says so, and nothing is attached",
    function()
      local hook = world():hook()
      local a, b = world():programs(2)
      local link = world():keep(hook:link(a))
      local attachment = world():keep(hook:attach(b))
      local words = "needs Linux 6.17 (probed: absent)"
      for _, opts in ipairs {{before = link}, {after = link}, {at = "head"}, {at = "tail"}, {revision = 1},
        {preorder = true}} do
        assert.fails({hook:link(b, opts)}, "ENOTSUP", words)
      end
      for _, opts in ipairs {{before = a}, {after = attachment}, {at = "head"}, {revision = 1}} do
        assert.fails({hook:attach(a, opts)}, "ENOTSUP", words)
      end
      assert.fails({hook:replace(b, a, {revision = 1})}, "ENOTSUP", words)
      assert.fails({attachment:replace(a, {revision = 1})}, "ENOTSUP", words)
      assert.fails({hook:detach(b, {revision = 1})}, "ENOTSUP", words)
      assert.fails({hook:transact(function() error "not to be called" end)}, "ENOTSUP", words)
      assert.order(hook:query(), a, b)
      assert.is_nil(hook:query().revision)
    end)

  w.it_lacks("cgroup_preorder", "knows no preorder on old kernels, and says so", function()
    local hook = world():hook()
    assert.fails({hook:attach(world():program(), {preorder = true})}, "ENOTSUP", "needs Linux 6.15 (probed: absent)")
    assert.equal(0, #hook:query())
  end)

  it("is told by features, yes or no, as the probes find it", function()
    local features = ebpf.features()
    assert.is_boolean(features.cgroup_order.supported)
    assert.equal("6.17", features.cgroup_order.since)
    local hook = world():hook()
    world():keep(hook:link(world():program()))
    assert.equal(features.cgroup_order.supported, hook:query().revision ~= nil)
  end)
end)
