-- The ordered list on a network device: scenarios of the kernel's selftests tc_opts, tc_links and tc_netkit, through
-- the same methods as a cgroup's. The devices are in the specs' own network namespace.

local asm = require "spec.support.asm"
local ebpf = require "ebpf"
local system = require "spec.support.system"
local w = require "spec.support.world"

local NEXT, DROP = -1, 2

local function run(command)
  local done = os.execute(command .. " 2> /dev/null")
  return done == true or done == 0
end

-- A device of a type that can be made here, and a function that takes it away.
local function make(kind)
  local name = ("s%s%d"):format(kind:sub(1, 2), math.random(10000))
  local peer = kind == "veth" and " peer name " .. name .. "p" or ""
  if run(("ip link add %s type %s%s"):format(name, kind, peer)) then
    return name, function() run("ip link del " .. name) end
  end
end

local hooks = {
  {type = "tcx_ingress", feature = "tcx", device = function() return "lo", function() end end},
  {type = "tcx_egress", feature = "tcx", device = function() return "lo", function() end end},
  {type = "netkit_primary", feature = "netkit", device = function() return make "netkit" end},
  {type = "netkit_peer", feature = "netkit", device = function() return make "netkit" end},
}

for _, row in ipairs(hooks) do
  w.describe("the list of " .. row.type, function(world)
    local hook, device, remove

    -- every test has a hook, and classifiers
    local function it_orders(name, body)
      w.it_needs(row.feature, name, function()
        device, remove = row.device()
        hook = world():keep(ebpf.mprog.open(device, row.type))
        -- a link of the test before goes a little later if somebody on this machine is just looking at it
        assert.is_true(system.eventually(function() return hook:query().revision == 1 end))
        local ok, message = pcall(body)
        for _, entry in ipairs(hook:query()) do -- a device outlives the test, unlike a cgroup
          if not entry.link_id then hook:detach(entry) end
        end
        for _, handle in ipairs(world().handles) do handle:close() end
        remove()
        assert(ok, message)
      end)
    end

    local function classifier(verdict)
      return world():program(verdict or NEXT, {type = "sched_cls"})
    end

    local function classifiers(count)
      local list = {}
      for i = 1, count do
        list[i] = classifier()
      end
      return (table.unpack or unpack)(list) -- luacheck: ignore
    end

    it_orders("is empty at revision 1, and keeps no mode", function()
      local list = assert(hook:query())
      assert.same({revision = 1}, list)
      assert.equal("ebpf.mprog: " .. row.type .. " on " .. device, tostring(hook))
      assert.same({attach_type = row.type, where = device, ifindex = hook:describe().ifindex}, hook:describe())
    end)

    it_orders("tells links and programs without one apart, natively", function()
      local a, b = classifiers(2)
      local link = world():keep(hook:link(a))
      world():keep(hook:attach(b))
      local list = hook:query()
      assert.order(list, a, b)
      assert.same({link:id()}, {list[1].link_id, list[2].link_id})
      assert.equal(3, list.revision)
      local info = link:info()
      assert.same({link:id(), row.feature, a:id(), row.type}, {info.id, info.type, info.program_id, info.attach_type})
      -- a link on a netkit's peer hook tells the peer's index, though it was made through the primary device
      assert.equal(row.type ~= "netkit_peer", info.ifindex == hook:describe().ifindex)
    end)

    -- all ways to name a place in the list a (a link), b (no link), and where the new one stands then
    local places = {
      {"before a link", function(a) return {before = a} end, {3, 1, 2}},
      {"after a link", function(a) return {after = a} end, {1, 3, 2}},
      {"before a program", function(_, b) return {before = b} end, {1, 3, 2}},
      {"after an attachment", function(_, b) return {after = b} end, {1, 2, 3}},
      {"after a program that a link owns", function(_, _, _, p) return {after = p} end, {1, 3, 2}},
      {"before a link, by id", function(a) return {before = {link_id = a:id()}} end, {3, 1, 2}},
      {"before a program, by id", function(_, b) return {before = {program_id = b:program_id()}} end, {1, 3, 2}},
      {"after the entry of a link", function(_, _, list) return {after = list[1]} end, {1, 3, 2}},
      {"before the entry of a program", function(_, _, list) return {before = list[2]} end, {1, 3, 2}},
      {"at the head", function() return {at = "head"} end, {3, 1, 2}},
      {"at the tail", function() return {at = "tail"} end, {1, 2, 3}},
      {"nowhere in particular", function() return {} end, {1, 2, 3}},
    }

    for _, case in ipairs(places) do
      for _, way in ipairs {"link", "attach"} do
        it_orders(("takes %s %s"):format(way == "link" and "a link" or "a program", case[1]), function()
          local programs = {classifiers(3)}
          local a = world():keep(hook:link(programs[1]))
          local b = world():keep(hook:attach(programs[2]))
          local list = hook:query()
          local opts = case[2](a, b, list, programs[1])
          opts.revision = list.revision
          world():keep(hook[way](hook, programs[3], opts))
          assert.order(hook:query(), programs[case[3][1]], programs[case[3][2]], programs[case[3][3]])
          assert.equal(list.revision + 1, hook:query().revision)
        end)
      end
    end

    it_orders("refuses what is there already, by whatever way, with EEXIST and its position", function()
      local a, b = classifiers(2)
      local link = world():keep(hook:link(a))
      world():keep(hook:attach(b))
      for _, program in ipairs {a, b} do
        local words = ("program %d is attached here already"):format(program:id())
        assert.fails({hook:link(program)}, "EEXIST", words)
        assert.fails({hook:attach(program)}, "EEXIST", words)
      end
      assert.fails({link:update(b)}, "EEXIST", "attached to this hook already")
      assert.fails({hook:replace(b, a)}, "EEXIST")
      assert.order(hook:query(), a, b)
      assert.equal(3, hook:query().revision)
    end)

    it_orders("refuses to touch what a link owns: EBUSY, naming the link", function()
      local a, b, c = classifiers(3)
      local link = world():keep(hook:link(a))
      world():keep(hook:attach(b))
      assert.fails({hook:replace(a, c)}, "EBUSY", ("attached by link %d: use link:update"):format(link:id()))
      assert.fails({hook:replace(hook:query()[1], c)}, "EBUSY")
      assert.fails({hook:detach(a)}, "EBUSY", ("attached by link %d: use link:detach"):format(link:id()))
      assert.fails({hook:detach(nil, {at = "head"})}, "EBUSY")
      assert.order(hook:query(), a, b)
      assert.is_true(hook:detach(nil, {at = "tail"}))
      assert.order(hook:query(), a)
    end)

    it_orders("replaces in place, and by itself without harm", function()
      local a, b, c, d = classifiers(4)
      world():keep(hook:attach(a))
      local attachment = world():keep(hook:attach(b))
      world():keep(hook:attach(c))
      assert.is_true(attachment:replace(d))
      assert.order(hook:query(), a, d, c)
      assert.equal(5, hook:query().revision)
      world():keep(hook:replace(a, a))
      assert.is_true(attachment:replace(d))
      assert.order(hook:query(), a, d, c)
      assert.fails({hook:replace(b, a)}, "EEXIST")
      assert.fails({hook:replace(b, b)}, "ENOENT", ("program %d is not attached here"):format(b:id()))
      assert.fails({hook:detach(b)}, "ENOENT", "is not attached here")
      assert.is_true(attachment:detach())
      assert.is_true(attachment:detach())
      assert.order(hook:query(), a, c)
    end)

    it_orders("refuses a stale revision with ESTALE, and is left alone", function()
      local a, b = classifiers(2)
      world():keep(hook:attach(a))
      for _, revision in ipairs {1, 3} do
        local words = "the order changed since revision " .. revision
        assert.fails({hook:link(b, {revision = revision})}, "ESTALE", words)
        assert.fails({hook:attach(b, {revision = revision, at = "head"})}, "ESTALE", words)
        assert.fails({hook:replace(a, b, {revision = revision})}, "ESTALE", words)
        assert.fails({hook:detach(a, {revision = revision})}, "ESTALE", words)
      end
      assert.order(hook:query(), a)
      assert.equal(2, hook:query().revision)
    end)

    it_orders("refuses an anchor that isn't there, or is of another kind", function()
      local a, b, c = classifiers(3)
      world():keep(hook:attach(a))
      assert.fails({hook:link(b, {before = c})}, "ENOENT", "the anchor is not attached here")
      assert.fails({hook:link(b, {after = {link_id = 99999}})}, "ENOENT")
      assert.fails({hook:attach(world():program())}, "EINVAL", "takes sched_cls")
      assert.order(hook:query(), a)
    end)

    it_orders("holds 63, says so at the 64th, and can be replaced in when full", function()
      local programs = {classifiers(64)}
      for i = 1, 63 do
        hook:attach(programs[i]):close()
      end
      local words = "the list is full: a hook holds 63 programs at most"
      assert.fails({hook:attach(programs[64])}, "ERANGE", words)
      assert.fails({hook:link(programs[64], {at = "head"})}, "ERANGE", words)
      world():keep(hook:replace(programs[1], programs[64]))
      assert.equal(programs[64]:id(), hook:query()[1].program_id)
      assert.equal(63, #hook:query())
    end)

    it_orders("is transacted on: shown, and changed only if it is still so", function()
      local a, b, c = classifiers(3)
      local calls = 0
      world():keep(hook:attach(a))
      world():keep(hook:transact(function(list, at)
        calls = calls + 1
        if calls == 1 then world():keep(hook:link(b)) end
        return at:link(c, {before = list[1]})
      end))
      assert.equal(2, calls)
      assert.order(hook:query(), c, a, b)
    end)

    it_orders("updates a link in place, from the program that is named", function()
      local a, b, c, d = classifiers(4)
      world():keep(hook:link(a))
      local link = world():keep(hook:link(b))
      world():keep(hook:link(c))
      assert.fails({link:update(d, a)}, "EPERM", "does not run the program given as the old one")
      assert.is_true(link:update(d, b))
      assert.order(hook:query(), a, d, c)
      local revision = hook:query().revision
      assert.is_true(link:update(d)) -- the same: no change, and on a device no new revision
      assert.equal(revision, hook:query().revision)
      assert.is_true(link:detach())
      assert.is_false(link:alive())
      assert.fails({link:update(b)}, "ENOLINK", "severed")
      assert.order(hook:query(), a, c)
    end)

    it_orders("is refused with an error that names the argument when misused", function()
      local program = classifier()
      assert.misuse {
        {"option 'preorder' to 'hook:link' is for cgroups", function() hook:link(program, {preorder = true}) end},
        {"option 'preorder' to 'hook:attach' is for cgroups", function() hook:attach(program, {preorder = true}) end},
        {"option 'mode' to 'hook:attach' is for cgroups", function() hook:attach(program, {mode = "multi"}) end},
        {"option 'preorder' to 'hook:replace' is for", function()
          hook:replace(program, program, {preorder = true})
        end},
        {"option 'effective' to 'hook:query' is for cgroups", function() hook:query{effective = true} end},
      }
      assert.same({revision = 1}, hook:query())
    end)
  end)
end

w.describe("tcx", function(world)
  local function markers(cell, count)
    local list = {}
    for i = 1, count do
      list[i] = world():program(nil, {type = "sched_cls", insns = asm.mark(cell:fd(), i, NEXT)})
    end
    return (table.unpack or unpack)(list) -- luacheck: ignore
  end

  w.it_needs("tcx", "runs programs in the order of the list, on a real packet", function()
    local cell = world():cell()
    local hook = world():keep(ebpf.mprog.open("lo", "tcx_egress"))
    local one, two, three = markers(cell, 3)
    local link = world():keep(hook:link(one))
    world():keep(hook:link(two, {before = link}))
    world():keep(hook:link(three, {after = link}))
    local receiver, port = world():receiver()
    local sender = world():sender(world():cgroup())
    sender:sendto("x", "127.0.0.1", port)
    assert.equal(213, cell:get(0))
    world():keep(hook:link(world():program(DROP, {type = "sched_cls"}), {at = "head"}))
    sender:sendto("x", "127.0.0.1", port)
    assert.equal(213, cell:get(0)) -- a verdict other than NEXT ends the walk
    assert.equal(1, w.received(receiver))
  end)

  w.it_needs("tcx", "has a revision that starts anew when the last entry goes", function()
    local hook = world():keep(ebpf.mprog.open("lo", "tcx_ingress"))
    local link = hook:link(world():program(NEXT, {type = "sched_cls"}))
    assert.equal(2, hook:query().revision)
    link:close()
    assert.is_true(system.eventually(function() return #hook:query() == 0 end))
    assert.equal(1, hook:query().revision)
  end)

  w.it_needs("netkit", "has a revision that goes on counting when the last entry goes, which a query finds", function()
    local name = make "netkit"
    local hook, other = world():keep(ebpf.mprog.open(name, "netkit_primary")),
      world():keep(ebpf.mprog.open(name, "netkit_primary"))
    local program = world():program(NEXT, {type = "sched_cls"})
    assert.equal(1, hook:query().revision)
    for round = 1, 3 do
      world():keep(hook:attach(program, {revision = hook:query().revision}))
      assert.is_true(hook:detach(program, {revision = 2 * round}))
      assert.equal(1 + 2 * round, hook:query().revision)
    end
    assert.equal(7, other:query().revision) -- it has seen none of these changes
    assert.equal(7, world():keep(ebpf.mprog.open(name, "netkit_primary")):query().revision)
    assert.fails({hook:attach(program, {revision = 1})}, "ESTALE", "changed since revision 1: it is at 7")
    local tries = 0
    local link = world():keep(other:transact(function(list, at)
      tries = tries + 1
      assert.equal(0, #list)
      if tries == 1 then -- somebody comes and goes meanwhile: as empty as before, but not untouched
        hook:attach(program):close()
        hook:detach(program)
      end
      return at:link(program)
    end))
    assert.same({2, 10}, {tries, hook:query().revision})
    assert.equal(link:id(), hook:query()[1].link_id)
  end)

  w.it_needs("tcx", "severs its links when the device goes, and every handle can still be closed", function()
    local name, remove
    for _, kind in ipairs {"veth", "dummy"} do
      if not name then name, remove = make(kind) end
    end
    if not name then
      return w.skip "no device can be made here (veth, dummy)"
    end
    local hook = world():keep(ebpf.mprog.open(name, "tcx_ingress"))
    local a, b = world():program(NEXT, {type = "sched_cls"}), world():program(NEXT, {type = "sched_cls"})
    local link = world():keep(hook:link(a))
    local attachment = world():keep(hook:attach(b))
    remove()
    assert.is_true(system.eventually(function() return not link:alive() end))
    assert.equal(0, link:info().ifindex)
    assert.fails({link:update(b)}, "ENOLINK", "severed")
    assert.is_true(link:detach())
    assert.fails({hook:query()}, "ENODEV", "no device of this index")
    assert.fails({hook:link(b)}, "ENODEV", "is gone")
    assert.fails({hook:attach(b)}, "ENODEV", "is gone")
    assert.fails({attachment:replace(a)}, "ENODEV")
    assert.fails({attachment:detach()}, "ENODEV")
  end)

  it("and netkit are opened by name or index, on devices that have them; each refusal says which it was", function()
    local features = ebpf.features()
    for _, case in ipairs {
      {"attach type expected, got 'ingress'", "lo", "ingress"},
      {"is no attach type of network devices", "lo", "cgroup_inet_egress"},
      {"name or index of a network device expected, got nil", nil, "tcx_ingress"},
      {"name or index", 0, "tcx_ingress"}, {"name or index", 1.5, "tcx_ingress"}, {"name or index", "", "tcx_ingress"},
    } do
      local ok, message = pcall(ebpf.mprog.open, case[2], case[3])
      assert.is_false(ok)
      assert.matches(case[1], message)
    end
    assert.fails({ebpf.mprog.open("no-such-dev", "tcx_ingress")}, "ENODEV", "no such network device")
    if features.tcx.supported then
      local by_index = world():keep(ebpf.mprog.open(1, "tcx_ingress"))
      assert.equal("lo", by_index:describe().where)
      assert.fails({ebpf.mprog.open(999, "tcx_ingress")}, "ENODEV", "no device of this index")
    else
      assert.fails({ebpf.mprog.open("lo", "tcx_ingress")}, "ENOTSUP", "tcx needs Linux 6.6 (probed: absent)")
    end
    if features.netkit.supported then
      assert.fails({ebpf.mprog.open("lo", "netkit_primary")}, "ENXIO", "is no netkit")
    else
      assert.fails({ebpf.mprog.open("lo", "netkit_peer")}, "ENOTSUP", "netkit needs Linux 6.7 (probed: absent)")
    end
  end)

  w.it_needs("netkit", "leaves a netkit to its primary device: its peer is refused", function()
    local name, remove = make "netkit"
    local listing = io.popen "ip -o link show type netkit"
    local peer
    for line in listing:lines() do
      local one, other = line:match "^%d+: ([^@:]+)@([^:]+):"
      if one and other == name then peer = one end
    end
    listing:close()
    assert.is_string(peer)
    assert.fails({ebpf.mprog.open(peer, "netkit_primary")}, "EACCES", "is a netkit's peer")
    remove()
  end)
end)
