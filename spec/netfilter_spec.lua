-- Netfilter links: scenarios of the kernel's selftest netfilter_link_attach.

local core = require "ebpf.core"
local ebpf = require "ebpf"
local net = require "spec.support.net"
local w = require "spec.support.world"

local ACCEPT, DROP = 1, 0
local it_needs = w.it_needs

w.describe("a netfilter link", function(world)
  local function program(verdict)
    return world():program(verdict or ACCEPT, {type = "netfilter", attach_type = "netfilter"})
  end

  local function link(opts, verdict)
    opts.family, opts.hook = opts.family or "ipv4", opts.hook or "input"
    return ebpf.link.netfilter(program(verdict), opts)
  end

  it_needs("netfilter_link", "gives its verdict on every packet of the hook until it is closed", function()
    local dropping = assert(link({}, DROP))
    assert.is_false(net.passes(world()))
    dropping:close()
    assert.is_true(net.passes(world()))
    world():keep(link({hook = "forward"}, DROP))
    world():keep(link({family = "ipv6"}, DROP))
    assert.is_true(net.passes(world()))
  end)

  it_needs("netfilter_link", "tells what it is", function()
    local accept = program()
    local held = world():keep(ebpf.link.netfilter(accept, {family = "ipv6", hook = "postrouting", priority = -128}))
    assert.same({id = held:id(), type = "netfilter", program_id = accept:id(), pf = 10, hooknum = 4, priority = -128,
      flags = 0}, held:info())
  end)

  it_needs("netfilter_link", "is detached at once, twice if need be, and never updated", function()
    local held = world():keep(link({}, DROP))
    assert.fails({held:update(program())}, "EOPNOTSUPP", "this type of link can't be updated")
    assert.is_true(held:alive())
    assert.is_true(held:detach())
    assert.is_false(held:alive())
    assert.is_true(net.passes(world()))
    assert.is_true(held:detach())
    assert.fails({held:update(program())}, "EOPNOTSUPP")
  end)

  it_needs("netfilter_link", "has a priority of its own, and names the link that has it", function()
    local held = world():keep(link {priority = -10})
    assert.fails({link {priority = -10}}, "EBUSY", "priority -10 here, that of link " .. held:id())
    world():keep(link {priority = -10, hook = "output"})
    world():keep(link {priority = -10, family = "ipv6"})
    assert.is_true(held:detach())
    world():keep(link {priority = -10})
  end)

  it_needs("netfilter_link", "is refused with a reason for each errno", function()
    local cases = {
      {{priority = -2 ^ 31}, "ERANGE", "the kernel's own"},
      {{priority = 2 ^ 31 - 1}, "ERANGE", "the kernel's own"},
      {{family = "inet"}, "EAFNOSUPPORT", "no netfilter links in family inet"},
      {{family = "arp"}, "EAFNOSUPPORT", "family arp"},
      {{family = "netdev", hook = "ingress"}, "EAFNOSUPPORT", "family netdev"},
      {{hook = "ingress"}, "EPROTO", "family ipv4 has no hook ingress"},
    }
    for _, case in ipairs(cases) do
      assert.fails({link(case[1])}, case[2], case[3])
    end
    assert.fails({ebpf.link.netfilter(world():program(), {family = "ipv4", hook = "input"})}, "EINVAL",
      "of type cgroup_skb, and netfilter takes netfilter")
  end)

  it_needs("netfilter_link", "has fragments put together first, where that is early enough", function()
    local held, message, errno = link {defrag = true, priority = 5}
    if not held and errno == ebpf.errno.ENOENT then
      w.skip(message)
    end
    world():keep(held, message)
    assert.equal(1, held:info().flags)
    assert.fails({link {defrag = true, priority = -400}}, "ERANGE", "put together at priority -400")
    world():keep(link {defrag = true, priority = -399})
  end)

  w.it_lacks("netfilter_link", "says what it needs where the kernel has none", function()
    assert.fails({ebpf.link.netfilter(world():program(), {family = "ipv4", hook = "input"})}, "ENOTSUP",
      "a link of netfilter needs Linux 6.4 (probed: absent)")
  end)

  it("is refused with an error that names the argument when misused", function()
    local any = world():program()
    assert.misuse {
      {"'1' to 'link.netfilter' %(program expected", function() ebpf.link.netfilter() end},
      {"'2' to 'link.netfilter' %(table expected", function() ebpf.link.netfilter(any) end},
      {"'family' to 'link.netfilter' %(ipv4,", function() ebpf.link.netfilter(any, {}) end},
      {"'hook' to 'link.netfilter' %(prerouting,", function() ebpf.link.netfilter(any, {family = "ipv4"}) end},
      {"'priority'.*integer of 32 bits", function()
        ebpf.link.netfilter(any, {family = "ipv4", hook = "input", priority = 0.5})
      end},
      {"unknown option 'flags'", function() ebpf.link.netfilter(any, {flags = 1}) end},
    }
    assert.has_error(function() core.link_create.netfilter("", any, 2, 1, 0, 2) end)
  end)
end)
