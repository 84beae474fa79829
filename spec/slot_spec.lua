-- Slots of rootlets on loopback, with real packets: their order, their owners, and what becomes of them.

local asm = require "spec.support.asm"
local ebpf = require "ebpf"
local net = require "spec.support.net"
local system = require "spec.support.system"
local w = require "spec.support.world"

local DROP, PASS, CONTINUE = 1, 2, ebpf.rootlet.CONTINUE

local function run(command)
  return system.succeeds(command .. " >/dev/null 2>&1")
end

local function open(world, opts)
  return world:keep(ebpf.rootlet.open("lo", opts))
end

w.describe("a slot", function(world)
  local function load(rootlet, insns, name)
    return world():keep(rootlet:load{insns = insns, name = name, license = "GPL"})
  end

  local function attach(rootlet, index, program)
    return world():keep(rootlet:slot(index):attach(program))
  end

  -- Linux 5.13 and later tell what a link replaces.
  local function skip_untold(rootlet)
    local list, message, number = rootlet:slots()
    if not list then
      assert.fails({list, message, number}, "EOPNOTSUPP", "this kernel does not tell what a link replaces")
      w.skip "this kernel does not tell what a link replaces"
    end
  end

  w.it_needs("freplace", "runs in its place, whatever the order of attaching", function()
    local rootlet, cell, send = open(world(), {slots = 4}), world():cell(), net.line(world())
    for _, index in ipairs {3, 1, 4, 2} do
      attach(rootlet, index, load(rootlet, asm.mark(cell:fd(), index, CONTINUE)))
    end
    assert.is_true(send())
    assert.equal(1234, cell:get(0))
  end)

  w.it_needs("freplace", "continues with 31, and ends the run with any other verdict", function()
    local rootlet, send = open(world(), {slots = 3}), net.line(world())
    for _, case in ipairs {{CONTINUE, 13, true}, {PASS, 1, true}, {DROP, 1, false}, {0, 1, false}, {77, 1, false}} do
      local cell = world():cell()
      local first = attach(rootlet, 1, load(rootlet, asm.mark(cell:fd(), 1, case[1])))
      local third = attach(rootlet, 3, load(rootlet, asm.mark(cell:fd(), 3, CONTINUE)))
      assert.same({case[1], case[3]}, {case[1], send()})
      assert.same({case[1], case[2]}, {case[1], cell:get(0)})
      first:close()
      third:close()
    end
  end)

  w.it_needs("freplace", "falls back to its placeholder when its link is closed", function()
    local rootlet, send = open(world()), net.line(world())
    local link = attach(rootlet, 5, load(rootlet, asm.verdict(DROP), "drop"))
    assert.is_false(send())
    link:close()
    assert.is_true(send())
    attach(rootlet, 5, load(rootlet, asm.verdict(DROP), "drop2"))
    assert.is_false(send())
  end)

  w.it_needs("freplace", "is taken by an ordinary link, which says what it replaces, and can be pinned", function()
    local rootlet, send = open(world()), net.line(world())
    local program = load(rootlet, asm.verdict(DROP), "drop")
    local link = attach(rootlet, 2, program)
    skip_untold(rootlet)
    local info = link:info()
    assert.same({"tracing", program:id(), rootlet:info().program_id},
      {info.type, info.program_id, info.target_obj_id})
    assert.is_true(link:alive())
    assert.fails({link:detach()}, "EOPNOTSUPP", "close it, and remove its pins")
    local path = world():pin_path()
    local pin = world():keep(link:pin(path))
    link:close()
    assert.is_false(send())
    assert.is_true(pin:remove())
    assert.is_true(system.eventually(send))
  end)

  w.it_needs("freplace", "that is taken refuses another program, names the holder, and goes on", function()
    local rootlet, cell, send = open(world()), world():cell(), net.line(world())
    local program = load(rootlet, asm.mark(cell:fd(), 1, CONTINUE), "holder")
    local link = attach(rootlet, 2, program)
    skip_untold(rootlet)
    local other = load(rootlet, asm.verdict(DROP), "other")
    assert.fails({rootlet:slot(2):attach(other)}, "EBUSY",
      ("the slot is taken by link %d, program %d (holder)"):format(link:id(), program:id()))
    assert.is_true(send())
    assert.equal(1, cell:get(0))
  end)

  w.it_needs("freplace", "takes any program that was loaded for one, also in several slots and rootlets", function()
    local rootlet, cell, send = open(world(), {slots = 3}), world():cell(), net.line(world())
    local program = world():keep(rootlet:load{insns = asm.mark(cell:fd(), 7, CONTINUE), slot = 2})
    local links = {}
    for index = 1, 3 do
      links[index] = attach(rootlet, index, program)
    end
    assert.is_true(send())
    assert.equal(777, cell:get(0))
    for _, link in ipairs(links) do
      link:close()
    end
    rootlet:close()
    cell:set(0, 0)
    rootlet = open(world(), {slots = 1})
    attach(rootlet, 1, program)
    assert.is_true(send())
    assert.equal(7, cell:get(0))
  end)

  w.it_needs("freplace", "takes a program that changes the packet", function()
    local rootlet, send = open(world()), net.line(world())
    -- xdp_adjust_tail(ctx, 0), and drop if that was refused
    attach(rootlet, 1, load(rootlet, {
      asm.mov(2, 0), asm.call(65), asm.skip_if_null(0, 2), asm.mov(0, DROP), asm.exit(), asm.mov(0, CONTINUE),
      asm.exit(),
    }))
    assert.is_true(send())
  end)

  w.it_needs("freplace", "takes a program of an object that was loaded for any slot, and no other", function()
    local rootlet, send = open(world()), net.line(world())
    local path = "build/spec/support/slot.bpf.o"
    local root = world():keep(rootlet:program())
    local object = world():keep(ebpf.object.open(path, {targets = {count_and_continue = {root, "slot4"}}}))
    assert(object:load())
    local program, seen = world():keep(object:program "count_and_continue"), world():keep(object:map "seen")
    object:close()
    for _, index in ipairs {4, 1} do
      local link = attach(rootlet, index, program)
      assert.is_true(send())
      link:close()
    end
    assert.equal(2, seen:get(0))
    assert.fails({ebpf.object.open(path, {targets = {count_and_continue = {root, "slot99"}}})}, "ENOENT", "slot99")
  end)

  w.it_needs("freplace", "refuses a program that was loaded for a function of another kind", function()
    local rootlet = open(world())
    local theirs = world():keep(ebpf.object.open "build/spec/support/freplace.bpf.o")
    assert(theirs:load())
    local target = world():keep(theirs:program "dispatch")
    local object = world():keep(ebpf.object.open("build/spec/support/wide.bpf.o", {
      targets = {wide = {target, "other"}},
    }))
    assert(object:load())
    assert.fails({rootlet:slot(1):attach(world():keep(object:program "wide"))}, "EINVAL",
      "it was loaded for a function of another kind")
    assert.is_true(net.passes(world()))
  end)

  w.it_needs("freplace", "is one of 255 at most, and all of them run", function()
    local rootlet, cell, send = open(world(), {slots = 255}), world():cell(), net.line(world())
    local program = load(rootlet, asm.counter(cell:fd(), CONTINUE))
    for index = 1, 255 do
      attach(rootlet, index, program)
    end
    assert.is_true(send())
    assert.equal(255, cell:get(0))
  end)

  w.it_needs("freplace", "refuses what the verifier refuses, with its words", function()
    local rootlet = open(world())
    for _, case in ipairs {
      {"EACCES", "the verifier refused the program", "R0 !read_ok", asm.exit()},
      {"EINVAL", "the verifier refused the program", "unknown", {asm.call(99999), asm.exit()}},
      {"E2BIG", "too many instructions", "", asm.mov(0, 1):rep(1000001)},
    } do
      local result = {rootlet:load{insns = case[4], name = "bad"}}
      assert.fails(result, case[1], case[2])
      assert.matches("^rootlet load bad for slot 1 on lo: ", result[2])
      assert.matches(case[3], result[2])
    end
  end)

  w.it_needs("freplace", "of a severed rootlet takes nothing: that would run nowhere", function()
    local rootlet = open(world())
    local program = load(rootlet, asm.verdict(DROP))
    rootlet:detach()
    assert.fails({rootlet:slot(1):attach(program)}, "ENOLINK", "the rootlet is severed")
  end)

  w.it_needs("freplace", "outlives its device, and its handles close", function()
    local name = ("rl%d"):format(system.pid() % 1e6)
    if not run(("ip link add %s type veth peer name %sp"):format(name, name)) then
      w.skip "no veth devices here"
    end
    local rootlet = world():keep(ebpf.rootlet.open(name))
    assert.equal("native", rootlet:info().mode)
    local program = load(rootlet, asm.verdict(DROP))
    local link = attach(rootlet, 1, program)
    assert.is_true(run("ip link del " .. name))
    assert.is_false(rootlet:alive())
    skip_untold(rootlet)
    assert.is_true(link:alive()) -- the kernel's answer: its target is the program, which is still there
    assert.fails({rootlet:slot(2):attach(program)}, "ENOLINK", "its device is gone")
    assert.equal(link:id(), rootlet:slots()[1].link_id)
    assert.is_nil(rootlet:info().mode)
    assert.fails({ebpf.rootlet.open(name)}, "ENODEV")
  end)

  -- Another process that opens the rootlet, takes a slot, and stays; its first line is the link's id, or the failure.
  local function owner(index, cell, verdict)
    return system.start(([[
      local asm, ebpf = require "spec.support.asm", require "ebpf"
      local rootlet = assert(ebpf.rootlet.open "lo")
      local cell = assert(ebpf.map.from_id(%d))
      local program = assert(rootlet:load{insns = asm.counter(cell:fd(), %d), name = "owner%d"})
      local link, message = rootlet:slot(%d):attach(program)
      print(link and link:id() or message) io.stdout:flush()
      while true do require "socket".sleep(1) end
    ]]):format(cell:id(), verdict, index, index))
  end

  w.it_needs("freplace", "belongs to its process, as every other process is told", function()
    local rootlet, cell = open(world(), {slots = 3}), world():cell()
    local process = owner(2, cell, CONTINUE)
    local id = tonumber(process.line())
    local list = rootlet:slots()
    if not list then
      process.kill()
      w.skip "this kernel does not tell what a link replaces"
    end
    local second = owner(2, cell, CONTINUE)
    local answer = second.line()
    local elsewhere = system.lua [[
      for _, slot in ipairs(assert(require "ebpf".rootlet.open "lo"):slots()) do
        print(slot.index, slot.link_id, slot.program_id)
      end
    ]]
    second.kill()
    process.kill()
    assert.is_number(id)
    assert.same({nil, id, nil}, {list[1].link_id, list[2].link_id, list[3].link_id})
    assert.matches("EBUSY: the slot is taken by link " .. id .. ", program %d+ %(owner2%)", answer)
    assert.equal(("1\tnil\tnil\n2\t%d\t%d\n3\tnil\tnil"):format(id, list[2].program_id), elsewhere)
    assert.is_true(system.eventually(function() return not rootlet:slots()[2].link_id end))
  end)

  w.it_needs("freplace", "whose owner is killed under traffic loses no packet, and leaves the others alone", function()
    open(world(), {slots = 2})
    local send = net.line(world())
    local cells = {world():cell(), world():cell()}
    local processes = {owner(1, cells[1], CONTINUE), owner(2, cells[2], CONTINUE)}
    local ids = {processes[1].line(), processes[2].line()}
    local sent, lost, after = 0, 0, 0
    os.execute(("(sleep 0.3; kill -9 %d) &"):format(processes[1].pid))
    local deadline = require "socket".gettime() + 20
    repeat
      local before = {cells[1]:get(0), cells[2]:get(0)}
      sent = sent + 1
      lost = lost + (send() and 0 or 1)
      after = cells[1]:get(0) == before[1] and after + 1 or 0
      assert.equal(before[2] + 1, cells[2]:get(0))
    until after == 200 or require "socket".gettime() > deadline
    processes[1].close()
    processes[2].kill()
    assert.matches("^%d+$", ids[1])
    assert.matches("^%d+$", ids[2])
    assert.equal(0, lost)
    assert.equal(200, after)
    assert.equal(sent - 200, cells[1]:get(0)) -- it ran for each packet up to its end
    assert.is_true(cells[1]:get(0) > 0)
    assert.is_true(send())
  end)

  w.it_needs("freplace", "is filled without CAP_SYS_ADMIN, but not looked for among all links", function()
    local output = system.lua([[
      local asm, ebpf = require "spec.support.asm", require "ebpf"
      local rootlet, how = ebpf.rootlet.open "lo"
      print(rootlet ~= nil, how)
      local program = assert(rootlet:load{insns = asm.verdict(31)})
      local link = assert(rootlet:slot(1):attach(program))
      print((select(2, rootlet:slot(1):attach(program))))
      print((select(2, rootlet:slots())))
      print((select(2, ebpf.rootlet.open "lo")))
      link:close()
      rootlet:close()
    ]], "setpriv --bounding-set=-all,+bpf,+net_admin,+perfmon --inh-caps=-all,+bpf,+net_admin,+perfmon")
    assert.matches("^true\tattached\n", output)
    assert.matches("\nslot attach 1 on lo: EBUSY: the slot is taken\n", output)
    assert.matches("\neach link: EPERM: this process lacks CAP_SYS_ADMIN\n", output)
    assert.matches("\nrootlet open lo: EPERM: program %d+ is attached in generic mode, and whose it is can't be told: ",
      output)
  end)
end)
