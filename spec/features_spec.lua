-- What the probes say against what really happens: they decide what the library asks the kernel for.

local asm = require "spec.support.asm"
local core = require "ebpf.core"
local ebpf = require "ebpf"
local lfs = require "lfs"
local system = require "spec.support.system"
local w = require "spec.support.world"

local flag = core.abi.constants
local errno = ebpf.errno

local function run(command)
  local done = os.execute(command .. " 2> /dev/null")
  return done == true or done == 0
end

local release = system.read "/proc/sys/kernel/osrelease"
local debian = release:find "%-amd64" ~= nil
local major, minor = release:match "^(%d+)%.(%d+)"
local version = tonumber(major) * 1000 + tonumber(minor)

local function at_least(since)
  local wanted_major, wanted_minor = since:match "^(%d+)%.(%d+)$"
  return version >= tonumber(wanted_major) * 1000 + tonumber(wanted_minor)
end

-- The probes anew: what this process remembers of them is left alone.
local function fresh()
  local remembered = package.loaded["ebpf.features"]
  package.loaded["ebpf.features"] = nil
  local features = require "ebpf.features"
  package.loaded["ebpf.features"] = remembered
  return features
end

w.describe("the features", function(world)
  local function attach(hook, flags)
    local attachment, _, number = core.mprog.attach(hook, world():program(), flags, 0)
    if attachment then
      world():keep(attachment)
    end
    return attachment ~= nil, number
  end

  -- A link on a device's hook, by the core: what asks no probe first.
  local function device_link(name, attach_type)
    local index = core.device.index(name)
    local hook = world():keep(core.mprog.new(nil, index, core.names.attach_type[attach_type], 0, name))
    local link = core.mprog.link(hook, world():program(-1, {type = "sched_cls"}), 0, 0)
    if link then
      link:close()
    end
    return link ~= nil
  end

  -- name of the feature -> the real thing: whether it works here
  local really = {
    cgroup_link = function()
      local link = core.mprog.link(world():hook(), world():program(), 0, 0)
      if link then
        link:close()
      end
      return link ~= nil
    end,
    cgroup_replace = function()
      local hook, old = world():hook(), world():program()
      world():keep(core.mprog.attach(hook, old, flag.F_ALLOW_MULTI, 0))
      local attachment = core.mprog.attach(hook, world():program(), flag.F_ALLOW_MULTI, 0, nil, old)
      return attachment ~= nil and world():keep(attachment) ~= nil
    end,
    cgroup_preorder = function() return (attach(world():hook(), flag.F_ALLOW_MULTI + flag.F_PREORDER)) end,
    cgroup_order = function() return (attach(world():hook(), flag.F_ALLOW_MULTI + flag.F_BEFORE)) end,
    tcx = function() return device_link("lo", "tcx_ingress") end,
    netkit = function()
      local name = ("fk%d"):format(math.random(10000))
      if not run(("ip link add %s type netkit"):format(name)) then
        return false -- devices and hooks come with one configuration, CONFIG_NETKIT
      end
      local works = device_link(name, "netkit_primary")
      run("ip link del " .. name)
      return works
    end,
    xdp_link = function()
      local link = ebpf.link.xdp("lo", world():program(2, {type = "xdp"}), {mode = "generic"})
      return link ~= nil and link:close()
    end,
    netns_link = function()
      local program = world():program(1, {type = "sk_lookup", attach_type = "sk_lookup"})
      local link = ebpf.link.netns("/proc/self/ns/net", program)
      return link ~= nil and link:close()
    end,
    netfilter_link = function()
      local program = ebpf.program.load{type = "netfilter", attach_type = "netfilter", insns = asm.verdict(1)}
      local link = program and ebpf.link.netfilter(world():keep(program), {
        family = "ipv4", hook = "output", priority = 17,
      })
      return link ~= nil and link:close()
    end,
    sockmap_link = function()
      local map = world():keep(ebpf.map.create{type = "sockmap", key_size = 4, value_size = 4, max_entries = 1})
      local program = world():program(1, {type = "sk_msg", attach_type = "sk_msg_verdict"})
      local link = ebpf.link.sockmap(map, program)
      return link ~= nil and link:close()
    end,
    -- by the core, which asks no probe
    struct_ops_link = function()
      local object = world():keep(ebpf.object.open "build/spec/support/congestion.bpf.o")
      core.struct_ops.want_links(object)
      return core.object.methods.load(object) ~= nil
        and world():keep(core.struct_ops.link("", world():keep(object:map "first"))) ~= nil
    end,
    freplace = function()
      local object = world():keep(ebpf.object.open "build/spec/support/freplace.bpf.o")
      assert(object:load())
      local target = world():keep(object:program "dispatch")
      local other = world():keep(ebpf.object.open("build/spec/support/extension.bpf.o", {
        targets = {dropping = {target, "choice"}},
      }))
      local done, message, number = other:load()
      if number == errno.EPERM then
        w.skip("this kernel forbids ext programs: " .. message)
      end
      local link = done and ebpf.link.freplace(world():keep(other:program "dropping"))
      return link ~= nil and link ~= false and link:close()
    end,
    map_batch = function()
      local map = world():keep(ebpf.map.create{type = "hash", key_size = 4, value_size = 4, max_entries = 4})
      map:set(1, 2)
      local keys = map:batch_get_and_delete(4)
      return keys ~= nil and keys[1] == 1
    end,
    map_get_and_delete = function()
      local map = world():keep(ebpf.map.create{type = "hash", key_size = 4, value_size = 4, max_entries = 4})
      map:set(1, 2)
      return map:get_and_delete(1) == 2
    end,
    link_detach = function()
      local link = world():keep(world():hook():link(world():program()))
      return link:detach() == true and not link:alive()
    end,
    -- in the first user namespace there is none to be had, which is a word of its own; see spec/token_spec.lua
    token = function()
      local _, _, number = core.token.open(w.bpffs())
      return number == errno.EOPNOTSUPP
    end,
    -- without it a pin goes through /proc: so take that away
    pin_path_fd = function()
      local path = world():pin_path()
      local output = system.lua(([[
        local ebpf = require "ebpf"
        local asm = require "spec.support.asm"
        local program = assert(ebpf.program.load{type = "cgroup_skb", insns = asm.verdict(1)})
        print((assert(ebpf.pin.at(%q)):put(program)))
      ]]):format(path), [[unshare --mount sh -c 'mount -t tmpfs tmpfs /proc && exec "$0" "$@"']])
      assert.is_true(output == "true" or output == "nil", output)
      return output == "true"
    end,
  }

  for name in pairs(ebpf.features()) do
    it("know whether this kernel has " .. name .. ": it works if and only if the probe says so", function()
      assert.is_function(really[name], "no real thing to compare with")
      local feature = ebpf.features()[name]
      assert.same({name, supported = really[name]()}, {name, supported = feature.supported})
    end)
  end

  -- Distributions backport, so an older kernel may have a feature; what its configuration lacks, a newer one may not.
  it("are there in every kernel since the release they name", function()
    local configured = {tcx = true, netkit = true}
    for name, feature in pairs(ebpf.features()) do
      -- some kernels forbid programs of type ext to everybody: then that can't be told
      local told = feature.supported ~= nil
      assert.is_true(told or name == "freplace" and feature.errno == errno.EPERM, name)
      if told and at_least(feature.since) and (debian or not configured[name]) then
        assert.same({name, true}, {name, feature.supported})
      end
    end
  end)

  -- Of Debian's 6.12 some have the order of cgroups, and some have not.
  local absent = {
    [6001] = {"cgroup_preorder", "cgroup_order", "tcx", "netkit", "pin_path_fd", "token"},
    [5010] = {"cgroup_preorder", "cgroup_order", "tcx", "netkit", "pin_path_fd", "token"},
  }

  it("are absent where Debian's kernel of a release has none of them", function()
    for _, name in ipairs(debian and absent[version] or {}) do
      assert.same({name, false}, {name, ebpf.features()[name].supported})
    end
  end)

  it("are neither there nor absent for an errno that says neither, which is told and not remembered", function()
    local features, probes = fresh(), {}
    for name, probe in pairs(core.probe) do
      probes[name] = probe
      core.probe[name] = function() return errno.EPERM end
    end
    local told = features.all()
    for name, probe in pairs(probes) do
      core.probe[name] = probe
    end
    for name, feature in pairs(told) do
      assert.same({name, nil, errno.EPERM}, {name, feature.supported, feature.errno})
      local _, message, number = features.need(name, "try", "it")
      local truth = ebpf.features()[name].supported
      assert.same({name, truth}, {name, (features.have(name))})
      if truth == false then
        assert.equal(errno.ENOTSUP, number)
        assert.matches("^try it: .* needs Linux %d%.%d+ %(probed: absent%)$", message)
      end
    end
  end)

  local function everything()
    local found = {fds = system.fds(), pins = {}}
    for _, kind in ipairs {"link", "program", "map"} do
      found[kind] = {}
      for thing in ebpf[kind].each() do
        found[kind][thing:id()] = true
      end
    end
    for name in lfs.dir(w.bpffs()) do
      found.pins[name] = true
    end
    return found
  end

  it("are probed without a trace: no descriptor, link, program, map or pin, and no change of a list", function()
    local hook = world():hook()
    world():keep(hook:attach(world():program()))
    local list = hook:query()
    assert.is_true(system.eventually(function() -- others may be at work on this machine: not at every try
      local before = everything()
      fresh().all()
      return (pcall(assert.same, before, everything()))
    end))
    assert.same(list, hook:query())
  end)
end)
