-- Programs attached to a cgroup without a link: scenarios of the kernel's selftests cgroup_attach_multi,
-- cgroup_attach_override and cgroup_attach_autodetach, the guards that the library adds, and BPF_F_REPLACE.

local system = require "spec.support.system"
local w = require "spec.support.world"

w.describe("a program attached without a link", function(world)
  it("needs no descriptors of its own, and outlives those it shares", function()
    local program, hook, watching = world():program(), world():hook(), world():hook()
    local cgroup = world():cgroup()
    local own = world():keep(cgroup:mprog "cgroup_inet_egress")
    local before = system.count_fds()
    local attachment = world():keep(own:attach(program))
    assert.equal(before, system.count_fds())
    assert.equal(program:fd(), attachment:fd())
    program:close()
    own:close()
    assert.equal(before, system.count_fds())
    assert.matches("cgroup_inet_egress", tostring(attachment))
    local other = world():program()
    assert.is_true(attachment:replace(other))
    assert.equal(other:id(), attachment:program_id())
    assert.order(world():keep(cgroup:mprog "cgroup_inet_egress"):query(), other)
    assert.is_true(attachment:detach())
    assert.is_true(attachment:detach())
    assert.is_true(attachment:close())
    assert.order(hook:query())
    assert.order(watching:query())
  end)

  it("comes and goes by what its hook remembers, and what others do meanwhile counts", function()
    local cgroup = world():cgroup()
    local ours, theirs = world():hook(nil, cgroup), world():hook(nil, cgroup)
    local a, b, c = world():programs(3)
    for _ = 1, 3 do
      local attachment = world():keep(ours:attach(a))
      assert.is_true(attachment:detach())
    end
    local first = world():keep(ours:attach(a))
    world():keep(theirs:attach(b))
    local second = world():keep(ours:attach(c))
    assert.order(ours:query(), a, b, c)
    assert.fails({ours:attach(c)}, "EEXIST")
    assert.is_true(theirs:detach(a))
    assert.fails({first:detach()}, "ENOENT")
    assert.is_true(second:detach())
    assert.order(ours:query(), b)
    assert.is_true(theirs:detach(b))
    local third = world():keep(ours:attach(a))
    assert.is_true(third:detach())
    third = world():keep(ours:attach(a))
    assert.is_true(theirs:detach(a))
    world():keep(theirs:attach(b, {mode = "exclusive"}))
    assert.fails({third:detach()}, "ENOENT", "is not attached here") -- the kernel would take off b
    assert.order(ours:query(), b)
    assert.fails({ours:attach(c)}, "EPERM")
    assert.is_true(theirs:detach(b))
    third = world():keep(ours:attach(c))
    world():remove_cgroup(cgroup)
    assert.fails({third:detach()}, "ENOENT")
  end)

  it("stays when its handle is closed, until it is detached by name", function()
    local hook = world():hook()
    local program = world():program()
    assert(hook:attach(program)):close()
    assert.order(hook:query(), program)
    assert.equal("multi", hook:query().mode)
    assert.is_true(hook:detach(program))
    assert.order(hook:query())
    assert.fails({hook:detach(program)}, "ENOENT", ("program %d is not attached here"):format(program:id()))
  end)

  it("is detached by its handle, which says so and does nothing the second time", function()
    local hook = world():hook()
    local a, b = world():programs(2)
    local attachment = world():keep(hook:attach(a))
    world():keep(hook:attach(b))
    assert.equal(a:id(), attachment:program_id())
    assert.matches("^ebpf.attachment: program %d+ at cgroup_inet_egress on /", tostring(attachment))
    assert.is_true(attachment:detach())
    assert.matches("detached from cgroup_inet_egress", tostring(attachment))
    assert.order(hook:query(), b)
    world():keep(hook:attach(a)) -- somebody else's by now
    assert.is_true(attachment:detach())
    assert.order(hook:query(), b, a)
  end)

  it("is there once: a second time is EEXIST, and says where it stands", function()
    local hook = world():hook()
    local a, b = world():programs(2)
    world():keep(hook:attach(a))
    world():keep(hook:attach(b))
    assert.fails({hook:attach(b)}, "EEXIST", ("program %d is attached here already, at position 2"):format(b:id()))
    assert.order(hook:query(), a, b)
  end)

  it("is replaced in place, first, middle and last", function()
    for position = 1, 3 do
      local hook = world():hook()
      local programs = {world():programs(3)}
      local new = world():program()
      for _, program in ipairs(programs) do
        world():keep(hook:attach(program))
      end
      world():keep(hook:replace(programs[position], new))
      programs[position] = new
      assert.order(hook:query(), programs[1], programs[2], programs[3])
    end
  end)

  it("is replaced by whatever names it: program, attachment, entry, id", function()
    local hook = world():hook()
    local a, b, c, d, e = world():programs(5)
    local attachment = world():keep(hook:attach(a))
    attachment = world():keep(hook:replace(attachment, b))
    assert.order(hook:query(), b)
    world():keep(hook:replace(hook:query()[1], c))
    assert.order(hook:query(), c)
    world():keep(hook:replace({program_id = c:id()}, d))
    assert.order(hook:query(), d)
    assert.fails({attachment:replace(e)}, "ENOENT", ("program %d is not attached here"):format(b:id()))
    attachment = world():keep(hook:replace(d, e))
    assert.is_true(attachment:replace(a))
    assert.equal(a:id(), attachment:program_id())
    assert.is_true(attachment:detach())
    assert.order(hook:query())
  end)

  it("is replaced by itself without harm, and by one that is there already with EEXIST", function()
    local hook = world():hook()
    local a, b = world():programs(2)
    world():keep(hook:attach(a))
    world():keep(hook:attach(b))
    world():keep(hook:replace(a, a))
    assert.order(hook:query(), a, b)
    assert.fails({hook:replace(a, b)}, "EEXIST", "is attached here already, at position 2")
    assert.order(hook:query(), a, b)
  end)

  it("that isn't attached can't be replaced: ENOENT, and nothing is appended", function()
    local hook = world():hook()
    local a, b, c = world():programs(3)
    world():keep(hook:attach(a))
    assert.fails({hook:replace(b, c)}, "ENOENT", ("program %d is not attached here"):format(b:id()))
    assert.order(hook:query(), a)
    local empty = world():hook()
    assert.fails({empty:replace(b, c)}, "ENOENT", "is not attached here")
    assert.order(empty:query())
  end)

  it("that a link owns is replaced and detached by that link only: EBUSY, naming it", function()
    local hook = world():hook()
    local a, b, c = world():programs(3)
    local link = world():keep(hook:link(a))
    world():keep(hook:attach(b))
    local words = ("attached by link %d: use link:update"):format(link:id())
    assert.fails({hook:replace(a, c)}, "EBUSY", words)
    assert.fails({hook:replace(link, c)}, "EBUSY", words)
    assert.fails({hook:replace(hook:query()[1], c)}, "EBUSY", words)
    words = ("attached by link %d: use link:detach"):format(link:id())
    assert.fails({hook:detach(a)}, "EBUSY", words)
    assert.fails({hook:detach(link)}, "EBUSY", words)
    assert.fails({hook:detach(hook:query()[1])}, "EBUSY", words)
    assert.fails({hook:detach(nil, {at = "head"})}, "EBUSY", words)
    assert.order(hook:query(), a, b)
  end)

  it("of a type that the hook doesn't take is not attached there: ENOENT, and no error", function()
    local hook = world():hook()
    local a = world():program()
    world():keep(hook:attach(a))
    local other = world():program(2, {type = "xdp"})
    assert.fails({hook:detach(other)}, "ENOENT", ("program %d is not attached here"):format(other:id()))
    assert.fails({hook:detach{program_id = other:id()}}, "ENOENT", "is not attached here")
    assert.fails({hook:detach{program_id = 0x7ffffff0}}, "ENOENT", "there is no program 2147483632 any more")
    assert.fails({hook:detach{link_id = 0x7ffffff0}}, "ENOENT", "link 2147483632 is not attached here")
    assert.order(hook:query(), a)
  end)

  w.it_needs("cgroup_preorder", "keeps its preorder when it is replaced by name, where that shows", function()
    local hook = world():hook()
    local a, b, c, d = world():programs(4)
    world():keep(hook:attach(a))
    world():keep(hook:attach(b, {preorder = true}))
    world():keep(hook:attach(c))
    world():keep(hook:replace(b, d))
    assert.order(hook:query{effective = true}, d, a, c)
    world():keep(hook:replace(a, b))
    assert.order(hook:query{effective = true}, d, b, c)
    world():keep(hook:replace(d, a, {preorder = false}))
    assert.order(hook:query{effective = true}, b, a, c)
  end)

  it("is detached at the head and at the tail of the list", function()
    local hook = world():hook()
    local a, b, c = world():programs(3)
    for _, program in ipairs {a, b, c} do
      world():keep(hook:attach(program))
    end
    assert.is_true(hook:detach(nil, {at = "head"}))
    assert.order(hook:query(), b, c)
    assert.is_true(hook:detach(nil, {at = "tail"}))
    assert.order(hook:query(), b)
    assert.is_true(hook:detach(nil, {at = "tail"}))
    assert.fails({hook:detach(nil, {at = "tail"})}, "ENOENT", "nothing is attached here")
  end)

  w.it_needs("cgroup_preorder", "keeps its preorder when it is replaced through its attachment", function()
    local hook = world():hook()
    local a, b, c, d = world():programs(4)
    world():keep(hook:attach(a))
    local early = world():keep(hook:attach(b, {preorder = true}))
    assert.order(hook:query{effective = true}, b, a)
    assert.is_true(early:replace(c))
    assert.order(hook:query{effective = true}, c, a)
    early = world():keep(hook:replace(early, d))
    assert.order(hook:query{effective = true}, d, a)
    assert.is_true(early:replace(b))
    assert.order(hook:query{effective = true}, b, a)
    world():keep(hook:replace(b, c, {preorder = true}))
    assert.order(hook:query{effective = true}, c, a)
  end)

  it("goes with its cgroup", function()
    local cgroup = world():cgroup()
    local hook = world():hook(nil, cgroup)
    local program = world():program()
    local attachment = world():keep(hook:attach(program))
    world():remove_cgroup(cgroup)
    assert.fails({attachment:replace(world():program())}, "ENOENT", "the cgroup was removed")
    assert.fails({attachment:detach()}, "ENOENT", "the cgroup was removed")
    assert.fails({hook:attach(program)}, "ENOENT", "the cgroup was removed")
    assert.fails({hook:replace(program, world():program())}, "ENOENT", "the cgroup was removed")
  end)

  it("of another type is refused, saying which type the hook takes", function()
    local hook = world():hook()
    local xdp = world():program(2, {type = "xdp"})
    local words = "the program is of type xdp, and cgroup_inet_egress takes cgroup_skb"
    assert.fails({hook:attach(xdp)}, "EINVAL", words)
    assert.fails({hook:link(xdp)}, "EINVAL", words)
    local program = world():program()
    world():keep(hook:attach(program))
    assert.fails({hook:replace(program, xdp)}, "EINVAL", words)
    local sockets = world():hook "cgroup_inet_sock_create"
    assert.fails({sockets:attach(program)}, "EINVAL", "takes cgroup_sock")
    assert.order(hook:query(), program)
  end)

  it("that was loaded for another attach type is refused", function()
    local connect = world():program(1, {type = "cgroup_sock_addr", attach_type = "cgroup_inet4_connect"})
    local hook = world():hook "cgroup_inet4_bind"
    assert.fails({hook:attach(connect)}, "EINVAL", "loaded for another attach type")
    assert.fails({hook:link(connect)}, "EINVAL", "loaded for another attach type")
    world():keep(world():hook "cgroup_inet4_connect":attach(connect))
  end)

  it("finds the list full at 64, and says so, also when it would replace", function()
    local hook = world():hook()
    local programs = {world():programs(64)}
    for _, program in ipairs(programs) do
      hook:attach(program):close()
    end
    assert.equal(64, #hook:query())
    local words = "the list is full: a hook holds 64 programs at most"
    local new = world():program()
    assert.fails({hook:attach(new)}, "E2BIG", words)
    assert.fails({hook:link(new)}, "E2BIG", words)
    assert.fails({hook:replace(programs[1], new)}, "E2BIG", "refuses a replace too")
    assert.equal(64, #hook:query())
    assert.is_true(hook:detach(programs[64]))
    local link = world():keep(hook:link(new))
    assert.is_true(link:update(programs[64])) -- a link's place is its own, full or not
    programs[65] = nil
    assert.equal(programs[64]:id(), hook:query()[64].program_id)
  end)

  it("is listed with all others above it, however many", function()
    local parent = world():cgroup()
    local child = world():cgroup(parent)
    local programs = {world():programs(50)}
    local above, below = world():hook(nil, parent), world():hook(nil, child)
    for _, program in ipairs(programs) do
      above:attach(program):close()
      below:attach(program):close()
    end
    assert.equal(50, #below:query())
    local effective = below:query{effective = true} -- more than the first guess of 64
    assert.equal(100, #effective)
    for i = 1, 100 do
      assert.equal(programs[(i - 1) % 50 + 1]:id(), effective[i].program_id)
    end
  end)

  it("refuses misuse with an error that names the argument", function()
    local hook = world():hook()
    local program = world():program()
    local link = world():keep(hook:link(world():program()))
    assert.misuse {
      {"'mode'.*multi, override, exclusive expected", function() hook:attach(program, {mode = "single"}) end},
      {"'overwrite'.*goes with mode", function() hook:attach(program, {overwrite = true}) end},
      {"'before'.*goes with mode multi", function() hook:attach(program, {mode = "override", before = program}) end},
      {"'preorder'.*goes with mode multi", function() hook:attach(program, {mode = "exclusive", preorder = true}) end},
      {"program expected, got no value", function() hook:attach() end},
      {"unknown option 'flags'", function() hook:attach(program, {flags = 2}) end},
      {"unknown option 'before' to 'hook:replace'", function() hook:replace(program, program, {before = link}) end},
      {"'2' to 'hook:replace' %(program expected, got no value", function() hook:replace(program) end},
      {"'1' to 'hook:replace'.*got no value", function() hook:replace(nil, program) end},
      {"'1' to 'hook:replace'.*got mprog", function() hook:replace(hook, program) end},
      {"a program, or the option 'at', and not both", function() hook:detach() end},
      {"a program, or the option 'at', and not both", function() hook:detach(program, {at = "head"}) end},
      {"'at'.*head, tail expected", function() hook:detach(nil, {at = "first"}) end},
      {"table expected, got string", function() hook:attach(program, "multi") end},
      {"boolean expected, got string", function() hook:query{effective = "yes"} end},
      {"unknown option 'efective'", function() hook:query{efective = true} end},
    }
    assert.equal(1, #hook:query())
  end)
end)

w.describe("a change that meets another's", function(world)
  local modules = {mode = require "ebpf.core".mprog, query = require "ebpf.entries"}

  -- Has somebody else change the list right after the library has looked at it: once.
  local function between(look, change, body)
    local module = modules[look]
    local original = module[look]
    module[look] = function(...)
      module[look] = original
      local results = {original(...)}
      change()
      return results[1], results[2], results[3]
    end
    local ok, message = pcall(body)
    module[look] = original
    assert(ok, message)
  end

  for _, mode in ipairs {"override", "exclusive"} do
    w.it_needs("cgroup_order", "does not replace what was attached meanwhile, in mode " .. mode, function()
      local hook = world():hook()
      local a, b, c = world():programs(3)
      between("mode", function() world():keep(hook:attach(a, {mode = mode})) end, function()
        assert.fails({hook:attach(b, {mode = mode})}, "EEXIST", ("program %d is attached"):format(a:id()))
      end)
      assert.order(hook:query(), a)
      between("query", function() world():keep(hook:attach(b, {mode = mode, overwrite = true})) end, function()
        assert.fails({hook:replace(a, c)}, "ENOENT", "is not attached here")
      end)
      assert.order(hook:query(), b)
      between("query", function() world():keep(hook:attach(c, {mode = mode, overwrite = true})) end, function()
        assert.fails({hook:detach(b)}, "ENOENT", "is not attached here")
      end)
      assert.order(hook:query(), c)
    end)
  end

  w.it_needs("cgroup_order", "does not take off what came when the mode was another one meanwhile", function()
    local hook = world():hook()
    local a, b = world():programs(2)
    local attachment = world():keep(hook:attach(a))
    between("mode", function()
      assert.is_true(attachment:detach())
      world():keep(hook:attach(b, {mode = "override"}))
    end, function()
      assert.fails({hook:detach(a)}, "ENOENT", ("program %d is not attached here"):format(a:id()))
    end)
    assert.order(hook:query(), b)
  end)

  w.it_needs("cgroup_order", "takes off what is last by then, not what was", function()
    local hook = world():hook()
    local a, b = world():programs(2)
    world():keep(hook:attach(a))
    between("query", function() world():keep(hook:attach(b)) end, function()
      assert.is_true(hook:detach(nil, {at = "tail"}))
    end)
    assert.order(hook:query(), a)
  end)
end)
