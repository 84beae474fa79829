-- Links of struct_ops maps: TCP congestion controls that come and go.

local ebpf = require "ebpf"
local system = require "spec.support.system"
local w = require "spec.support.world"

local NAME, OTHER = "lua_ebpf_spec", "lua_ebpf_other"

w.describe("a struct_ops", function(world)
  local it_needs = w.it_needs

  local function loaded()
    local object = world():keep(ebpf.object.open "build/spec/support/congestion.bpf.o")
    assert(object:load())
    return object
  end

  local function map(object, name)
    return world():keep((object or loaded()):map(name or "first"))
  end

  local function registered(name)
    local list = assert(system.read "/proc/sys/net/ipv4/tcp_available_congestion_control")
    return (" " .. list:gsub("%s", " ") .. " "):find(" " .. (name or NAME) .. " ", 1, true) ~= nil
  end

  -- the kernel takes it off some time after the last descriptor is closed
  local function gone(name)
    return system.eventually(function() return not registered(name) end)
  end

  it_needs("struct_ops_link", "is registered by its map until its link is closed, whatever becomes of map and object",
    function()
      local object = loaded()
      local first = map(object)
      local link = assert(ebpf.link.auto(first))
      assert.is_true(registered())
      assert.same({"struct_ops", first:id(), 0}, {link:info().type, link:info().map_id, link:info().program_id})
      assert.is_true(link:alive())
      first:close()
      object:close()
      collectgarbage()
      assert.is_true(registered())
      local second = world():keep(ebpf.link.from_id(link:id()))
      link:close()
      assert.is_true(registered()) -- another holder's goes on
      second:close()
      assert.is_true(gone())
    end)

  it_needs("struct_ops_link", "can be registered after its object is closed, and again after its link is", function()
    local before = system.count_fds()
    local object = loaded()
    local first = map(object)
    object:close()
    for _ = 1, 2 do
      local link = assert(ebpf.link.auto(first))
      assert.is_true(registered())
      link:close()
      assert.is_true(gone())
    end
    assert.is_true(system.count_fds() > before + 1) -- the object's, for as long as the map needs it
    first:close()
    assert.equal(before, system.count_fds())
  end)

  it_needs("struct_ops_link", "is replaced by another of its name, without a gap", function()
    local object = loaded()
    local first, second = map(object), map(object, "second")
    local link = world():keep(ebpf.link.auto(first))
    assert(link:update(second))
    assert.is_true(registered())
    assert.equal(second:id(), link:info().map_id)
    assert.fails({link:update(first, first)}, "EPERM")
    assert.equal(second:id(), link:info().map_id)
    assert(link:update(first, second))
    assert.equal(first:id(), link:info().map_id)
    assert.fails({link:update(map(object, "other"))}, "EINVAL", "of another type or name")
    assert.fails({link:update(world():program())}, "EINVAL", "of another type or name")
    assert.has_error(function() link:update(second, world():program()) end)
    assert.equal(first:id(), link:info().map_id)
    assert.is_false(registered(OTHER))
    link:close()
    assert.is_true(gone())
  end)

  it_needs("struct_ops_link", "is taken off by detach, where the kernel can", function()
    local link = world():keep(ebpf.link.auto(map()))
    local done, message, errno = link:detach()
    if not done then
      assert.fails({done, message, errno}, "EOPNOTSUPP", "close it")
    else
      assert.is_true(gone())
    end
    assert.equal(not done, link:alive())
    link:close()
    assert.is_true(gone())
  end)

  it_needs("struct_ops_link", "is pinned, and outlives its link's handle", function()
    local link = assert(ebpf.link.auto(map()))
    local pin = world():keep(link:pin(world():pin_path()))
    link:close()
    assert.is_true(registered())
    local again = assert(pin:get "link")
    pin:remove()
    assert.equal("struct_ops", again:info().type)
    again:close()
    assert.is_true(gone())
  end)

  it_needs("struct_ops_link", "is registered once, and only if the kernel takes it", function()
    local object = loaded()
    local link = world():keep(ebpf.link.auto(map(object)))
    assert.fails({ebpf.link.auto(map(object, "second"))}, "EEXIST", "another of its name is registered")
    assert.fails({ebpf.link.auto(map(object, "incomplete"))}, "EINVAL", "refuses them")
    assert.is_false(registered "lua_ebpf_half")
    local other = world():keep(ebpf.link.auto(map(object, "other")))
    assert.is_true(registered(OTHER))
    link:close()
    other:close()
    assert.is_true(gone() and gone(OTHER))
  end)

  it_needs("struct_ops_link", "can be registered by a map that is not from an Object, if the kernel has its functions",
    function()
      local first = map()
      local same = world():keep(ebpf.map.from_id(first:id()))
      assert.fails({ebpf.link.auto(same)}, "EINVAL", "was given no functions")
      ebpf.link.auto(first):close()
      assert.is_true(gone())
      local link = assert(ebpf.link.auto(same))
      assert.is_true(registered())
      link:close()
      assert.is_true(gone())
    end)

  w.it_lacks("struct_ops_link", "is not registered where the kernel has no links for it, and that is said", function()
    assert.fails({ebpf.link.auto(map())}, "ENOTSUP", "needs Linux 6.4 (probed: absent)")
    assert.is_false(registered())
  end)

  it("is no other map, and takes no option", function()
    assert.fails({ebpf.link.auto(world():cell())}, "EINVAL", "the map is of type array")
    assert.fails({ebpf.link.auto(map(), {pid = 1})}, "EINVAL", "'pid' is for iterators, and this is a map")
  end)

  it("is not attached a program at a time", function()
    local program = world():keep(loaded():program "ssthresh")
    assert.fails({ebpf.link.auto(program)}, "ENOTSUP", "pass its map")
  end)
end)
