-- Links on cgroups: scenarios of the kernel's selftests cgroup_link and cgroup_mprog_opts, and what they leave out.

local core = require "ebpf.core"
local ebpf = require "ebpf"
local system = require "spec.support.system"
local w = require "spec.support.world"

w.describe("a link on a cgroup", function(world)
  it("attaches, and detaches when its only handle is closed", function()
    local hook = world():hook()
    local program = world():program()
    local link = assert(hook:link(program))
    assert.order(assert(hook:query()), program)
    assert.equal(link:id(), hook:query()[1].link_id)
    assert.equal("multi", hook:query().mode)
    link:close()
    assert.order(hook:query())
    assert.is_nil(hook:query().mode)
  end)

  it("tells what it is", function()
    local hook = world():hook()
    local program = world():program()
    local link = world():keep(hook:link(program))
    assert.same({
      id = link:id(), type = "cgroup", program_id = program:id(), cgroup_id = hook:describe().cgroup_id,
      attach_type = "cgroup_inet_egress",
    }, link:info())
    assert.equal(("ebpf.link: id %d fd %d"):format(link:id(), link:fd()), tostring(link))
  end)

  it("is updated in place, at any position of the list", function()
    local hook = world():hook()
    local a, b, c, new = world():programs(4)
    world():keep(hook:link(a))
    local middle = world():keep(hook:link(b))
    world():keep(hook:link(c))
    assert.is_true(middle:update(new))
    assert.order(hook:query(), a, new, c)
    assert.equal(new:id(), middle:info().program_id)
  end)

  it("is updated only from the program that the caller names", function()
    local hook = world():hook()
    local a, b, c = world():programs(3)
    local link = world():keep(hook:link(a))
    assert.fails({link:update(c, b)}, "EPERM", "does not run the program given as the old one")
    assert.order(hook:query(), a)
    assert.is_true(link:update(c, a))
    assert.order(hook:query(), c)
  end)

  it("refuses a program of another type, and keeps its own", function()
    local hook = world():hook()
    local link = world():keep(hook:link(world():program()))
    local before = link:info().program_id
    assert.fails({link:update(world():program(1, {type = "xdp"}))}, "EINVAL", "of another type")
    assert.order(hook:query(), before)
  end)

  it("is detached at once, twice if need be, and the handle stays", function()
    local hook = world():hook()
    local program = world():program()
    local link = world():keep(hook:link(program))
    local id = link:id()
    assert.is_true(link:alive())
    assert.is_true(link:detach())
    assert.order(hook:query())
    assert.is_true(link:detach())
    assert.is_false(link:alive())
    assert.equal(id, link:id())
    assert.equal(0, link:info().cgroup_id)
    assert.equal(program:id(), link:info().program_id)
    assert.fails({link:update(program)}, "ENOLINK", "severed")
  end)

  it("is severed when the cgroup is removed, and says so", function()
    local cgroup = world():cgroup()
    local hook = world():hook(nil, cgroup)
    local a, b = world():programs(2)
    local link = world():keep(hook:link(a))
    world():remove_cgroup(cgroup)
    assert.is_true(system.eventually(function() return not link:alive() end))
    assert.fails({link:update(b)}, "ENOLINK", "severed")
    assert.fails({link:update(b, a)}, "ENOLINK")
    assert.is_true(link:detach())
    assert.equal(0, link:info().cgroup_id)
    assert.fails({hook:link(b)}, "ENOENT", "the cgroup was removed")
    assert.fails({hook:query()}, "ENOENT", "the cgroup was removed")
  end)

  it("belongs to all its descriptors: the last one detaches", function()
    local hook = world():hook()
    local program = world():program()
    local link = assert(hook:link(program))
    local second = assert(ebpf.link.from_fd(link:fd()))
    local third = assert(ebpf.link.from_id(link:id()))
    assert.not_equal(link:fd(), second:fd())
    link:close()
    second:close()
    assert.order(hook:query(), program)
    assert.is_true(third:update(program))
    third:close()
    assert.order(hook:query())
  end)

  it("lives beside programs that are attached without a link", function()
    local hook = world():hook()
    local a, b = world():programs(2)
    local attachment = world():keep(hook:attach(a))
    local link = assert(hook:link(b))
    assert.order(hook:query(), a, b)
    assert.is_nil(hook:query()[1].link_id)
    assert.equal(link:id(), hook:query()[2].link_id)
    link:close()
    assert.order(hook:query(), a)
    assert.is_true(attachment:detach())
    assert.order(hook:query())
  end)

  it("may hold the same program as another link, and the program may be there without one too", function()
    local hook = world():hook()
    local program = world():program()
    local first = world():keep(hook:link(program))
    local second = world():keep(hook:link(program))
    assert.order(hook:query(), program, program)
    local entry = hook:query()[1]
    assert.is_nil(entry.link_id)
    assert.same({first:id(), second:id()}, entry.link_ids)
    local attachment = world():keep(hook:attach(program))
    assert.order(hook:query(), program, program, program)
    assert.is_true(attachment:detach())
    assert.order(hook:query(), program, program)
    assert.fails({hook:detach(program)}, "EBUSY", "use link:detach")
  end)

  it("is found by what it is on, of what type, and with which program", function()
    local cgroup = world():cgroup()
    local hook = world():hook(nil, cgroup)
    local program = world():program()
    local link = world():keep(hook:link(program))
    local other = world():keep(world():hook():link(world():program()))
    for _, filter in ipairs {{cgroup = cgroup}, {program = program}, {program = program:id()},
      {type = "cgroup", cgroup = cgroup}} do
      local ids = {}
      for found in ebpf.link.each(filter) do
        ids[#ids + 1] = found:id()
      end
      assert.same({link:id()}, ids)
    end
    local all = {}
    for found in ebpf.link.each{type = "cgroup"} do
      all[found:id()] = true
    end
    assert.is_true(all[link:id()] and all[other:id()])
    for _ in ebpf.link.each{type = "xdp"} do
      error "no test makes an XDP link"
    end
  end)

  it("is lent by the walk until the loop goes on, and kept by leaving it", function()
    local hook = world():hook()
    local one = world():keep(hook:link(world():program()))
    world():keep(hook:link(world():program()))
    local first, kept
    for link in ebpf.link.each() do
      if first then
        kept = world():keep(link)
        break
      end
      first = link
    end
    assert.is_true(first:closed())
    assert.is_false(kept:closed())
    assert.is_true(one:alive())
  end)

  it("outlives its handles by a pin, and can be updated through it", function()
    local hook = world():hook()
    local a, b = world():programs(2)
    local link = assert(hook:link(a))
    local id = link:id()
    local path = world():pin_path()
    local pin = world():keep(link:pin(path))
    link:close()
    assert.order(hook:query(), a)
    local again = world():keep(pin:get "link")
    assert.equal(id, again:id())
    assert.is_true(again:update(b, a))
    assert.order(hook:query(), b)
    again:close()
    assert.is_true(pin:remove())
    assert.is_true(system.eventually(function() return #hook:query() == 0 end))
  end)

  -- Between the kernel forgetting the id and taking the program off nothing tells of the link: short, and longer on a
  -- slow machine.
  it("that dies with its pin is named while it can be, never as another, and gone soon", function()
    for _ = 1, 20 do
      local hook = world():hook()
      local link = assert(hook:link(world():program()))
      local id = link:id()
      local pin = world():keep(link:pin(world():pin_path()))
      assert.equal(id, hook:query()[1].link_id)
      link:close()
      assert.equal(id, hook:query()[1].link_id)
      assert.is_true(pin:remove())
      for _ = 1, 20 do
        local entry = assert(hook:query())[1]
        assert.is_true(entry == nil or entry.link_id == nil or entry.link_id == id)
      end
      assert.is_true(system.eventually(function() return #hook:query() == 0 end))
    end
  end)

  it("outlives its process by a pin, and ends with it without one", function()
    local cgroup = world():cgroup()
    local hook = world():hook(nil, cgroup)
    local path = world():pin_path()
    local owner = system.start(([[
      local ebpf = require "ebpf"
      local asm = require "spec.support.asm"
      local hook = ebpf.cgroup.open(%q):mprog "cgroup_inet_egress"
      local function program(n) return assert(ebpf.program.load{type = "cgroup_skb", insns = asm.verdict(1, n)}) end
      local pinned, loose = assert(hook:link(program(1))), assert(hook:link(program(2)))
      assert(pinned:pin(%q))
      print(pinned:id(), loose:id())
      io.stdout:flush()
      while true do os.execute "exec sleep 60" end
    ]]):format(cgroup:path(), path))
    local pinned, loose = owner.line():match "(%d+)%s+(%d+)"
    pinned, loose = tonumber(pinned), tonumber(loose)
    assert.equal(2, #hook:query())
    owner.kill "KILL"
    assert.is_true(system.eventually(function() return #hook:query() == 1 end))
    assert.equal(pinned, hook:query()[1].link_id)
    assert.fails({ebpf.link.from_id(loose)}, "ENOENT")
  end)

  it("is refused with an error that names the argument when misused", function()
    local hook = world():hook()
    local program = world():program()
    local link = world():keep(hook:link(program))
    local closed = world():program()
    closed:close()
    local revision = hook:query().revision
    assert.misuse {
      {"self.*mprog expected", function() hook.link(program, program) end},
      {"argument '1' to 'hook:link' %(program expected, got no value%)", function() hook:link() end},
      {"program expected, got link", function() hook:link(link) end},
      {"program is closed", function() hook:link(closed) end},
      {"unknown option 'afer' to 'hook:link'.*after", function() hook:link(program, {afer = link}) end},
      {"'before' and 'after'.*exclude", function() hook:link(program, {before = link, after = link}) end},
      {"'before' and 'at'.*exclude", function() hook:link(program, {before = link, at = "head"}) end},
      {"'at'.*head, tail expected, got middle", function() hook:link(program, {at = "middle"}) end},
      {"'preorder'.*boolean expected, got 1", function() hook:link(program, {preorder = 1}) end},
      {"'revision'.*integer from 1 expected, got table", function() hook:link(program, {revision = {}}) end},
      {"'before'.*got string", function() hook:link(program, {before = "x"}) end},
      {"'before'.*link_id or program_id", function() hook:link(program, {before = {}}) end},
      {"'before'.*program is closed", function() hook:link(program, {before = closed}) end},
      {"ebpf.program expected", function() link:update() end},
      {"program is closed", function() link:update(closed) end},
      {"program is closed", function() link:update(program, closed) end},
      {"ebpf.program expected", function() link:update(program, link) end},
      {"unknown option 'kind'", function() ebpf.link.each{kind = "cgroup"} end},
      {"link type expected, got 'tc'", function() ebpf.link.each{type = "tc"} end},
      {"cgroup expected, got mprog", function() ebpf.link.each{cgroup = hook} end},
    }
    assert.equal(revision, hook:query().revision)
    assert.order(hook:query(), program)
  end)

  it("never carries flags that the kernel might let pass", function()
    local hook = world():hook()
    local program = world():program()
    local flag = core.abi.constants
    for _, bit in ipairs {flag.F_ALLOW_OVERRIDE, flag.F_ALLOW_MULTI, flag.F_REPLACE, 128, 4096, 2 ^ 14, 2 ^ 31} do
      assert.has_error(function() core.mprog.link(hook, program, bit) end)
      assert.has_error(function() core.mprog.link(hook, program, bit + flag.F_BEFORE) end)
    end
    assert.order(hook:query())
  end)

  it("is opened from no other kind of descriptor, and from no id that isn't", function()
    local program = world():program()
    assert.fails({ebpf.link.from_fd(program:fd())}, "EINVAL", "it is a program")
    assert.fails({ebpf.link.from_fd(1000000)}, "EBADF", "not open")
    assert.fails({ebpf.link.from_fd(0)}, "EINVAL", "none of a BPF object")
    assert.fails({ebpf.link.from_id(0x7ffffff0)}, "ENOENT", "none of this id")
    assert.has_error(function() ebpf.link.from_id(-1) end)
    assert.has_error(function() ebpf.link.from_id "x" end)
    assert.has_error(function() ebpf.link.from_id(2 ^ 33) end)
  end)
end)
