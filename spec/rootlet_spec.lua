-- Rootlets on loopback: how they come, are found, kept and go, and XDP programs of others, which stay. What is in their
-- slots is in slot_spec.lua.

local asm = require "spec.support.asm"
local core = require "ebpf.core"
local ebpf = require "ebpf"
local errors = require "ebpf.errors"
local helper = require "spec.support.helper"
local net = require "spec.support.net"
local system = require "spec.support.system"
local w = require "spec.support.world"

local PASS = 2
local LO = assert(core.device.index "lo")

local function run(command)
  return system.succeeds(command .. " >/dev/null 2>&1")
end

-- The XDP program on loopback: its id, or nil.
local function on_loopback()
  return core.xdp.query(LO).generic
end

local function open(world, opts)
  local rootlet, how = ebpf.rootlet.open("lo", opts)
  return world:keep(rootlet, how), how
end

w.describe("a rootlet", function(world)
  it("is attached to a device without XDP, tells what it is, and goes when it is closed", function()
    local rootlet, how = open(world(), {slots = 3})
    assert.equal("attached", how)
    local info = rootlet:info()
    assert.equal(on_loopback(), info.program_id)
    assert.same({3, LO, "generic"}, {info.slots, info.ifindex, info.mode})
    assert.matches("^ebpf.rootlet: lo, 3 slots fd %d+$", tostring(rootlet))
    assert.is_true(rootlet:alive())
    local program = world():keep(rootlet:program())
    assert.same({"rootlet", "xdp", info.program_id}, {program:info().name, program:info().type, program:id()})
    assert.is_true(net.passes(world()))
    rootlet:close()
    assert.is_true(system.eventually(function() return not on_loopback() end))
    assert.has_error(function() rootlet:slots() end, "rootlet is closed")
    assert.has_error(function() rootlet:alive() end, "rootlet is closed")
    assert.has_error(function() rootlet:slot(1) end, "rootlet is closed")
  end)

  it("has eight slots unless told otherwise, and all are free", function()
    local rootlet = open(world())
    local list = assert(rootlet:slots())
    assert.equal(8, #list)
    assert.equal(0, list.skipped)
    for index, slot in ipairs(list) do
      assert.same({index, "slot" .. index}, {slot.index, slot.name})
      assert.is_nil(slot.link_id)
    end
  end)

  it("that is there already is opened, by index as well", function()
    local rootlet = open(world(), {slots = 3})
    local again = world():keep(ebpf.rootlet.open(LO, {slots = 2}))
    assert.equal(rootlet:info().link_id, again:info().link_id)
    assert.equal("opened", select(2, open(world())))
    assert.equal(3, again:info().slots)
    assert.fails({ebpf.rootlet.open("lo", {slots = 4})}, "EEXIST", "the rootlet there has 3 slots")
    rootlet:close()
    assert.is_true(again:alive())
  end)

  it("may be attached by many processes at once, and they all get the same one", function()
    local processes = {}
    for i = 1, 4 do
      processes[i] = system.start [[
        local ebpf = require "ebpf"
        local rootlet, message = ebpf.rootlet.open("lo", {slots = 2})
        print(rootlet and rootlet:info().link_id or message) io.stdout:flush()
        while true do require "socket".sleep(1) end
      ]]
    end
    local ids = {}
    for i, process in ipairs(processes) do
      ids[i] = process.line()
    end
    for _, process in ipairs(processes) do
      process.kill()
    end
    assert.matches("^%d+$", ids[1])
    assert.same({ids[1], ids[1], ids[1], ids[1]}, ids)
    assert.is_true(system.eventually(function() return not on_loopback() end))
  end)

  it("is opened by no one without privileges, who is told what is missing", function()
    local expression = [[print((select(2, require "ebpf".rootlet.open "lo")))]]
    local nobody = "setpriv --reuid=65534 --regid=65534 --clear-groups --inh-caps=-all"
    assert.matches("^program load rootlet: EPERM: this process lacks CAP_BPF", system.lua(expression, nobody))
    open(world())
    assert.matches("^rootlet open lo: EPERM: program %d+ is attached in generic mode, and whose it is can't be told: ",
      system.lua(expression, nobody))
  end)

  it("is detached at once when that is asked for, and takes no more programs", function()
    local rootlet = open(world())
    assert.is_true(rootlet:detach())
    assert.is_nil(on_loopback())
    assert.is_true(rootlet:detach())
    assert.is_false(rootlet:alive())
    assert.same({0, 8}, {rootlet:info().ifindex, rootlet:info().slots})
    assert.equal("attached", select(2, open(world())))
  end)

  it("in native mode needs a driver that has it", function()
    assert.fails({ebpf.rootlet.open("lo", {mode = "native"})}, "EOPNOTSUPP",
      "the driver of this device has no XDP in native mode")
    assert.equal("generic", open(world(), {mode = "generic"}):info().mode)
  end)

  it("is pinned, outlives its process, and goes with its pin", function()
    local path = world():pin_path()
    local output = system.lua(([[
      local ebpf = require "ebpf"
      local rootlet = assert(ebpf.rootlet.open("lo", {slots = 5}))
      local pin = assert(rootlet:pin(%q))
      print(rootlet:info().link_id, pin:path())
    ]]):format(path))
    local id, pinned = output:match "^(%d+)\t(%S+)$"
    assert.equal(path, pinned)
    local rootlet, how = open(world(), {pin = path}) -- which holds it already
    assert.equal("opened", how)
    assert.same({tonumber(id), 5}, {rootlet:info().link_id, rootlet:info().slots})
    rootlet:close()
    assert.is_number(on_loopback())
    os.remove(path)
    assert.is_true(system.eventually(function() return not on_loopback() end))
  end)

  it("is pinned as it is opened, unless the name holds something else", function()
    local path = world():pin_path()
    local pin = world():keep(ebpf.pin.at(path))
    local rootlet = open(world(), {pin = path})
    local link = world():keep(pin:get "link")
    assert.equal(rootlet:info().link_id, link:id())
    link:close()
    assert.is_true(pin:remove())
    assert.is_true(pin:put(world():program()))
    rootlet:close()
    assert.is_true(system.eventually(function() return not on_loopback() end))
    assert.fails({ebpf.rootlet.open("lo", {pin = path})}, "EEXIST", "the name is taken")
    assert.is_nil(on_loopback())
    assert.fails({ebpf.rootlet.open("lo", {pin = "/tmp/rootlet"})}, "EPERM", "not on a BPF file system")
    assert.is_nil(on_loopback())
  end)

  it("is not attached for a moment either where the name is taken: no link id is handed out", function()
    local pin = world():pin()
    assert.is_true(pin:put(world():program()))
    local hook, program = world():hook(), world():program()
    local function next_id()
      local link = assert(hook:link(program))
      local id = link:id()
      link:close()
      return id
    end
    local function refuse()
      assert.fails({ebpf.rootlet.open("lo", {pin = pin:path()})}, "EEXIST", "the name is taken")
      assert.is_nil(on_loopback())
    end
    -- ids count up, for the whole machine: others may take some meanwhile, but not each time
    assert.is_true(system.eventually(function()
      local before = next_id()
      refuse()
      return next_id() == before + 1
    end))
  end)

  it("goes again when somebody takes the name while it is attached", function()
    local pin = world():pin()
    local program = world():program()
    local exists = core.pin.methods.exists
    finally(function() core.pin.methods.exists = exists end)
    core.pin.methods.exists = function(name)
      local taken = exists(name)
      assert.is_true(pin:put(program))
      return taken
    end
    assert.fails({ebpf.rootlet.open("lo", {pin = pin:path()})}, "EEXIST", "the name is taken")
    assert.is_true(system.eventually(function() return not on_loopback() end))
    assert.equal(program:id(), world():keep(pin:get "program"):id())
  end)

  it("is opened by all who ask for it at the same time under one name", function()
    local path = world():pin_path()
    local processes = {}
    for i = 1, 4 do
      processes[i] = system.start(([[
        local rootlet, message = require "ebpf".rootlet.open("lo", {slots = 2, pin = %q})
        print(rootlet and rootlet:info().link_id or message)
      ]]):format(path))
    end
    local link
    for _, process in ipairs(processes) do
      local line = process.line()
      link = link or line
      assert.equal(link, line)
      process.close()
    end
    assert.matches("^%d+$", link)
    os.remove(path)
    assert.is_true(system.eventually(function() return not on_loopback() end))
  end)

  it("that nobody kept is reported when it is collected, and where it was opened", function()
    local lost = {}
    ebpf.on_collect(function(id, hook, made) lost[#lost + 1] = {id, hook, made:match "rootlet_spec"} end)
    local rootlet = assert(ebpf.rootlet.open "lo")
    local id = rootlet:info().link_id
    rootlet = nil -- luacheck: ignore
    collectgarbage()
    collectgarbage()
    helper.listen()
    assert.same({{id, "xdp", "rootlet_spec"}}, lost)
    assert.is_true(system.eventually(function() return not on_loopback() end))
  end)

  it("is refused with an error that names the argument when misused", function()
    local rootlet = open(world(), {slots = 2})
    local slot = rootlet:slot(1)
    assert.misuse {
      {"name or index of a network device expected, got nil", function() ebpf.rootlet.open() end},
      {"name or index of a network device expected, got table", function() ebpf.rootlet.open{} end},
      {"'slots'.*from 1 expected, got 0", function() ebpf.rootlet.open("lo", {slots = 0}) end},
      {"'slots'.*from 1 to 255 expected, got 256", function() ebpf.rootlet.open("lo", {slots = 256}) end},
      {"'slots'.*from 1 expected, got 1.5", function() ebpf.rootlet.open("lo", {slots = 1.5}) end},
      {"'slots'.*integer from 1 expected, got string", function() ebpf.rootlet.open("lo", {slots = "8"}) end},
      {"'mode'.*native, generic expected, got offload", function() ebpf.rootlet.open("lo", {mode = "offload"}) end},
      {"unknown option 'slot'", function() ebpf.rootlet.open("lo", {slot = 8}) end},
      {"'pin'.*NUL", function() ebpf.rootlet.open("lo", {pin = "a\0b"}) end},
      {"slot from 1 to 2 expected, got 0", function() rootlet:slot(0) end},
      {"slot from 1 to 2 expected, got 3", function() rootlet:slot(3) end},
      {"slot from 1 to 2 expected, got x", function() rootlet:slot "x" end},
      {"table expected, got no value", function() rootlet:load() end},
      {"'insns'.*string or table expected", function() rootlet:load{} end},
      {"'insns'.*8 bytes each expected, got 3", function() rootlet:load{insns = "abc"} end},
      {"slot from 1 to 2 expected, got 9", function() rootlet:load{insns = asm.verdict(1), slot = 9} end},
      {"'name'.*identifier", function() rootlet:load{insns = asm.verdict(1), name = "a b"} end},
      {"'name'.*at most 15", function() rootlet:load{insns = asm.verdict(1), name = ("x"):rep(16)} end},
      {"unknown option 'type'", function() rootlet:load{insns = asm.verdict(1), type = "ext"} end},
      {"program expected, got no value", function() slot:attach() end},
      {"slot expected", function() slot.attach(rootlet, world():program()) end},
      {"slot expected, got table", function() slot.attach({}, world():program()) end},
      {"'mode'.*native, generic expected, got skb", function() ebpf.rootlet.open("lo", {mode = "skb"}) end},
      {"'flags'.*integer from 0", function() rootlet:load{insns = asm.verdict(1), flags = -1} end},
    }
    assert.fails({slot:attach(world():program(1, {type = "xdp"}))}, "EINVAL", "the program is of type xdp")
    assert.fails({ebpf.rootlet.open "nosuchdevice"}, "ENODEV", "no such network device")
    assert.fails({ebpf.rootlet.open(0x7ffffff0)}, "ENODEV", "no such network device")
    rootlet:close()
    assert.has_error(function() slot:attach(world():program()) end, "rootlet is closed")
  end)

  it("says so where the kernel refuses such programs although nothing is missing", function()
    local rootlet = open(world())
    local load_for = core.rootlet_program.load_for
    core.rootlet_program.load_for = function() return errors.fail("rootlet load", "p for slot 1 on lo", "EPERM") end
    local result = {rootlet:load{insns = asm.verdict(1), name = "p"}}
    core.rootlet_program.load_for = load_for
    assert.fails(result, "EPERM", "this kernel refuses programs that replace functions")
  end)
end)

w.describe("XDP of others", function(world)
  -- What opening says, and whether all is as before.
  local function refused(text)
    local before = on_loopback()
    assert.is_number(before)
    assert.fails({ebpf.rootlet.open("lo", {pin = world():pin_path()})}, "EBUSY", text)
    assert.equal(before, on_loopback())
  end

  -- By netlink, as iproute2 attaches.
  local function netlink(program)
    local path = world():pin_path()
    world():keep(program:pin(path))
    assert.is_true(run("ip link set dev lo xdpgeneric pinned " .. path))
    assert.equal(program:id(), on_loopback())
  end

  after_each(function() run "ip link set dev lo xdpgeneric off" end)

  it("by a link stays, and the message names the link", function()
    local program = world():program(PASS, {type = "xdp", name = "theirs"})
    local link = world():keep(ebpf.link.xdp("lo", program))
    refused(("program %d (theirs) runs in generic mode, held by link %d: use link:update or link:detach"):format(
      program:id(), link:id()))
    link:close()
    assert.equal("attached", select(2, open(world())))
  end)

  it("by netlink stays, and the message names the program", function()
    local program = world():program(PASS, {type = "xdp", name = "theirs"})
    netlink(program)
    refused(("program %d (theirs) runs in generic mode, attached through netlink: ip link set dev lo xdpgeneric off")
      :format(program:id()))
  end)

  it("that is a libxdp dispatcher stays, and is called so", function()
    local cell = world():cell()
    netlink(world():program(nil, {type = "xdp", name = "xdp_dispatcher", insns = asm.mark(cell:fd(), 1, PASS)}))
    refused "(xdp_dispatcher) runs in generic mode, the dispatcher of libxdp, attached through netlink: what it loads"
  end)

  it("that only has the name of a rootlet is none", function()
    local link = world():keep(ebpf.link.xdp("lo", world():program(PASS, {type = "xdp", name = "rootlet"})))
    refused(("(rootlet) runs in generic mode, held by link %d: "):format(link:id()))
  end)

  it("that is a rootlet's program, but attached without a link, is not taken for a rootlet", function()
    netlink(world():keep(core.rootlet_program.load(2)))
    refused "(rootlet) runs in generic mode, a rootlet, attached through netlink"
  end)

  it("that comes after a rootlet is refused, and told to open it", function()
    local rootlet = open(world())
    local info = rootlet:info()
    assert.fails({ebpf.link.xdp("lo", world():program(PASS, {type = "xdp"}))}, "EBUSY",
      ("program %d (rootlet) runs in generic mode, a rootlet, held by link %d: rootlet.open opens it"):format(
        info.program_id, info.link_id))
    assert.equal(info.program_id, on_loopback())
  end)
end)
