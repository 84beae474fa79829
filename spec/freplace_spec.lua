-- Replacing functions of programs: scenarios of the kernel's selftests fexit_bpf2bpf and freplace (xdp).

local ebpf = require "ebpf"
local net = require "spec.support.net"
local w = require "spec.support.world"

local TARGET = "build/spec/support/freplace.bpf.o"
local EXTENSION = "build/spec/support/extension.bpf.o"

w.describe("a link on a function of a program", function(world)
  local function target()
    local object = world():keep(ebpf.object.open(TARGET))
    assert(object:load())
    return world():keep(object:program "dispatch")
  end

  -- a program for choice() of that target; skips where the kernel refuses such programs
  local function extension(of)
    local object = world():keep(ebpf.object.open(EXTENSION, {targets = {dropping = {of, "choice"}}}))
    local done, message, errno = object:load()
    if not done and errno == ebpf.errno.EPERM then
      w.skip("this kernel forbids ext programs: " .. message)
    end
    assert(done, message)
    return world():keep(object:program "dropping")
  end

  it("takes the function's place until it is closed", function()
    local dispatch = target()
    local dropping = extension(dispatch)
    world():keep(ebpf.link.xdp("lo", dispatch, {mode = "generic"}))
    assert.is_true(net.passes(world()))
    local link = assert(ebpf.link.freplace(dropping, dispatch, "choice"))
    assert.is_false(net.passes(world()))
    local info = link:info()
    assert.same({"tracing", dropping:id(), dispatch:id()}, {info.type, info.program_id, info.target_obj_id})
    assert.is_true(info.target_btf_id > 0)
    assert.is_true(link:alive())
    assert.fails({link:detach()}, "EOPNOTSUPP", "close it")
    assert.fails({link:update(dropping)}, "EINVAL")
    link:close()
    assert.is_true(net.passes(world()))
  end)

  it("without a target is put where it was loaded for, once, and with one elsewhere too", function()
    local first, second = target(), target()
    local dropping = extension(first)
    local here = assert(ebpf.link.freplace(dropping))
    assert.equal(first:id(), here:info().target_obj_id)
    here:close()
    assert.fails({ebpf.link.freplace(dropping)}, "EINVAL", "only its first link may: name the target")
    local again = world():keep(ebpf.link.freplace(dropping, first, "choice"))
    local there = world():keep(ebpf.link.freplace(dropping, second, "choice"))
    assert.same({first:id(), second:id()}, {again:info().target_obj_id, there:info().target_obj_id})
  end)

  it("is refused on a function that is replaced, and names the link", function()
    local dispatch = target()
    local one, two = extension(dispatch), extension(dispatch)
    local link = world():keep(ebpf.link.freplace(one, dispatch, "choice"))
    assert.fails({ebpf.link.freplace(two, dispatch, "choice")}, "EBUSY", ("link %d is on this function"):format(
      link:id()))
  end)

  it("is refused on functions that are not there, static, or of another signature", function()
    local dispatch = target()
    local dropping = extension(dispatch)
    assert.fails({ebpf.link.freplace(dropping, dispatch, "nonesuch")}, "ENOENT", "no function of this name")
    assert.fails({ebpf.link.freplace(dropping, dispatch, "fixed")}, "EINVAL", "static")
    assert.fails({ebpf.link.freplace(dropping, dispatch, "other")}, "EINVAL", "signature")
    assert.fails({ebpf.link.freplace(dropping, world():program(), "choice")}, "EINVAL", "without BTF")
  end)

  it("is refused for programs that are no extensions", function()
    local dispatch = target()
    assert.fails({ebpf.link.freplace(world():program(), dispatch, "choice")}, "EINVAL", "only ext")
    for _, case in ipairs {
      {"'1' to 'link.freplace' %(program expected", function() ebpf.link.freplace() end},
      {"'2' to 'link.freplace' %(program expected", function() ebpf.link.freplace(dispatch, nil, "x") end},
      {"'3' to 'link.freplace' %(string expected", function() ebpf.link.freplace(dispatch, dispatch) end},
      {"'targets.dropping' to 'object.open' %(program expected", function()
        ebpf.object.open(EXTENSION, {targets = {dropping = {}}})
      end},
    } do
      local ok, message = pcall(case[2])
      assert.is_false(ok)
      assert.matches(case[1], message)
    end
  end)
end)
