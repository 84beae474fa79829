-- Variables of objects, and mapped arrays: what programs read and write, without a system call.

local ebpf = require "ebpf"
local system = require "spec.support.system"
local w = require "spec.support.world"

local path = "build/spec/support/variables.bpf.o"

local function mappings()
  collectgarbage()
  collectgarbage()
  return select(2, system.read "/proc/self/maps":gsub("bpf%-map", ""))
end

w.describe("variables of an object", function(world)
  local object

  before_each(function()
    object = world():keep(ebpf.object.open(path))
  end)

  -- Puts a program on a cgroup's egress: a function that has it run once.
  local function runner(name)
    local cgroup = world():cgroup()
    world():keep(world():hook("cgroup_inet_egress", cgroup):link(world():keep(object:program(name))))
    local sender = world():sender(cgroup)
    local _, port = world():receiver()
    return function() assert(sender:sendto("x", "127.0.0.1", port)) end
  end

  it("have what they begin with before it is loaded, and may be given something else", function()
    assert.equal(5, object.rodata.limit)
    assert.equal("LOUD", object.rodata.mode)
    assert.same({packets = 1, bytes = 2, last = "none"}, object.rodata.initial)
    assert.same({-3, "hello", 77}, {object.data.threshold, object.data.greeting, object.data.hidden})
    assert.same({0, 0, 0, 0, false}, {
      object.bss.packets, object.bss.balance, object.bss.small, object.bss.negative, object.bss.flag,
    })
    assert.same({9, 0, 12}, {
      object:section ".data.custom".custom, object:section ".bss.custom".scratch,
      object:section ".rodata.custom".fixed,
    })
    object.rodata.limit = 100
    object.rodata.mode = "QUIET"
    object.rodata.initial = {packets = 10, bytes = 20, last = "some"}
    object.data.threshold = -104
    object.bss.packets = 40
    object:section ".rodata.custom".fixed = 250
    assert.equal(100, object.rodata.limit)
    assert(object:load())
    local run = runner "count"
    run()
    run()
    assert.same({42, -200, 244, -2, false}, {
      object.bss.packets, object.bss.balance, object.bss.small, object.bss.negative, object.bss.flag,
    })
    assert.equal(20, object.bss.stats.packets)
  end)

  it("are what programs use, once it is loaded", function()
    local bss = object.bss
    assert(object:load())
    assert.equal(bss, object.bss)
    local run = runner "count"
    run()
    assert.same({1, -5, 12, -1, true}, {bss.packets, bss.balance, bss.small, bss.negative, bss.flag})
    assert.same({1, "egress"}, {bss.stats.packets, bss.stats.last})
    assert.is_true(bss.stats.bytes > 20)
    assert.same({0, 1, 0, 0}, bss.list)
    assert.equal(#"x" * 104 - 3, bss.odd)
    assert.equal(78, object.data.hidden)
    assert.equal(9 + 78, object:section ".data.custom".custom)
    bss.packets = 1000
    bss.balance = -1
    bss.list = {7, 7, 7, 7}
    bss.stats = {packets = 5, bytes = 0, last = ""}
    object.data.hidden = 1
    run()
    assert.same({1001, -6, {7, 8, 7, 7}, 6, 2}, {bss.packets, bss.balance, bss.list, bss.stats.packets,
      object.data.hidden})
  end)

  it("are read as copies, of structs and arrays, and written whole", function()
    assert(object:load())
    local stats, list = object.bss.stats, object.bss.list
    stats.packets, list[1] = 7, 7
    object.bss.stats.packets = 8
    assert.same({0, 0}, {object.bss.stats.packets, object.bss.list[1]})
    object.bss.stats, object.bss.list = stats, list
    assert.same({7, {7, 0, 0, 0}}, {object.bss.stats.packets, object.bss.list})
    assert.misuse {{"stats.bytes: missing", function() object.bss.stats = {packets = 1} end}}
    assert.equal(7, object.bss.stats.packets)
  end)

  it("keep 64 bits and every sign", function()
    object.bss.packets = "18446744073709551615"
    assert.equal(math.tointeger and -1 or "18446744073709551615", object.bss.packets) -- luacheck: ignore
    object.bss.small, object.bss.negative, object.bss.balance = 255, -32768, -2 ^ 31
    assert.same({255, -32768, -2 ^ 31}, {object.bss.small, object.bss.negative, object.bss.balance})
  end)

  it("that are constant can't be written once it is loaded", function()
    local rodata = object.rodata
    assert(object:load())
    assert.equal(5, rodata.limit)
    assert.misuse {
      {"constants can't be written once the object is loaded", function() rodata.limit = 6 end},
      {"constants can't be written", function() object:section ".rodata.custom".fixed = 6 end},
    }
    assert.same({5, 12}, {object.rodata.limit, object:section ".rodata.custom".fixed})
  end)

  it("can't be written where the object could not be loaded, which is not tried again", function()
    local refused = ebpf.object.open "build/spec/support/refused.bpf.o"
    refused.rodata.limit = 6
    assert.fails({refused:load()}, "EACCES", "the verifier refused")
    assert.fails({refused:load()}, "EINVAL", "open it anew")
    assert.misuse {
      {"%.rodata: the object could not be loaded: open it anew", function() refused.rodata.limit = 7 end},
      {"%.bss: the object could not be loaded", function() refused.bss.packets = 7 end},
      {"object is not loaded", function() refused:map ".bss" end},
    }
    assert.same({6, 0}, {refused.rodata.limit, refused.bss.packets})
    refused = nil -- its sections have a share in libbpf's object, which has a descriptor of the BTF
    collectgarbage()
    collectgarbage()
    assert.is_nil(refused)
  end)

  it("say what the kernel is, once it is loaded", function()
    assert.misuse {
      {"has its values once the object is loaded", function() return object.kconfig.LINUX_KERNEL_VERSION end},
      {"the kernel's to say", function() object.kconfig.LINUX_KERNEL_VERSION = 1 end},
    }
    assert(object:load())
    local version = object.kconfig.LINUX_KERNEL_VERSION
    local run = runner "count"
    run()
    assert.equal(version, object:section ".bss.custom".scratch)
  end)

  it("are set by options as well", function()
    local other = world():keep(ebpf.object.open(path, {rodata = {limit = 7, mode = "QUIET"}}))
    assert.same({7, "QUIET"}, {other.rodata.limit, other.rodata.mode})
    assert.fails({ebpf.object.open(path, {rodata = {limits = 7}})}, "ENOENT", "there is no variable of this name")
    assert.misuse {
      {"bad option 'rodata' to 'object.open' %(limit: .*does not fit", function()
        ebpf.object.open(path, {rodata = {limit = 2 ^ 32}})
      end},
    }
  end)

  it("go on when the object is closed, and leave no mapping behind", function()
    local before = mappings()
    local lost = world():keep(ebpf.object.open(path))
    local early = lost.bss
    early.packets = 4
    lost:close()
    assert.equal(4, early.packets) -- of an object that was never loaded
    assert(object:load())
    local loaded = mappings()
    local bss = object.bss
    assert.equal(loaded + 1, mappings())
    local run = runner "count"
    object:close()
    assert.misuse {{"object is closed", function() return object.bss end}}
    run()
    assert.equal(1, bss.packets)
    bss, early, lost, object = nil, nil, nil, nil
    for i = #world().handles, 1, -1 do
      world().handles[i]:close()
      world().handles[i] = nil
    end
    collectgarbage()
    collectgarbage()
    assert.equal(before, mappings())
    assert.is_nil(bss or early or lost)
  end)

  it("that aren't there raise, as what doesn't fit does, and nothing is written", function()
    assert.is_nil(object:section ".none")
    assert.is_nil(world():keep(ebpf.object.open "build/spec/support/object.bpf.o").data)
    assert.misuse {
      {"there is no variable 'packet' in .bss", function() return object.bss.packet end},
      {"there is no variable 'close' in .bss", function() object.bss.close = 1 end},
      {"string expected", function() return object.bss[1] end},
      {"packets: '18446744073709551616' does not fit", function() object.bss.packets = "18446744073709551616" end},
      {"small: 256 does not fit", function() object.bss.small = 256 end},
      {"mode: 'SILENT' is no constant", function() object.rodata.mode = "SILENT" end},
      {"stats.bytes: missing", function() object.bss.stats = {packets = 1, last = ""} end},
      {"greeting: at most 16 bytes", function() object.data.greeting = ("x"):rep(17) end},
    }
    assert.same({0, 0, "LOUD", "hello"}, {
      object.bss.packets, object.bss.small, object.rodata.mode, object.data.greeting,
    })
    assert.equal("ebpf.section: .bss", tostring(object.bss))
  end)
end)

w.describe("a mapped array", function(world)
  local function create(value_size, max_entries, flags, kind)
    return world():keep(ebpf.map.create{
      type = kind or "array", key_size = 4, value_size = value_size, max_entries = max_entries or 3,
      flags = flags or 1024,
    })
  end

  it("has the elements of the map, both ways, whatever their size", function()
    for _, size in ipairs {1, 2, 4, 8} do
      local map = create(size)
      local mapping = world():keep(map:mmap())
      assert.equal(3, mapping:length())
      for index = 0, 2 do
        assert.is_true(map:set(index, 40 + index))
        assert.equal(40 + index, mapping[index])
        mapping[index] = index
        assert.equal(index, map:get(index))
        assert.is_true(mapping:set(index, 9))
        assert.equal(9, mapping:get(index))
      end
    end
    local map = create(5, 2000)
    local mapping = world():keep(map:mmap())
    assert.is_true(map:set(1999, "abcde"))
    assert.equal("abcde", mapping[1999])
    mapping[1998] = "\0\1\2\3\4"
    assert.equal("\0\1\2\3\4", map:get(1998))
    local large = create(10000)
    local wide = world():keep(large:mmap())
    wide[1] = ("z"):rep(10000)
    assert.equal(("z"):rep(10000), large:get(1))
    assert.equal(("z"):rep(10000), wide[1])
    assert.equal(("\0"):rep(10000), wide[2])
  end)

  it("has values of their C type, and bytes as the raw view", function()
    local object = world():keep(ebpf.object.open(path))
    assert(object:load())
    local map = world():keep(object:map "table")
    local mapping = world():keep(map:mmap())
    local raw = world():keep(map.raw:mmap())
    local cgroup = world():cgroup()
    world():keep(world():hook("cgroup_inet_egress", cgroup):link(world():keep(object:program "count_in_table")))
    local sender, _, port = world():sender(cgroup), world():receiver()
    assert(sender:sendto("x", "127.0.0.1", port))
    assert.equal(1, mapping[1].packets)
    assert.equal(24, #raw[1])
    assert.equal(1, raw[1]:byte())
    mapping[1] = {packets = 70, bytes = 1, last = "here"}
    assert(sender:sendto("x", "127.0.0.1", port))
    assert.equal(71, map:get(1).packets)
    assert.misuse {{"value.bytes: ", function() mapping[1] = {packets = 0, bytes = 2 ^ 32, last = ""} end}}
    assert.equal(71, mapping[1].packets)
  end)

  it("ends where the array ends", function()
    local mapping = world():keep(create(4):mmap())
    for _, index in ipairs {3, -1, 2 ^ 32, 2 ^ 40} do
      assert.is_nil(mapping[index])
      assert.is_nil((mapping:get(index)))
      assert.fails({mapping:set(index, 1)}, "E2BIG", "beyond its last")
      assert.misuse {{"E2BIG", function() mapping[index] = 1 end}}
    end
    assert.misuse {
      {"an index is an integer", function() return mapping[0.5] end},
      {"an index is an integer", function() mapping.x = 1 end},
      {"value: .*does not fit 4 bytes", function() mapping[0] = 2 ^ 32 end},
      {"value: .*does not fit 4 bytes", function() mapping[0] = "18446744073709551615" end},
      {"value: integer of 4 bytes expected, got table", function() mapping[0] = {} end},
    }
    assert.is_nil(mapping.x)
    assert.equal(0, mapping[0])
  end)

  it("is read-only where the map is frozen", function()
    local object = world():keep(ebpf.object.open(path))
    assert(object:load())
    for name, map in pairs(object:maps()) do
      world():keep(map)
      if name:find "%.rodata$" then
        local mapping = world():keep(map:mmap())
        assert.is_false(mapping:writable())
        assert.fails({mapping:set(0, map:get(0))}, "EPERM", "read-only for user space, or frozen")
      elseif name:find "%.bss$" then
        assert.is_true(world():keep(map:mmap()):writable())
      end
    end
  end)

  it("stays when the map is closed, and leaves nothing behind", function()
    local before = mappings()
    local map = create(8)
    local mapping = world():keep(map:mmap())
    map:set(2, 5)
    map:close()
    assert.equal(before + 1, mappings())
    assert.equal(5, mapping[2])
    mapping:close()
    assert.equal(before, mappings())
    assert.misuse {
      {"mapping is closed", function() return mapping[0] end},
      {"mapping is closed", function() mapping[0] = 1 end},
      {"mapping is closed", function() mapping:length() end},
      {"map is closed", function() map:mmap() end},
    }
  end)

  it("is an array that was made to be mapped, and nothing else", function()
    assert.fails({create(8, 3, 0):mmap()}, "EOPNOTSUPP", "made without BPF_F_MMAPABLE")
    assert.fails({create(8, 3, 0, "hash"):mmap()}, "EOPNOTSUPP", "only arrays can be mapped")
    assert.fails({create(8, 3, 0, "percpu_array"):mmap()}, "EOPNOTSUPP", "only arrays can be mapped")
  end)
end)
