-- Every type of map: what it takes, what it gives, and what it says to what it can't do.

local asm = require "spec.support.asm"
local descriptors = require "descriptors"
local ebpf = require "ebpf"
local socket = require "socket"
local system = require "spec.support.system"
local w = require "spec.support.world"

local MMAPABLE = 1024 -- BPF_F_MMAPABLE

w.describe("a map of type", function(world)
  local function create(kind, spec)
    spec = spec or {}
    spec.type, spec.max_entries = kind, spec.max_entries or 4
    return world():keep(ebpf.map.create(spec))
  end

  -- A type that this kernel may lack.
  local function try(kind, spec, since)
    spec.type, spec.max_entries = kind, spec.max_entries or 4
    local map, message, errno = ebpf.map.create(spec)
    if not map and errno == ebpf.errno.EINVAL then
      w.skip(("no maps of type %s (Linux %s)"):format(kind, since))
    end
    return world():keep(map, message)
  end

  local function cpus()
    return #create("percpu_array", {value_size = 8}):get(0)
  end

  local function per_cpu(first, step)
    local list = {}
    for cpu = 1, cpus() do
      list[cpu] = first + (cpu - 1) * (step or 1)
    end
    return list
  end

  -- type -> a key, a value, whether it can be deleted (else EINVAL), whether get_and_delete can (since 5.14)
  local plain = {
    hash = {{key_size = 4, value_size = 8}, 1, 7, true, true},
    lru_hash = {{key_size = 4, value_size = 8}, 1, 7, true, true},
    array = {{value_size = 8}, 1, 7, false, false},
    lpm_trie = {{key_size = 8, value_size = 4}, "\24\0\0\0\10\0\0\0", 7, true, false},
    devmap = {{}, 1, 1, true, false},
    devmap_hash = {{}, 1, 1, true, false},
    cpumap = {{}, 0, 192, true, false},
  }

  for kind, row in pairs(plain) do
    it(kind .. " keeps one value a key", function()
      local map, key, value = create(kind, row[1]), row[2], row[3]
      assert.equal(kind, map:info().type)
      assert.is_true(map:set(key, value))
      assert.equal(value, map:get(key))
      local found = map:dump()
      assert.equal(value, next(found) ~= nil and (found[key] or select(2, next(found))))
      if row[5] and ebpf.features().map_get_and_delete.supported then
        assert.equal(value, map:get_and_delete(key))
        assert.equal(1, select("#", map:get_and_delete(key)))
        assert.is_nil((map:get(key)))
        assert.is_true(map:set(key, value))
      elseif not row[5] then
        assert.fails({map:get_and_delete(key)}, "ENOTSUPP", "only hashes")
      end
      if row[4] then
        assert.is_true(map:delete(key))
        assert.is_nil((map:get(key)))
      else
        assert.fails({map:delete(key)}, "EINVAL", "can't be deleted")
      end
    end)
  end

  for _, kind in ipairs {"percpu_hash", "lru_percpu_hash", "percpu_array"} do
    it(kind .. " keeps one a CPU, and sums them exactly", function()
      local map = create(kind, {key_size = 4, value_size = 8})
      local values = per_cpu(3, 10)
      assert.is_true(map:set(1, values))
      assert.same(values, map:get(1))
      local sum = 0
      for _, value in ipairs(values) do
        sum = sum + value
      end
      assert.equal(sum, map:get(1, {sum = true}))
      assert.same(values, map:get(1, {sum = false}))
      assert.equal(sum, map:dump{sum = true}[1])
      for key, value in map:each{sum = true} do
        assert.equal(key == 1 and sum or 0, value)
      end
      local _, sums = map:batch_get(8, nil, {sum = true})
      assert.is_number(sums[1])
      -- 2^53 and more, which doubles can't tell from their neighbours
      values = per_cpu(0, 0)
      values[1], values[#values] = "9007199254740993", #values == 1 and "9007199254740993" or 2
      assert.is_true(map:set(1, values))
      local exact = map:get(1, {sum = true})
      assert.equal(#values == 1 and "9007199254740993" or "9007199254740995",
        type(exact) == "string" and exact or ("%d"):format(exact))
      assert.misuse {
        {"the only option is sum", function() map:get(1, {total = true}) end},
        {"sum is a boolean", function() map:get(1, {sum = 1}) end},
        {"table expected", function() map:get(1, true) end},
        {"unknown option 'total'", function() map:each{total = true} end},
      }
    end)
  end

  it("hash or of per-CPU strings has no sum", function()
    assert.misuse {
      {"one value a key", function() create("hash", {key_size = 4, value_size = 8}):get(1, {sum = true}) end},
      {"one value a key", function() create("array", {value_size = 8}):dump{sum = true} end},
      {"sum is of integers, and the map's values are none: 3 bytes", function()
        create("percpu_array", {value_size = 3}):each{sum = true}
      end},
    }
  end)

  for kind, order in pairs {queue = {1, 2, 3}, stack = {3, 2, 1}} do
    it(kind .. " is pushed, peeked and popped", function()
      local map = create(kind, {value_size = 4, max_entries = 3})
      assert.equal(1, select("#", map:pop()))
      assert.is_nil((map:peek()))
      for value = 1, 3 do
        assert.is_true(map:push(value))
      end
      assert.fails({map:push(4)}, "E2BIG", "full")
      for _, value in ipairs(order) do
        assert.equal(value, map:peek())
        assert.equal(value, map:pop())
      end
      assert.is_nil((map:pop()))
      for value = 1, 5 do
        assert.is_true(map:push(value, "exist")) -- the oldest goes
      end
      assert.equal(kind == "queue" and 3 or 5, map:pop())
      assert.is_true(map:clear())
      assert.is_nil((map:peek()))
      assert.fails({map:delete()}, "EINVAL", "can't be deleted")
      assert.fails({map:dump()}, "EINVAL", "can't be walked")
      assert.fails({map:batch_get(1)}, "EINVAL", "can't be walked")
    end)
  end

  it("bloom_filter tells what it has for certain not got", function()
    local map = try("bloom_filter", {value_size = 4, max_entries = 100, map_extra = 5}, "5.16")
    assert.equal(5, map:info().map_extra)
    assert.is_false(map:has(7))
    assert.is_true(map:push(7))
    assert.is_true(map:has(7))
    assert.fails({map:clear()}, "EOPNOTSUPP", "can't be deleted")
  end)

  it("prog_array calls one program from another", function()
    local calls, cell = create "prog_array", world():cell()
    local cgroup = world():cgroup()
    local caller = world():program(nil, {insns = {asm.tail_call(calls:fd(), 2), asm.mov(0, 1), asm.exit()}})
    local first = world():program(nil, {insns = asm.mark(cell:fd(), 1, 1)})
    local second = world():program(nil, {insns = asm.mark(cell:fd(), 2, 1)})
    world():keep(world():hook("cgroup_inet_egress", cgroup):link(caller))
    local udp, receiver, port = world():sender(cgroup), world():receiver()
    local function send()
      assert(udp:sendto("x", "127.0.0.1", port))
      assert.is_true(system.eventually(function() return w.received(receiver) == 1 end))
    end
    send() -- an empty place: the caller goes on
    assert.equal(0, cell:get(0))
    assert.is_true(calls:set(2, first))
    assert.equal(first:id(), calls:get(2))
    send()
    assert.is_true(calls:set(2, second))
    assert.same({[2] = second:id()}, calls:dump())
    send()
    assert.equal(12, cell:get(0))
    assert.is_true(calls:delete(2))
    assert.is_nil((calls:get(2)))
    send()
    assert.equal(12, cell:get(0))
    assert.fails({calls:set(2, world():program(2, {type = "xdp"}))}, "EINVAL", "of another type than its first")
    local closed = world():program()
    closed:close()
    assert.misuse {
      {"program is closed", function() calls:set(0, closed) end},
      {"program expected, got number: what is read is an id", function() calls:set(0, first:id()) end},
      {"ebpf.program expected, got", function() calls:set(0, cell) end},
    }
  end)

  for kind, spec in pairs {array_of_maps = {}, hash_of_maps = {key_size = 4}} do
    it(kind .. " holds maps, and gives their ids", function()
      local function inner(value_size)
        return create("array", {value_size = value_size or 8, max_entries = 1})
      end
      local a, b = inner(), inner()
      a:set(0, 11)
      b:set(0, 22)
      spec.inner = a
      local outer = create(kind, spec)
      assert.is_true(outer:set(0, a))
      assert.is_true(outer:set(3, b)) -- with holes between, in an array
      assert.equal(b:id(), outer:get(3))
      assert.equal(22, world():keep(ebpf.map.from_id(outer:get(3))):get(0))
      assert.same({[0] = a:id(), [3] = b:id()}, outer:dump())
      assert.equal(2, outer:batch_set({1, 2}, {a, b}))
      assert.same({[0] = a:id(), a:id(), b:id(), b:id()}, outer:dump())
      assert.fails({outer:set(0, inner(4))}, "EINVAL", "unlike its inner one")
      assert.is_true(outer:delete(0))
      assert.is_true(outer:clear())
      assert.same({}, outer:dump())
      assert.misuse {
        {"map expected, got number: what is read is an id", function() outer:set(0, a:id()) end},
        {"'inner' to 'map.create' %(map expected, got no value", function() ebpf.map.create{
          type = kind, key_size = 4, max_entries = 1,
        } end},
      }
    end)
  end

  for _, kind in ipairs {"sockmap", "sockhash"} do
    it(kind .. " holds sockets by their descriptors, and gives cookies", function()
      local map = create(kind, {key_size = 4})
      local server = assert(socket.bind("127.0.0.1", 0))
      assert.is_true(map:set(1, server:getfd()))
      local cookie = map:get(1)
      assert.is_truthy(cookie ~= 0 and cookie)
      assert.same({[1] = cookie}, map:dump())
      assert.is_true(map:delete(1))
      assert.is_nil((map:get(1)))
      assert.is_true(map:set(2, server:getfd()))
      assert.is_true(map:clear())
      assert.same({}, map:dump())
      assert.fails({map:set(1, 1000)}, "EBADF", "none of them")
      local narrow = create(kind, {key_size = 4, value_size = 4})
      assert.is_true(narrow:set(1, server:getfd()))
      assert.fails({narrow:get(1)}, "ENOSPC", "read as cookies")
      assert.fails({narrow:dump()}, "ENOSPC", "read as cookies")
      assert.is_true(narrow:clear())
      server:close()
    end)
  end

  for _, kind in ipairs {"devmap", "devmap_hash"} do
    it(kind .. " holds devices, with programs or without", function()
      local program = world():program(2, {type = "xdp", attach_type = "xdp_devmap"})
      local map = create(kind, {value_size = 8})
      assert.is_true(map:set(0, {ifindex = 1, program = program}))
      assert.is_true(map:set(2, {ifindex = 1}))
      assert.is_true(map:set(3, 1))
      assert.same({ifindex = 1, program_id = program:id()}, map:get(0))
      assert.same({[0] = {ifindex = 1, program_id = program:id()}, [2] = {ifindex = 1}, [3] = {ifindex = 1}},
        map:dump())
      assert.fails({map:set(0, 0x7fffffff)}, "EINVAL", "takes no such value")
      assert.misuse {
        {"{ifindex = number, program = Program} expected", function() map:set(0, {device = 1}) end},
        {"{ifindex = number, program = Program} expected", function() map:set(0, {ifindex = 1, program = 3}) end},
        {"{ifindex = number, program = Program} expected", function() map:set(0, {ifindex = "lo"}) end},
        {"ifindex does not fit", function() map:set(0, {ifindex = -1}) end},
        {"table expected", function() map:set(0, true) end},
      }
      assert.not_equal("table", type(map.raw:get(0))) -- all 8 bytes as one number
      assert.is_true(map.raw:set(0, 1))
      assert.equal(1, map.raw:get(0))
    end)
  end

  it("cpumap holds queues, with programs or without", function()
    local program = world():program(2, {type = "xdp", attach_type = "xdp_cpumap"})
    local map = create("cpumap", {value_size = 8, max_entries = 1})
    assert.is_true(map:set(0, {queue_size = 192, program = program}))
    assert.same({queue_size = 192, program_id = program:id()}, map:get(0))
    assert.is_true(map:delete(0))
  end)

  it("cgroup_array takes cgroups, and perf_event_array events; neither can be read", function()
    local map, cgroup = create "cgroup_array", world():cgroup()
    assert.is_true(map:set(0, cgroup))
    assert.is_true(map:set(1, cgroup:fd()))
    assert.fails({map:get(0)}, "ENOTSUPP", "can't be read")
    assert.fails({map:dump()}, "ENOTSUPP", "not be read")
    assert.is_true(map:delete(0))
    assert.is_true(map:clear())
    assert.fails({create "perf_event_array":set(0, cgroup:fd())}, "EBADF", "none of them")
  end)

  it("ringbuf and user_ringbuf has a size in bytes, and nothing to get", function()
    for kind, since in pairs {ringbuf = "5.8", user_ringbuf = "6.1"} do
      local map = try(kind, {max_entries = 8192}, since)
      assert.same({0, 0, 8192}, {map:info().key_size, map:info().value_size, map:info().max_entries})
      assert.fails({map:get()}, "ENOTSUPP", "can't be read")
      assert.fails({map:clear()}, "ENOTSUPP", "can't be walked")
      assert.fails({ebpf.map.create{type = kind, max_entries = 5000}}, "EINVAL", "multiple of the page size")
    end
  end)

  local function object(name)
    local obj = world():keep(ebpf.object.open(("build/spec/support/%s.bpf.o"):format(name)))
    local loaded, message, errno = obj:load()
    return loaded and obj, message, errno
  end

  local function keeps_by_descriptor(name, fd)
    local map = world():keep(assert(object "storage"):map(name))
    assert.is_nil((map:get(fd)))
    assert.is_true(map:set(fd, 7))
    assert.equal(7, map:get(fd))
    assert.fails({map:dump()}, "ENOTSUPP", "can't be walked")
    assert.fails({map:get(1000)}, "EBADF", "and this is none")
    assert.is_true(map:delete(fd))
    assert.is_false(map:delete(fd))
    assert.fails({ebpf.map.create{type = map:info().type, key_size = 4, value_size = 8}}, "EINVAL", "of an Object")
  end

  it("sk_storage has values by a socket's descriptor", function()
    local udp = assert(socket.udp4())
    table.insert(world().sockets, udp)
    keeps_by_descriptor("of_sockets", udp:getfd())
  end)

  it("task_storage has values by a pidfd", function()
    local pidfd = descriptors.pidfd(system.pid())
    if pidfd < 0 then
      w.skip "no pidfd_open(2), as under valgrind"
    end
    local ok, message = pcall(keeps_by_descriptor, "of_tasks", pidfd)
    descriptors.close(pidfd)
    assert(ok, message)
  end)

  it("cgrp_storage has values by cgroup", function()
    local obj, message, errno = object "cgrp_storage"
    if not obj and errno == ebpf.errno.EINVAL then
      w.skip "no maps of type cgrp_storage (Linux 6.2)"
    end
    local map, cgroup = world():keep(assert(obj, message):map "of_cgroups"), world():cgroup()
    assert.is_true(map:set(cgroup, 7))
    assert.equal(7, map:get(cgroup:fd()))
    assert.equal(7, map:get(cgroup))
    assert.is_true(map:delete(cgroup))
    assert.is_nil((map:get(cgroup)))
  end)

  it("inode_storage has values by a file's descriptor", function()
    if not (system.read "/sys/kernel/security/lsm" or ""):find "bpf" then
      w.skip "BPF is none of this kernel's security modules"
    end
    local map = world():keep(assert(object "inode_storage"):map "of_inodes")
    local directory = world():cgroup():fd() -- any file will do
    assert.is_nil((map:get(directory)))
    assert.is_true(map:set(directory, 7))
    assert.equal(7, map:get(directory))
    assert.fails({map:dump()}, "ENOTSUPP", "can't be walked")
    assert.fails({map:get(1000)}, "EBADF", "and this is none")
    assert.is_true(map:delete(directory))
    assert.is_false(map:delete(directory))
  end)

  it("cgroup_storage has a value where its program is attached, by cgroup, a CPU or not", function()
    local obj, cgroup = assert(object "cgroup_storage"), world():cgroup()
    local of_hooks, of_cpus = world():keep(obj:map "of_hooks"), world():keep(obj:map "of_cpus")
    local id = cgroup:id()
    assert.is_nil((of_cpus:get(id)))
    assert.same({{}, {}}, {of_hooks:dump(), of_cpus:dump()})
    local link = world():keep(world():hook("cgroup_inet_egress", cgroup):link(world():keep(obj:program "count")))
    assert(world():sender(cgroup):sendto("xyz", "127.0.0.1", (select(2, world():receiver()))))
    local found = of_hooks:dump()
    assert.equal(1, #found)
    assert.equal(id, found[1].key.cgroup_inode_id)
    assert.same({packets = 1, bytes = 31}, found[1].value) -- with the headers of IP and UDP
    assert.same(found[1].value, of_hooks:get(found[1].key))
    assert.is_true(of_hooks:set(found[1].key, {packets = 0, bytes = 0}))
    assert.equal(0, of_hooks:get(found[1].key).packets)
    assert.equal(1, of_cpus:get(id, {sum = true}))
    assert.same({[id] = 1}, of_cpus:dump{sum = true})
    assert.is_true(of_cpus:set(id, per_cpu(2)))
    assert.same({[id] = per_cpu(2)}, of_cpus:dump())
    assert.fails({of_hooks:delete(found[1].key)}, "EINVAL", "can't be deleted")
    link:close()
    local alone = create("cgroup_storage", {key_size = 8, value_size = 4, max_entries = 0})
    assert.fails({alone:set(id, 1)}, "ENOENT", "no such key")
    assert.fails({ebpf.map.create{type = "cgroup_storage", key_size = 4, value_size = 4}}, "EINVAL", "a cgroup's id")
  end)

  it("xskmap takes sockets of AF_XDP, and can't be read", function()
    local map, xsk = create "xskmap", descriptors.xsk()
    if xsk < 0 then
      w.skip "no sockets of AF_XDP (CONFIG_XDP_SOCKETS)"
    end
    local ok, message = pcall(function()
      assert.is_true(map:set(1, xsk))
      assert.fails({map:get(1)}, "EOPNOTSUPP", "can't be read")
      assert.fails({map:dump()}, "EOPNOTSUPP", "not be read")
      assert.is_true(map:delete(1))
      assert.is_true(map:set(2, xsk))
      assert.is_true(map:clear())
      assert.fails({map:set(4, xsk)}, "E2BIG", "beyond its last")
    end)
    descriptors.close(xsk)
    assert(ok, message)
    local server = assert(socket.bind("127.0.0.1", 0))
    assert.fails({map:set(1, server:getfd())}, "EOPNOTSUPP", "sockets of another kind")
    assert.fails({map:set(1, world():cgroup():fd())}, "ENOTSOCK", "this descriptor is none's")
    server:close()
  end)

  it("reuseport_sockarray holds sockets of a group, and gives cookies", function()
    local map, udp = create "reuseport_sockarray", assert(socket.udp4())
    table.insert(world().sockets, udp)
    assert(udp:setoption("reuseport", true))
    assert(udp:setsockname("127.0.0.1", 0))
    assert.is_true(map:set(1, udp:getfd()))
    local cookie = map:get(1)
    assert.is_truthy(cookie ~= 0 and cookie)
    assert.same({[1] = cookie}, map:dump())
    assert.is_true(map:delete(1))
    assert.is_false(map:delete(1))
    assert.same({}, map:dump())
  end)

  it("stack_trace has what programs put there: nothing, and nothing from here", function()
    local map = create("stack_trace", {key_size = 4, value_size = 64})
    assert.is_nil((map:get(0)))
    assert.fails({map:set(0, ("x"):rep(64))}, "EINVAL", "only programs write")
    assert.is_false(map:delete(0))
    assert.same({}, map:dump())
    assert.is_true(map:clear())
  end)

  it("arena is made, known and passed on; its memory is the programs'", function()
    local map = try("arena", {max_entries = 2}, "6.9")
    assert.same({"arena", 0, 0, 2, MMAPABLE}, {map:info().type, map:info().key_size, map:info().value_size,
      map:info().max_entries, map:info().flags})
    assert.fails({map:dump()}, "EOPNOTSUPP", "can't be walked")
    assert.fails({map:clear()}, "EOPNOTSUPP", "can't be deleted")
    assert.fails({map:mmap()}, "EOPNOTSUPP", "only arrays can be mapped")
    local pin = world():pin()
    assert.is_true(pin:put(map))
    assert.equal(map:id(), world():keep(pin:get "map"):id())
    pin:remove()
    assert.fails({ebpf.map.create{type = "arena", key_size = 4, max_entries = 2}}, "EINVAL", "an arena has no keys")
  end)

  it("struct_ops gives what is registered, here nothing, and isn't cleared by mistake", function()
    local map = world():keep(assert(object "congestion"):map "first")
    local info = map:info()
    assert.equal("struct_ops", info.type)
    assert.is_true(info.btf_vmlinux_value_type_id > 0)
    assert.equal(("\0"):rep(info.value_size), map:get(0))
    assert.fails({map:clear()}, "EOPNOTSUPP", "can't be deleted")
    assert.fails({map:freeze()}, "ENOTSUPP", "can't be frozen")
  end)

  it("any says what its sizes have to be, where the kernel says EINVAL", function()
    for _, case in ipairs {
      {{type = "array", key_size = 8, value_size = 8}, "keys of an array are of 4 bytes"},
      {{type = "lpm_trie", key_size = 4, value_size = 4}, "4 bytes of prefix length"},
      {{type = "queue", key_size = 4, value_size = 4}, "key_size is 0"},
      {{type = "prog_array", key_size = 8}, "of 4 bytes"},
      {{type = "sockmap", value_size = 16}, "values of 4 or 8"},
      {{type = "devmap", value_size = 12}, "values of 4 or, with programs, of 8"},
    } do
      case[1].max_entries = 1
      assert.fails({ebpf.map.create(case[1])}, "EINVAL", case[2])
    end
    assert.misuse {
      {"'value_size' to 'map.create' %(number expected", function() ebpf.map.create{type = "array"} end},
      {"'key_size' to 'map.create' %(number expected", function()
        ebpf.map.create{type = "hash", value_size = 4, max_entries = 1}
      end},
    }
  end)

  it("lpm_trie gets the flag it can't do without, and keeps others", function()
    assert.equal(1, create("lpm_trie", {key_size = 8, value_size = 4}):info().flags)
    assert.equal(129, create("lpm_trie", {key_size = 8, value_size = 4, flags = 128}):info().flags)
    assert.equal(1, create("lpm_trie", {key_size = 8, value_size = 4, flags = 1}):info().flags)
  end)

  it("another kind says so when it is used as a queue or a filter", function()
    local hash, queue = create("hash", {key_size = 4, value_size = 4}), create("queue", {value_size = 4})
    assert.misuse {
      {"push is for maps of type queue, stack and bloom_filter, and this one is of type hash", function()
        hash:push(1)
      end},
      {"pop is for maps of type queue and stack, and this one is of type hash", function() hash:pop() end},
      {"peek is for maps of type queue and stack", function() hash:peek() end},
      {"has is for maps of type bloom_filter, and this one is of type queue", function() queue:has(1) end},
      {"value of 4 bytes expected", function() queue:push() end},
      {"invalid option 'noexist'", function() queue:push(1, "noexist") end},
    }
    queue:close()
    assert.misuse {{"map is closed", function() queue:pop() end}, {"map is closed", function() queue:clear() end}}
  end)

  it("array is frozen for ever, for all that write from user space", function()
    local map = create("array", {value_size = 8, flags = MMAPABLE})
    map:set(0, 7)
    assert.is_false(map:info().frozen)
    local page = descriptors.map_writable(map:fd())
    assert.fails({map:freeze()}, "EBUSY", "mapped into a process that may write")
    descriptors.unmap(page)
    assert.is_true(map:freeze())
    assert.is_true(map:info().frozen)
    local _, message, errno = map:freeze() -- before 6.6 EBUSY
    assert.is_true(errno == ebpf.errno.EPERM or errno == ebpf.errno.EBUSY)
    assert.matches("the map is frozen already", message)
    local again = world():keep(ebpf.map.from_id(map:id()))
    for _, results in ipairs {{again:set(0, 1)}, {map:clear()}, {map:batch_set {[0] = 1}}} do
      assert.fails(results, "EPERM", "or frozen")
    end
    assert.equal(7, again:get(0))
    local queue = create("queue", {value_size = 4})
    queue:push(1)
    queue:freeze()
    assert.fails({queue:push(1)}, "EPERM", "or frozen")
    assert.fails({queue:pop()}, "EPERM", "or frozen")
    local hash = create("hash", {key_size = 4, value_size = 4})
    hash:set(1, 1)
    hash:freeze()
    assert.fails({hash:delete(1)}, "EPERM", "or frozen")
    assert.fails({hash:batch_delete{1}}, "EPERM", "or frozen")
    assert.fails({hash:batch_get_and_delete(1)}, "EPERM", "or frozen")
    assert.fails({hash:get_and_delete(1)}, "EPERM", "or frozen")
  end)
end)
