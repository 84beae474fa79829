-- What the random walks found, as short as they told it.

local asm = require "spec.support.asm"
local ebpf = require "ebpf"
local w = require "spec.support.world"

w.describe("an order's failure", function(world)
  w.it_needs("cgroup_order", "is not said to be EEXIST of a program that only a link has there: it may be attached too",
    function()
      local hook = world():hook()
      local a, b = world():programs(2)
      world():keep(hook:link(a))
      world():keep(hook:attach(b))
      assert.fails({hook:attach(a, {before = b, preorder = true})}, "EINVAL", "preorder")
      world():keep(hook:attach(a))
      assert.fails({hook:attach(a)}, "EEXIST", "at position 1")
      assert.order(hook:query(), a, b, a)
    end)

  w.it_needs("tcx", "is EBUSY when what a link owns should be replaced by itself, as on a cgroup", function()
    local on_device = world():keep(ebpf.mprog.open("lo", "tcx_ingress"))
    for _, case in ipairs {
      {world():hook(), world():program()},
      {on_device, world():program(nil, {type = "sched_cls", insns = asm.verdict(-1)})},
    } do
      local hook, program = case[1], case[2]
      local link = world():keep(hook:link(program))
      assert.fails({hook:replace(program, program)}, "EBUSY", ("by link %d: use link:update"):format(link:id()))
    end
  end)
end)

w.describe("an attachment", function(world)
  it("that was detached, and replaced what somebody attached again, detaches its new program", function()
    local hook = world():hook()
    local a, b = world():programs(2)
    local attachment = world():keep(hook:attach(a))
    assert.is_true(attachment:detach())
    world():keep(hook:attach(a))
    assert.is_true(attachment:replace(b))
    assert.order(hook:query(), b)
    assert.is_true(attachment:detach())
    assert.order(hook:query())
  end)
end)

w.describe("a replaced program", function(world)
  w.it_needs("cgroup_preorder", "isn't taken for preorder because a cgroup above has it as preorder", function()
    local parent = world():cgroup()
    local above, below = world():hook(nil, parent), world():hook(nil, world():cgroup(parent))
    local a, b, c = world():programs(3)
    world():keep(above:attach(a, {preorder = true}))
    world():keep(below:attach(b))
    world():keep(below:attach(a))
    world():keep(below:replace(a, c))
    assert.order(below:query{effective = true}, a, b, c)
  end)
end)
