-- XDP links: scenarios of the kernel's selftests xdp_link and xdp_attach, on loopback and veth.

local asm = require "spec.support.asm"
local core = require "ebpf.core"
local ebpf = require "ebpf"
local net = require "spec.support.net"
local system = require "spec.support.system"
local w = require "spec.support.world"

local PASS, DROP = 2, 1

w.describe("an XDP link", function(world)
  local function program(verdict, spec)
    spec = spec or {}
    spec.type = "xdp"
    return world():program(verdict or PASS, spec)
  end

  local function shell(format, ...)
    assert(system.succeeds(format:format(...) .. " 2>&1"))
  end

  it("runs for every packet of the device until it is closed", function()
    local link = assert(ebpf.link.xdp("lo", program(DROP)))
    assert.is_false(net.passes(world()))
    link:close()
    assert.is_true(net.passes(world()))
  end)

  it("tells what it is", function()
    local pass = program()
    local link = world():keep(ebpf.link.xdp(1, pass, {mode = "generic"}))
    assert.same({id = link:id(), type = "xdp", program_id = pass:id(), ifindex = 1}, link:info())
    assert.same({generic = pass:id()}, core.xdp.query(1))
    for found in ebpf.link.each{type = "xdp", program = pass} do
      assert.equal(link:id(), found:id())
    end
  end)

  it("is updated in place, guarded by the old program where it is named", function()
    local drop, pass, other = program(DROP), program(), program()
    local link = world():keep(ebpf.link.xdp("lo", drop))
    assert.is_true(link:update(pass))
    assert.is_true(net.passes(world()))
    assert.fails({link:update(drop, other)}, "EPERM", "does not run the program given as the old one")
    assert.equal(pass:id(), link:info().program_id)
    assert.is_true(link:update(drop, pass))
    assert.is_false(net.passes(world()))
    assert.is_true(link:update(drop))
    assert.fails({link:update(world():program())}, "EINVAL", "of another type")
  end)

  it("is detached at once, twice if need be, and leaves the device free", function()
    local link = world():keep(ebpf.link.xdp("lo", program(DROP)))
    assert.is_true(link:alive())
    assert.is_true(link:detach())
    assert.is_false(link:alive())
    assert.is_true(net.passes(world()))
    assert.is_true(link:detach())
    assert.equal(0, link:info().ifindex)
    assert.fails({link:update(program())}, "ENOLINK", "severed")
    world():keep(ebpf.link.xdp("lo", program()))
  end)

  it("is refused where another link is, which is named", function()
    local pass = program()
    local first = world():keep(ebpf.link.xdp("lo", pass))
    for _, mode in ipairs {"generic", false} do
      assert.fails({ebpf.link.xdp("lo", program(), {mode = mode or nil})}, "EBUSY",
        ("program %d (%s) runs in generic mode, held by link %d: use link:update"):format(pass:id(), pass:info().name,
          first:id()))
    end
    assert.same({generic = pass:id()}, core.xdp.query(1))
  end)

  it("is refused where a program is attached through netlink, and says so", function()
    local pass = program()
    local path = world():pin_path()
    world():keep(pass:pin(path))
    shell("ip link set dev lo xdpgeneric pinned %s", path)
    local link, message, errno = ebpf.link.xdp("lo", program())
    shell "ip link set dev lo xdpgeneric off"
    assert.fails({link, message, errno}, "EBUSY", "attached through netlink: ip link set dev lo xdpgeneric off")
    assert.matches("program " .. pass:id(), message)
  end)

  it("can't be replaced through netlink", function()
    local pass, other = program(), program()
    local path = world():pin_path()
    world():keep(other:pin(path))
    world():keep(ebpf.link.xdp("lo", pass))
    assert.is_false(system.succeeds(("ip -force link set dev lo xdpgeneric pinned %s 2>/dev/null"):format(path)))
    assert.is_false(system.succeeds "ip link set dev lo xdpgeneric off 2>/dev/null")
    assert.same({generic = pass:id()}, core.xdp.query(1))
  end)

  it("recognises the dispatcher of libxdp", function()
    local insns = asm.mark(world():cell():fd(), 1, PASS) -- it has one map, of its configuration
    local link = world():keep(ebpf.link.xdp("lo", program(nil, {name = "xdp_dispatcher", insns = insns})))
    assert.fails({ebpf.link.xdp("lo", program())}, "EBUSY", ("(xdp_dispatcher) runs in generic mode, the dispatcher of "
      .. "libxdp, held by link %d: what it loads is added with xdp-loader(8)"):format(link:id()))
    assert.is_true(link:alive())
    link:close()
    world():keep(ebpf.link.xdp("lo", program(PASS, {name = "xdp_dispatcher"})))
    local _, message = ebpf.link.xdp("lo", program())
    assert.not_matches("libxdp", message)
  end)

  it("tells a mode that the driver lacks", function()
    assert.fails({ebpf.link.xdp("lo", program(), {mode = "offload"})}, "EOPNOTSUPP", "no XDP in offload mode")
  end)

  it("in one mode excludes the other", function()
    local device = net.veth(world())
    if not device then
      w.skip "this kernel has no veth"
    end
    local pass = program()
    local native = world():keep(ebpf.link.xdp(device, pass, {mode = "native"}))
    assert.same({native = pass:id()}, core.xdp.query(native:info().ifindex))
    assert.fails({ebpf.link.xdp(device, program(), {mode = "generic"})}, "EEXIST",
      ("native and generic XDP exclude each other: program %d"):format(pass:id()))
    native:close()
    local generic = world():keep(ebpf.link.xdp(device, program(), {mode = "generic"}))
    assert.fails({ebpf.link.xdp(device, program(), {mode = "native"})}, "EEXIST", "held by link " .. generic:id())
    assert.fails({ebpf.link.xdp(device, program())}, "EEXIST", "runs in generic mode")
  end)

  it("is severed when its device goes", function()
    local device = net.veth(world())
    if not device then
      w.skip "this kernel has no veth"
    end
    local link = world():keep(ebpf.link.xdp(device, program()))
    assert.is_true(link:alive())
    shell("ip link del %s", device)
    assert.is_true(system.eventually(function() return not link:alive() end))
    assert.equal(0, link:info().ifindex)
    assert.fails({link:update(program())}, "ENOLINK")
    assert.is_true(link:detach())
  end)

  it("outlives its handle by a pin", function()
    local link = assert(ebpf.link.xdp("lo", program(DROP)))
    local pin = world():keep(link:pin(world():pin_path()))
    link:close()
    assert.is_false(net.passes(world()))
    local again = world():keep(pin:get "link")
    assert.equal("xdp", again:info().type)
    assert.is_true(pin:remove())
    again:close()
    assert.is_true(net.passes(world()))
  end)

  it("is refused on no device, and for no XDP program", function()
    assert.fails({ebpf.link.xdp("nonesuch", program())}, "ENODEV", "no such network device")
    assert.fails({ebpf.link.xdp(4711, program())}, "ENODEV", "no such network device")
    assert.fails({ebpf.link.xdp("lo", world():program())}, "EINVAL", "the program is of type cgroup_skb")
    assert.fails({ebpf.link.xdp("lo", program(PASS, {attach_type = "xdp_devmap"}))}, "EINVAL", "devmap")
  end)

  it("is refused with an error that names the argument when misused", function()
    local pass = program()
    for _, case in ipairs {
      {"'1' to 'link.xdp' %(name or index of a network device expected, got nil", function() ebpf.link.xdp() end},
      {"name or index of a network device expected, got 0", function() ebpf.link.xdp(0) end},
      {"name or index of a network device expected, got %-1", function() ebpf.link.xdp(-1) end},
      {"name or index of a network device expected, got \"lo", function() ebpf.link.xdp "lo\0x" end},
      {"'2' to 'link.xdp' %(program expected, got no value", function() ebpf.link.xdp("lo") end},
      {"unknown option 'flags'", function() ebpf.link.xdp("lo", pass, {flags = 1}) end},
      {"'mode' to 'link.xdp' %(native, generic, offload expected, got skb", function()
        ebpf.link.xdp("lo", pass, {mode = "skb"})
      end},
    } do
      local ok, message = pcall(case[2])
      assert.is_false(ok)
      assert.matches(case[1], message)
    end
  end)

  it("never carries flags that the kernel might read otherwise", function()
    local pass = program()
    local xdp = core.names.attach_type.xdp
    for _, flag in ipairs {1, 16, 64, 8192, 65536} do
      assert.has_error(function() core.link_create.on("link xdp", "", pass, xdp, 1, flag) end)
    end
    assert.same({}, core.xdp.query(1))
  end)
end)
