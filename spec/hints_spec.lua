-- Every reason in lua/ebpf/hints.lua, provoked: the kernel gives that errno for that operation, and the words are true.
-- A row that nothing provokes here is named at the end, with why.

local asm = require "spec.support.asm"
local core = require "ebpf.core"
local ebpf = require "ebpf"
local lfs = require "lfs"
local system = require "spec.support.system"
local w = require "spec.support.world"

local hints = require "ebpf.hints"
local NOBODY = "setpriv --reuid=65534 --regid=65534 --clear-groups --inh-caps=-all"
local CAP_BPF = "setpriv --bounding-set=-all,+bpf --inh-caps=-all,+bpf"

local function run(command)
  local done = os.execute(command .. " 2> /dev/null")
  return done == true or done == 0
end

-- Before 5.11 maps and programs count against it; where it may not be raised nothing needs that.
local memlock = run "prlimit --memlock=unlimited true" and "--memlock=unlimited" or ""

w.describe("the reason given", function(world)
  -- What a failing expression gives in another process: {nil, message, errno}.
  local function elsewhere(prefix, setup, expression)
    local output = system.lua(([[
      local ebpf = require "ebpf"
      local asm = require "spec.support.asm"
      local insns = asm.verdict(1)
      %s
      local ok, result, message, errno = pcall(function() return %s end)
      io.write(tostring(ok), " ", tostring(result == nil), " ", tostring(errno), "\n", tostring(message or result))
    ]]):format(setup, expression), prefix)
    local ok, failed, number, message = output:match "^(%l+) (%l+) (%w+)\n(.*)$"
    assert.is_true(ok == "false" or failed == "true", output)
    return nil, message, tonumber(number)
  end

  -- The same on a hook of a cgroup, by a process that may do no more than load.
  local function unprivileged(expression)
    return elsewhere(CAP_BPF, ([[
      local hook = assert(ebpf.cgroup.open(%q)):mprog "cgroup_inet_egress"
      local a = assert(ebpf.program.load{type = "cgroup_skb", insns = insns})
      local b = assert(ebpf.program.load{type = "cgroup_skb", insns = insns})
    ]]):format(world():cgroup():path()), expression)
  end

  local function classifier() return world():program(-1, {type = "sched_cls"}) end

  -- A hook that mprog.open would not give: made by the core.
  local function device_hook(name, attach_type)
    return world():keep(core.mprog.new(nil, core.device.index(name), core.names.attach_type[attach_type], 0, name))
  end

  local function with_device(kind, body)
    local name = ("sh%d"):format(math.random(10000))
    assert(run(("ip link add %s type %s"):format(name, kind)))
    local results = {pcall(body, name)}
    run("ip link del " .. name)
    assert(results[1], results[2])
    return (table.unpack or unpack)(results, 2, 4) -- luacheck: ignore
  end

  -- ip(8) names the two ends of a netkit nk0, nk1 unless told; the given name is the primary's.
  local function peer_of(name)
    return system.read(("/sys/class/net/%s/iflink"):format(name)):match "%d+"
  end

  -- A hook whose device goes away.
  local function orphan()
    local hook
    with_device("veth", function(name) hook = device_hook(name, "tcx_ingress") end)
    return hook
  end

  local function removed_cgroup()
    local cgroup = world():cgroup()
    local hook = world():hook("cgroup_inet_egress", cgroup)
    world():remove_cgroup(cgroup)
    return hook
  end

  local function unknown_hook() -- XDP has no query and no PROG_ATTACH: as a cgroup's hook that is newer than the kernel
    local cgroup = world():cgroup()
    return world():keep(core.mprog.new(cgroup:fd(), 0, core.names.attach_type.xdp, cgroup:id(), cgroup:path()))
  end

  local function hash(spec)
    spec = spec or {}
    spec.type, spec.key_size, spec.value_size = spec.type or "hash", spec.key_size or 4, spec.value_size or 4
    spec.max_entries = spec.max_entries or 1
    return world():keep(ebpf.map.create(spec))
  end

  local function directory(name)
    local path = world():pin_path(name)
    assert(lfs.mkdir(path))
    return path
  end

  local function pin_in_removed_directory()
    local path = directory()
    local pin = world():keep(ebpf.pin.at(path .. "/name"))
    assert(lfs.rmdir(path))
    return pin
  end

  -- A pin of root's in a directory where anybody may write, and nobody take away what is another's.
  local function sticky()
    local path = directory()
    local pin = world():keep(ebpf.pin.at(path .. "/name"))
    assert(pin:put(world():program()))
    assert(run("chmod 1777 " .. path))
    return pin, path .. "/name"
  end

  local function walking(body)
    local ok, message = pcall(body)
    assert.is_false(ok)
    return nil, message, ebpf.errno[message:match ": (E%u+): "]
  end

  -- operation, errno, words of the reason, what provokes it; a probe's name where only some kernels can
  local cases = {
    {"any", "EMFILE", "as many descriptors open as it may", function()
      return elsewhere("prlimit --nofile=24:24 " .. memlock, [[
        local list = {}
        local function fill()
          local map, message, errno = ebpf.map.create{type = "array", key_size = 4, value_size = 4, max_entries = 1}
          if not map then return nil, message, errno end
          list[#list + 1] = map
          return fill()
        end]], "fill()")
    end},

    {"cgroup", "ENOENT", "there is no such directory", function() return ebpf.cgroup.open "/sys/fs/cgroup/none" end},
    {"cgroup", "ENOTDIR", "a cgroup is a directory", function() return ebpf.cgroup.open "/proc/version" end},
    {"cgroup", "EBADF", "not a directory of a cgroup2 file system", function() return ebpf.cgroup.open "/proc" end},
    {"device", "ENODEV", "no such network device", function() return ebpf.mprog.open("none", "tcx_ingress") end},

    {"link", "EPERM", "lacks CAP_NET_ADMIN", function() return unprivileged "hook:link(a)" end},
    {"attach", "EPERM", "lacks CAP_NET_ADMIN", function() return unprivileged "hook:attach(a)" end},
    {"replace", "EPERM", "lacks CAP_NET_ADMIN", function() return unprivileged "hook:replace(a, b)" end},
    {"detach", "EPERM", "lacks CAP_NET_ADMIN", function() return unprivileged "hook:detach(a)" end},
    {"query", "EPERM", "lacks CAP_NET_ADMIN", function() return unprivileged "hook:query()" end},
    {"link", "ENOENT", "the cgroup was removed", function() return removed_cgroup():link(world():program()) end},
    {"attach", "ENOENT", "the cgroup was removed", function() return removed_cgroup():attach(world():program()) end},
    {"query", "ENOENT", "the cgroup was removed", function() return removed_cgroup():query() end},
    {"link", "ENOTSUP", "no such hook", function() return unknown_hook():link(world():program()) end},
    {"attach", "ENOTSUP", "no such hook", function() return unknown_hook():attach(world():program()) end},
    {"detach", "ENOTSUP", "no such hook", function() return unknown_hook():detach(world():program()) end},
    {"query", "ENOTSUP", "no such hook", function() return unknown_hook():query() end},

    {"link", "ENODEV", "is gone", function() return orphan():link(classifier()) end, "tcx"},
    {"attach", "ENODEV", "is gone", function() return orphan():attach(classifier()) end, "tcx"},
    {"replace", "ENODEV", "is gone", function() return orphan():replace(classifier(), classifier()) end, "tcx"},
    {"detach", "ENODEV", "is gone", function() return orphan():detach(classifier()) end, "tcx"},
    {"query", "ENODEV", "no device of this index", function() return orphan():query() end, "tcx"},

    -- programs of another type than the hook's
    {"link", "EINVAL", "of type xdp, and cgroup_inet_egress takes cgroup_skb", function()
      return world():hook():link(world():program(1, {type = "xdp"}))
    end},
    {"attach", "EINVAL", "of type xdp, and cgroup_inet_egress takes cgroup_skb", function()
      return world():hook():attach(world():program(1, {type = "xdp"}))
    end},
    {"detach", "ENOENT", "is not attached here", function()
      local hook = world():hook()
      world():keep(hook:attach(world():program()))
      return hook:detach(world():program(1, {type = "xdp"}))
    end},
    {"replace", "ENOENT", "is not attached here", function()
      local hook = world():hook()
      world():keep(hook:attach(world():program()))
      return hook:replace(world():program(1, {type = "xdp"}), world():program())
    end},
    {"link", "EINVAL", "an anchor whose program is of another type", function()
      return device_hook("lo", "tcx_ingress"):link(classifier(), {before = world():program(1, {type = "xdp"})})
    end, "tcx"},
    {"detach", "ENOENT", "is not attached here", function()
      return device_hook("lo", "tcx_ingress"):detach(world():program(1, {type = "xdp"}))
    end, "tcx"},
    {"link", "ENOENT", "the anchor is not attached here", function()
      return device_hook("lo", "tcx_ingress"):link(classifier(), {before = classifier()})
    end, "tcx"},

    {"link update", "EPERM", "does not run the program given as the old one", function()
      local link = world():keep(world():hook():link(world():program()))
      return link:update(world():program(), world():program())
    end},
    {"link update", "ENOLINK", "severed", function()
      local link = world():keep(world():hook():link(world():program()))
      link:detach()
      return link:update(world():program())
    end},
    {"link update", "EINVAL", "of another type", function()
      return world():keep(world():hook():link(world():program())):update(world():program(1, {type = "xdp"}))
    end},
    {"link update", "EEXIST", "attached to this hook already", function()
      local hook, a, b = device_hook("lo", "tcx_egress"), classifier(), classifier()
      world():keep(hook:link(a))
      return world():keep(hook:link(b)):update(a)
    end, "tcx"},

    {"from_id", "EPERM", "lacks CAP_SYS_ADMIN", function() return elsewhere(NOBODY, "", "ebpf.program.from_id(1)") end},
    {"from_id", "ENOENT", "there is none of this id", function() return ebpf.link.from_id(0x7ffffffe) end},
    {"from_fd", "EBADF", "the descriptor is not open", function() return ebpf.map.from_fd(1000) end},
    {"from_fd", "EINVAL", "none of a BPF object", function() return ebpf.map.from_fd(world():cgroup():fd()) end},
    {"from_fd", "EOPNOTSUPP", "is read from /proc", function()
      return elsewhere([[unshare --mount sh -c 'mount -t tmpfs tmpfs /proc && exec "$0" "$@"']],
        'local program = assert(ebpf.program.load{type = "cgroup_skb", insns = insns})',
        "ebpf.program.from_fd(program:fd())")
    end},
    {"from_id", "EOPNOTSUPP", "the number of CPUs from /sys", function()
      return elsewhere([[unshare --mount sh -c 'exec "$0" "$@"']], [[
        local map = assert(ebpf.map.create{type = "percpu_array", key_size = 4, value_size = 8, max_entries = 1})
        os.execute "mount -t tmpfs tmpfs /sys"]], "ebpf.map.from_id(map:id())")
    end},
    {"pin get", "EOPNOTSUPP", "is read from /proc", function()
      local pin = world():pin()
      assert(pin:put(world():cell()))
      return elsewhere([[unshare --mount sh -c 'mount -t tmpfs tmpfs /proc && exec "$0" "$@"']],
        ("local pin = assert(ebpf.pin.at(%q))"):format(pin:path()), "pin:get()")
    end, "pin_path_fd"}, -- without it the name itself is taken through /proc: ENOENT
    {"each", "EPERM", "lacks CAP_SYS_ADMIN", function() return elsewhere(NOBODY, "", "ebpf.link.each()()") end},

    {"program load", "EPERM", "lacks CAP_BPF", function()
      return elsewhere(NOBODY, "", 'ebpf.program.load{type = "cgroup_skb", insns = insns}')
    end},
    {"program load", "EACCES", "the verifier refused", function()
      return ebpf.program.load{type = "cgroup_skb", insns = asm.exit()}
    end},
    {"program load", "EINVAL", "its type and attach type don't fit", function()
      return ebpf.program.load{type = "cgroup_sock_addr", insns = asm.verdict(1)}
    end},
    {"program load", "E2BIG", "too many instructions", function()
      return ebpf.program.load{type = "cgroup_skb", insns = asm.mov(0, 1):rep(1000001)}
    end},
    {"program load", "EBADF", "by a descriptor that is not open", function()
      return ebpf.program.load{type = "cgroup_skb", insns = asm.counter(1000, 1)}
    end},
    {"object open", "ENOENT", "there is no such file", function() return ebpf.object.open "none.bpf.o" end},
    {"object load", "EPERM", "lacks CAP_BPF", function()
      return elsewhere(NOBODY, 'local object = assert(ebpf.object.open "build/spec/support/object.bpf.o")',
        "object:load()")
    end},
    {"object load", "EACCES", "the verifier refused a program", function()
      return world():keep(ebpf.object.open "build/spec/support/refused.bpf.o"):load()
    end},

    {"token", "ENOENT", "there is no such directory", function() return ebpf.token.open "/none" end, "token"},
    {"token", "ENOTDIR", "is a directory", function() return ebpf.token.open "/proc/version" end, "token"},
    {"token create", "EINVAL", "not the root", function() return ebpf.token.open "/proc" end, "token"},
    {"token create", "EOPNOTSUPP", "of the first user namespace", function()
      return ebpf.token.open(w.bpffs())
    end, "token"},
    {"token create", "EPERM", "for another user namespace", function()
      return elsewhere("unshare --user --map-root-user", "", ("ebpf.token.open(%q)"):format(w.bpffs()))
    end, "token"},
    {"token create", "ENOENT", "delegates nothing", function()
      return elsewhere("DELEGATE=none build/spec/support/userns " .. w.bpffs(), "",
        ("ebpf.token.open(%q)"):format(w.bpffs()))
    end, "token"},
    {"map create", "EPERM", "lacks CAP_BPF", function()
      return elsewhere(NOBODY, "", 'ebpf.map.create{type = "hash", key_size = 4, value_size = 4, max_entries = 1}')
    end},
    {"map create", "EINVAL", "the sizes don't fit", function()
      return ebpf.map.create{type = "hash", key_size = 0, value_size = 8, max_entries = 1}
    end},
    {"map types", "EPERM", "lacks CAP_SYS_ADMIN", function()
      return elsewhere(CAP_BPF, [[
        local object = assert(ebpf.object.open "build/spec/support/types.bpf.o")
        assert(object:load())
        local map = assert(ebpf.map.from_fd(assert(object:map "integers"):fd()))
        assert(map:set(1, 2) and map:get(1) == 2)]], "map:codec()")
    end},
    {"map set", "EEXIST", "such a key already", function()
      local map = hash()
      assert(map:set(1, 1))
      return map:set(1, 1, "noexist")
    end},
    {"map set", "ENOENT", "no such key", function() return hash():set(1, 1, "exist") end},
    {"map set", "E2BIG", "the map is full", function()
      local map = hash()
      assert(map:set(1, 1))
      return map:set(2, 1)
    end},
    {"map set", "EPERM", "read-only for user space", function() return hash{flags = 8}:set(1, 1) end},
    {"map delete", "EINVAL", "can't be deleted", function() return hash{type = "array"}:delete(0) end},
    {"map get", "EPERM", "write-only", function() return hash{flags = 16}:get(1) end},
    {"map get", "EOPNOTSUPP", "can't be read", function() return hash{type = "xskmap"}:get(0) end},
    {"map each", "EOPNOTSUPP", "can't be walked", function()
      local map = ebpf.map.create{type = "bloom_filter", key_size = 0, value_size = 4, max_entries = 1}
      if not map then
        w.skip "no maps of type bloom_filter (Linux 5.16)"
      end
      world():keep(map)
      return walking(function() map:each() end)
    end},
    {"map each", "ENOTSUPP", "can't be walked", function()
      local map = hash{type = "ringbuf", key_size = 0, value_size = 0, max_entries = 4096}
      return walking(function() map:each() end)
    end},

    {"map dump", "EPERM", "write-only", function() return hash{flags = 16}:dump() end},
    {"map push", "E2BIG", "would drop the oldest", function()
      local queue = hash{type = "queue", key_size = 0}
      assert(queue:push(1))
      return queue:push(1)
    end},
    {"pin", "ENOENT", "mkdir = true would make it", function() return ebpf.pin.at(world():pin_path() .. "/name") end},
    {"pin", "ENOTDIR", "should be the directory is none", function() return ebpf.pin.at "/proc/version/name" end},
    {"pin put", "EEXIST", "swap() would replace it", function()
      local pin = world():pin()
      assert(pin:put(world():program()))
      return pin:put(world():program())
    end},
    {"pin put", "ENOENT", "the directory was removed", function()
      return pin_in_removed_directory():put(world():program())
    end},
    {"pin get", "ENOENT", "nothing is pinned there", function() return world():pin():get() end},
    {"pin get", "EACCES", "there is a directory", function() return world():keep(ebpf.pin.at(directory())):get() end},
    {"pin swap", "ENOENT", "the directory was removed", function()
      return core.pin.swap(pin_in_removed_directory(), world():program())
    end},
    {"pin swap", "EISDIR", "there is a directory", function()
      return core.pin.swap(world():keep(ebpf.pin.at(directory())), world():program())
    end},
    {"pin swap", "EPERM", "the pin is another user's", function()
      local pin, path = sticky()
      local nil_, message, number = elsewhere("setpriv --reuid=65534 --clear-groups "
        .. "--inh-caps=+bpf,+net_admin --ambient-caps=+bpf,+net_admin",
        'local program = assert(ebpf.program.load{type = "cgroup_skb", insns = insns})',
        ("require'ebpf.core'.pin.swap(ebpf.pin.at(%q), program)"):format(path))
      pin:remove()
      return nil_, message, number
    end},
    {"pin remove", "ENOENT", "nothing is pinned there", function() return world():pin():remove() end},
    {"pin remove", "EISDIR", "there is a directory", function()
      return world():keep(ebpf.pin.at(directory())):remove()
    end},
    {"pin remove", "EPERM", "the pin is another user's", function()
      local pin, path = sticky()
      local nil_, message, number = elsewhere(NOBODY, "", ("ebpf.pin.at(%q):remove()"):format(path))
      pin:remove()
      return nil_, message, number
    end},
    {"pin each", "ENOENT", "there is no such directory", function()
      return walking(function() ebpf.pin.each(world():pin_path()) end)
    end},
    {"pin mount", "EPERM", "lacks CAP_SYS_ADMIN", function() return elsewhere(NOBODY, "", 'ebpf.pin.mount "/tmp"') end},
    {"pin mount", "ENOENT", "there is no such directory", function() return ebpf.pin.mount "/tmp/none/none" end},
    {"pin lock", "EAGAIN", "the lock is held", function()
      local path = directory()
      world():keep(ebpf.pin.lock(path))
      return ebpf.pin.lock(path, {wait = false})
    end},
    {"pin lock", "ENOENT", "there is no such directory", function() return ebpf.pin.lock "/tmp/none" end},
  }

  for operation, body in pairs {
    link = function(hook) return hook:link(classifier()) end,
    attach = function(hook) return hook:attach(classifier()) end,
    replace = function(hook) return hook:replace(classifier(), classifier()) end,
    detach = function(hook) return hook:detach(classifier()) end,
    query = function(hook) return hook:query() end,
  } do
    table.insert(cases, {operation, "ENXIO", "the device is no netkit", function()
      return body(device_hook("lo", "netkit_primary"))
    end, "netkit"})
    table.insert(cases, {operation, "EACCES", "addressed by its primary device", function()
      return with_device("netkit", function(name)
        return body(world():keep(core.mprog.new(nil, tonumber(peer_of(name)), core.names.attach_type.netkit_peer, 0,
          "peer")))
      end)
    end, "netkit"})
  end

  table.sort(cases, function(a, b) return a[1] .. a[2] .. a[3] < b[1] .. b[2] .. b[3] end)
  for _, case in ipairs(cases) do
    local operation, name, words, body, feature = case[1], case[2], case[3], case[4], case[5]
    local define = feature and function(...) w.it_needs(feature, ...) end or it
    define(("for %s: %s is: %s"):format(operation, name, words), function()
      local results = {body()}
      assert.fails({results[1], results[2], results[3] or ebpf.errno[name]}, name, words)
      if operation ~= "any" then
        assert.is_truthy(results[2]:gsub("^[^:]+:%d+: ", ""):find("^" .. operation .. "[ :]"), results[2])
      end
    end)
  end

  local unprovoked = {
    ["any EPERM"] = "what is refused without privileges has a row of its own; for kernels that refuse all of bpf(2)",
    ["any ENOSYS"] = "needs a kernel without bpf(2), or a seccomp filter",
    ["from_id EAGAIN"] = "lasts microseconds: bpf_link_by_id, before bpf_link_settle",
    ["link update EOPNOTSUPP"] = "a netfilter link: bpf_nf_link_update",
    ["link detach EOPNOTSUPP"] = "a link without a detach, as one on a tracepoint: link_detach",
    ["link auto ENOENT"] = "a tracepoint that the kernel lacks: which errno that is hangs on libbpf and tracefs",
    ["link auto ESRCH"] = "a kprobe on a function that the kernel lacks: which errno that is hangs on the kernel",
    ["netns ESRCH"] = "a process that ends while its file is opened",
    ["slot attach ENOTSUPP"] = "an architecture without BPF trampolines",
    ["query EINVAL"] = "needs an attach type that is newer than the kernel",
    ["object load EINVAL"] = "hangs on what the object asks for",
    ["map each EAGAIN"] = "needs writers that delete some thousand keys in the time of one call",
    ["map dump EAGAIN"] = "as map each",
    ["map batch_get EAGAIN"] = "as map each",
    ["pin get EINVAL"] = "nothing else than programs, maps and links can be pinned up to 7.2",
  }

  -- rows of a kind of link, provoked where that kind is
  local provoked_in = {
    ["link xdp"] = "spec/xdp_spec.lua", ["link sk_lookup"] = "spec/netns_spec.lua",
    ["link flow_dissector"] = "spec/netns_spec.lua", ["link netfilter"] = "spec/netfilter_spec.lua",
    ["link sockmap"] = "spec/sockmap_spec.lua", ["link struct_ops"] = "spec/struct_ops_spec.lua",
    ["link lines"] = "spec/auto_spec.lua", ["user_ringbuf push"] = "spec/user_ringbuf_spec.lua",
    ["link auto"] = "spec/auto_spec.lua", ["link usdt"] = "spec/usdt_spec.lua",
    ["rootlet load"] = "spec/slot_spec.lua",
    ["rootlet open"] = "spec/rootlet_spec.lua", ["slot attach"] = "spec/slot_spec.lua",
    netns = "spec/netns_spec.lua",
    ["map get"] = "spec/map_types_spec.lua", ["map set"] = "spec/map_types_spec.lua",
    ["map get_and_delete"] = "spec/map_types_spec.lua", ["map delete"] = "spec/map_types_spec.lua",
    ["map push"] = "spec/map_types_spec.lua", ["map pop"] = "spec/map_types_spec.lua",
    ["map freeze"] = "spec/map_types_spec.lua", ["map clear"] = "spec/map_types_spec.lua",
    ["map dump"] = "spec/map_types_spec.lua", ["map batch_get"] = "spec/map_types_spec.lua",
    ["map each"] = "spec/map_types_spec.lua", -- the same words as of dump
    ["map batch_get_and_delete"] = "spec/map_batch_spec.lua", ["map batch_set"] = "spec/map_batch_spec.lua",
    ["map batch_delete"] = "spec/map_batch_spec.lua",
  }

  it("is provoked for every row of the hints, or is known not to be", function()
    local provoked = {}
    for _, case in ipairs(cases) do
      provoked[case[1] .. " " .. case[2]] = true
    end
    for operation, rows in pairs(hints) do
      for name in pairs(rows) do
        local key = operation .. " " .. name
        local file = provoked_in[operation]
        -- the capabilities are looked at as for a link on a cgroup, which has its case above
        local there = file and (name == "EPERM" or system.read(file):find('"' .. name .. '"', 1, true))
        assert.is_truthy(provoked[key] or unprovoked[key] or there, key .. " is provoked by nothing")
      end
    end
  end)
end)
