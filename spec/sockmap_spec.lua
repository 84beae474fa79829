-- Links on sockmaps: scenarios of the kernel's selftest sockmap_basic.

local ebpf = require "ebpf"
local w = require "spec.support.world"

local it_needs = w.it_needs

w.describe("a link on a sockmap", function(world)
  local function map(kind)
    return world():keep(ebpf.map.create{type = kind or "sockmap", key_size = 4, value_size = 4, max_entries = 2})
  end

  local function program(kind)
    return world():program(1, {type = kind or "sk_msg"})
  end

  it_needs("sockmap_link", "tells what it is, is updated, detached, and severed with it", function()
    local sockets, msg, other = map(), program(), program()
    local link = world():keep(ebpf.link.sockmap(sockets, msg))
    assert.same({id = link:id(), type = "sockmap", program_id = msg:id(), map_id = sockets:id(),
      attach_type = "sk_msg_verdict"}, link:info())
    assert.is_true(link:update(other, msg))
    assert.fails({link:update(msg, msg)}, "EPERM")
    assert.equal(other:id(), link:info().program_id)
    assert.is_true(link:alive())
    assert.is_true(link:detach())
    assert.is_false(link:alive())
    assert.equal(0, link:info().map_id)
    assert.is_true(link:detach())
    assert.fails({link:update(msg)}, "ENOLINK", "severed")
  end)

  it_needs("sockmap_link", "has its place alone, and names the link that has it", function()
    local sockets = map "sockhash"
    local link = world():keep(ebpf.link.sockmap(sockets, program()))
    assert.fails({ebpf.link.sockmap(sockets, program())}, "EBUSY", ("link %d holds this place"):format(link:id()))
    local verdict = {attach_type = "sk_skb_verdict"}
    local skb = world():keep(ebpf.link.sockmap(sockets, program "sk_skb", verdict))
    assert.equal("sk_skb_verdict", skb:info().attach_type)
    assert.fails({ebpf.link.sockmap(sockets, program "sk_skb", {attach_type = "sk_skb_stream_verdict"})}, "EBUSY",
      "excludes")
  end)

  it_needs("sockmap_link", "is refused for other maps and programs", function()
    assert.fails({ebpf.link.sockmap(world():cell(), program())}, "EINVAL", "the map is of type array")
    assert.fails({ebpf.link.sockmap(map(), program "sk_skb")}, "EINVAL", "sk_msg_verdict takes sk_msg")
  end)

  w.it_lacks("sockmap_link", "says what it needs where the kernel has none", function()
    assert.fails({ebpf.link.sockmap(map(), program())}, "ENOTSUP", "needs Linux 6.10 (probed: absent)")
  end)

  it("is refused with an error that names the argument when misused", function()
    assert.has_error(function() ebpf.link.sockmap(program()) end)
    assert.has_error(function() ebpf.link.sockmap(map()) end)
    assert.has_error(function() ebpf.link.sockmap(map(), program(), {attach_type = "xdp"}) end)
  end)
end)
