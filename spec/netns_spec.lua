-- Links on network namespaces: scenarios of the kernel's selftests sk_lookup and flow_dissector_reattach.

local ebpf = require "ebpf"
local net = require "spec.support.net"
local system = require "spec.support.system"
local w = require "spec.support.world"

local OWN = "/proc/self/ns/net"
local PASS, DROP = 1, 0

w.describe("a link on a network namespace", function(world)
  local function lookup(verdict)
    return world():program(verdict or PASS, {type = "sk_lookup", attach_type = "sk_lookup"})
  end

  local function dissector()
    return world():program(0, {type = "flow_dissector"})
  end

  it("runs sk_lookup for every socket that is looked for, until it is closed", function()
    local link = assert(ebpf.link.netns(OWN, lookup(DROP)))
    assert.is_false(net.passes(world()))
    link:close()
    assert.is_true(net.passes(world()))
  end)

  it("is made by path, by descriptor and by process, and tells what it is", function()
    local other = net.namespace(world())
    local file = assert(io.open(other.path))
    local number
    for fd, target in pairs(system.fds()) do
      number = target == ("net:[%d]"):format(net.inode(other.path)) and fd or number
    end
    for _, target in ipairs {other.path, {pid = other.pid}, assert(number)} do
      local program = lookup()
      local link = assert(ebpf.link.netns(target, program))
      assert.same({id = link:id(), type = "netns", program_id = program:id(), netns_ino = net.inode(other.path),
        attach_type = "sk_lookup"}, link:info())
      link:close()
    end
    file:close()
  end)

  it("allows several lookups, the same program twice, and asks all of them", function()
    local pass, drop = lookup(), lookup(DROP)
    world():keep(ebpf.link.netns(OWN, pass))
    world():keep(ebpf.link.netns(OWN, pass))
    assert.is_true(net.passes(world()))
    local last = world():keep(ebpf.link.netns(OWN, drop))
    assert.is_false(net.passes(world()))
    assert.is_true(last:update(pass, drop))
    assert.is_true(net.passes(world()))
  end)

  it("refuses the 65th lookup, and says that 64 are the limit", function()
    local other = net.namespace(world())
    local program = lookup()
    for _ = 1, 64 do
      world():keep(ebpf.link.netns(other.path, program))
    end
    assert.fails({ebpf.link.netns(other.path, program)}, "E2BIG", "64 sk_lookup links at most")
  end)

  it("is the only flow dissector, and names the one that is", function()
    local other = net.namespace(world())
    local program = dissector()
    local link = world():keep(ebpf.link.netns(other.path, program))
    assert.equal("flow_dissector", link:info().attach_type)
    assert.fails({ebpf.link.netns(other.path, dissector())}, "E2BIG", "one flow dissector link: link " .. link:id())
    assert.is_true(link:update(dissector(), program))
    assert.is_true(link:detach())
    world():keep(ebpf.link.netns(other.path, program))
  end)

  it("gives way to a flow dissector that is attached without a link", function()
    local path = world():pin_path()
    local program = dissector()
    world():keep(program:pin(path))
    assert(system.succeeds(("bpftool prog attach pinned %s flow_dissector"):format(path)))
    local link, message, errno = ebpf.link.netns(OWN, dissector())
    assert(system.succeeds(("bpftool prog detach pinned %s flow_dissector"):format(path)))
    assert.fails({link, message, errno}, "EEXIST", "attached here without a link")
  end)

  it("gives way to a flow dissector of the initial namespace", function()
    if not system.exists "/proc/sys/net/core/dev_weight" then
      w.skip "not in the initial network namespace"
    end
    local other = net.namespace(world())
    world():keep(ebpf.link.netns(OWN, dissector()))
    assert.fails({ebpf.link.netns(other.path, dissector())}, "EEXIST", "initial network namespace")
  end)

  it("is detached at once, twice if need be", function()
    local link = world():keep(ebpf.link.netns(OWN, lookup(DROP)))
    assert.is_true(link:alive())
    assert.is_true(link:detach())
    assert.is_true(net.passes(world()))
    assert.is_false(link:alive())
    assert.is_true(link:detach())
    assert.equal(0, link:info().netns_ino)
    assert.fails({link:update(lookup())}, "ENOLINK", "severed")
  end)

  it("is severed when the namespace goes", function()
    local other = net.namespace(world())
    local program = lookup()
    local link = world():keep(ebpf.link.netns(other.path, program))
    other.close()
    assert.is_true(system.eventually(function() return not link:alive() end))
    assert.fails({link:update(lookup())}, "ENOLINK")
    -- what the kernel looks at first here, unlike other links (kernel/bpf/net_namespace.c)
    assert.fails({link:update(lookup(), lookup())}, "EPERM")
    assert.is_true(link:detach())
  end)

  it("is refused for other programs and on what is no namespace", function()
    assert.fails({ebpf.link.netns(OWN, world():program())}, "EINVAL", "of type cgroup_skb, and network namespaces take")
    assert.fails({ebpf.link.netns("/proc/self/ns/mnt", lookup())}, "EINVAL", "it is no network namespace")
    assert.fails({ebpf.link.netns("/dev/null", lookup())}, "EINVAL", "it is no network namespace")
    assert.fails({ebpf.link.netns("/nonesuch", lookup())}, "ENOENT", "no such file")
    assert.fails({ebpf.link.netns({pid = 2 ^ 22 + 1}, lookup())}, "ENOENT", "no such file or process")
    assert.fails({ebpf.link.netns(999999, lookup())}, "EBADF", "not open")
    assert.misuse {
      {"'1' to 'link.netns' %(string or number or table expected", function() ebpf.link.netns(nil, lookup()) end},
      {"'2' to 'link.netns' %(program expected", function() ebpf.link.netns(OWN) end},
      {"unknown option 'name' to 'link.netns'", function() ebpf.link.netns({name = "x"}, lookup()) end},
      {"'pid' to 'link.netns' %(number expected", function() ebpf.link.netns({}, lookup()) end},
    }
  end)
end)
