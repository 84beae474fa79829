-- Programs from raw instructions, ids and descriptors; and Objects, that is ELF files, through libbpf.

local asm = require "spec.support.asm"
local ebpf = require "ebpf"
local lfs = require "lfs"
local system = require "spec.support.system"
local w = require "spec.support.world"

w.describe("a program", function(world)
  it("is loaded from raw instructions, and tells what it is", function()
    local map = world():cell()
    local program = world():keep(ebpf.program.load{
      type = "cgroup_skb", insns = asm.counter(map:fd(), 1), name = "counter", license = "GPL",
    })
    local info = program:info()
    assert.equal(program:id(), info.id)
    assert.equal("cgroup_skb", info.type)
    assert.equal("counter", info.name)
    assert.is_true(info.gpl_compatible)
    assert.same({map:id()}, info.map_ids)
    assert.matches("^%x+$", info.tag)
    assert.equal(16, #info.tag)
    assert.equal(0, info.created_by_uid)
    assert.equal(0, info.run_count)
    assert.is_true(info.xlated_size >= 8 * 8)
    assert.is_true(info.load_time > 0)
    assert.same({}, world():program():info().map_ids)
    assert.is_false(world():program():info().gpl_compatible)
  end)

  it("takes its instructions as one string or as a list", function()
    local list = asm.verdict(1)
    local one = world():program(nil, {insns = list})
    local other = world():program(nil, {insns = table.concat(list)})
    assert.equal(one:info().tag, other:info().tag)
    assert.not_equal(one:id(), other:id())
  end)

  it("that the verifier refuses is a failure with the verifier's words", function()
    local result = {ebpf.program.load{type = "cgroup_skb", insns = asm.exit(), name = "bad"}}
    assert.fails(result, "EACCES", "the verifier refused the program")
    assert.matches("^program load bad: ", result[2])
    assert.matches("R0 !read_ok", result[2])
    -- a long log is cut to its end
    local insns = {}
    for i = 1, 200 do
      insns[i] = asm.mov(1, i)
    end
    insns[201] = asm.exit()
    result = {ebpf.program.load{type = "cgroup_skb", insns = insns}}
    assert.matches("%(%d+ lines before%)", result[2])
    assert.matches("R0 !read_ok", result[2])
    assert.is_true(select(2, result[2]:gsub("\n", "")) <= 42)
  end)

  it("is opened by its id and from a descriptor, as a handle of its own", function()
    local program = world():program()
    local by_id = world():keep(ebpf.program.from_id(program:id()))
    local by_fd = world():keep(ebpf.program.from_fd(program:fd()))
    assert.equal(program:id(), by_id:id())
    assert.equal(program:id(), by_fd:id())
    program:close()
    assert.is_false(by_fd:closed())
    assert.equal(by_id:info().tag, by_fd:info().tag)
    assert.fails({ebpf.program.from_id(0x7ffffff0)}, "ENOENT", "from_id program 2147483632")
    assert.fails({ebpf.program.from_fd(world():cell():fd())}, "EINVAL", "it is a map")
  end)

  it("is among all programs, which one walk finds", function()
    local program = world():program()
    local seen
    local iterate, walk, first, closing = ebpf.program.each()
    for found in iterate, walk, first, closing do
      seen = seen or found:id() == program:id()
    end
    assert.is_true(seen)
    assert.is_number(walk.skipped)
    program:info() -- the walk closed its own handle, not this one
  end)

  it("is refused with an error that names the argument when misused", function()
    assert.misuse {
      {"table expected, got no value", function() ebpf.program.load() end},
      {"'type'.*program type expected, got nil", function() ebpf.program.load{insns = asm.exit()} end},
      {"program type expected, got 'skb'", function() ebpf.program.load{type = "skb", insns = asm.exit()} end},
      {"'insns'.*string or table expected", function() ebpf.program.load{type = "xdp"} end},
      {"'insns'.*8 bytes each expected, got 3", function() ebpf.program.load{type = "xdp", insns = "abc"} end},
      {"'insns'.*got 0", function() ebpf.program.load{type = "xdp", insns = {}} end},
      {"'name'.*at most 15", function() ebpf.program.load{type = "xdp", insns = asm.exit(), name = ("x"):rep(16)} end},
      {"attach type expected, got 'egress'", function()
        ebpf.program.load{type = "cgroup_skb", insns = asm.exit(), attach_type = "egress"}
      end},
      {"unknown option 'lisence'", function() ebpf.program.load{type = "xdp", insns = asm.exit(), lisence = "GPL"} end},
    }
  end)
end)

w.describe("an object", function(world)
  local path = "build/spec/support/object.bpf.o"

  local function open(opts)
    return world():keep(ebpf.object.open(path, opts))
  end

  it("is opened, loaded, and gives programs and maps that outlive it", function()
    local object = open()
    assert.equal("ebpf.object: " .. path, tostring(object))
    assert.is_true(object:load())
    assert.is_true(object:load())
    local program = world():keep(object:program "count_egress")
    local map = world():keep(object:map "counts")
    object:close()
    assert.has_error(function() object:load() end, "object is closed")
    assert.equal("count_egress", program:info().name)
    assert.equal(0, map:get(0))
    local cgroup = world():cgroup()
    local hook = world():hook(nil, cgroup)
    world():keep(hook:link(program))
    local receiver, port = world():receiver()
    world():sender(cgroup):sendto("x", "127.0.0.1", port)
    assert.equal(1, w.received(receiver))
    assert.equal(1, map:get(0))
  end)

  it("gives all its programs and maps by name", function()
    local object = open()
    object:load()
    local programs, maps = object:programs(), object:maps()
    for _, thing in pairs(programs) do world():keep(thing) end
    for _, thing in pairs(maps) do world():keep(thing) end
    assert.equal("cgroup_skb", programs.count_egress:info().type)
    assert.equal("cgroup_skb", programs.verdict:info().type)
    assert.equal("array", maps.counts:info().type)
    assert.fails({object:program "nothing"}, "ENOENT", "there is no program of this name")
    assert.fails({object:map "nothing"}, "ENOENT", "there is no map of this name")
  end)

  it("pins the maps that the file says to pin where it is told, and takes those that are pinned there", function()
    local root = world():pin_path()
    assert(lfs.mkdir(root))
    local function loaded()
      local object = world():keep(ebpf.object.open("build/spec/support/pinned.bpf.o", {pin_root = root}))
      assert(object:load())
      return world():keep(object:map "kept")
    end
    local first = loaded()
    assert.equal(first:id(), world():keep(world():keep(ebpf.pin.at(root .. "/kept")):get()):id())
    first:set(0, 7)
    local second = loaded()
    assert.same({first:id(), 7}, {second:id(), second:get(0)})
    assert(os.remove(root .. "/kept"))
  end)

  it("is opened from bytes as well", function()
    local file = assert(io.open(path, "rb"))
    local bytes = file:read "*a"
    file:close()
    local object = world():keep(ebpf.object.open({data = bytes}, {name = "mine"}))
    bytes = nil -- luacheck: ignore
    collectgarbage()
    assert.equal("ebpf.object: mine", tostring(object))
    assert.is_true(object:load())
    world():keep(object:program "verdict")
  end)

  it("has constants that are set before it is loaded", function()
    local cgroup = world():cgroup()
    local hook = world():hook(nil, cgroup)
    local receiver, port = world():receiver()
    local sender = world():sender(cgroup)
    for _, case in ipairs {{0, 0}, {1, 1}} do
      local object = open{rodata = {answer = case[1]}}
      object:load()
      local link = world():keep(hook:link(world():keep(object:program "verdict")))
      sender:sendto("x", "127.0.0.1", port)
      assert.equal(case[2], w.received(receiver))
      link:close()
    end
    assert.fails({ebpf.object.open(path, {rodata = {anser = 1}})}, "ENOENT", "there is no variable of this name")
    assert.has_error(function() ebpf.object.open(path, {rodata = {answer = 2 ^ 33}}) end)
    assert.has_error(function() ebpf.object.open(path, {rodata = {answer = {}}}) end)
  end)

  it("that is none fails with what libbpf says, and nothing is printed", function()
    assert.fails({ebpf.object.open "/no/such/file.o"}, "ENOENT", "/no/such/file.o")
    local result = {ebpf.object.open{data = "not an ELF file"}}
    assert.is_nil(result[1])
    assert.matches("libbpf: ", result[2])
    assert.is_number(result[3])
    local output = system.lua [[
      local ebpf = require "ebpf"
      print(ebpf.object.open{data = "not an ELF file"} == nil)
      local object = ebpf.object.open "build/spec/support/refused.bpf.o"
      print((select(2, object:load()):find "R0 !read_ok" or 0) > 0)
    ]]
    assert.equal("true\ntrue", output)
  end)

  it("whose program the verifier refuses fails with the verifier's log, and leaves nothing", function()
    local object = world():keep(ebpf.object.open "build/spec/support/refused.bpf.o")
    local result = {object:load()}
    assert.is_nil(result[1])
    assert.matches("^object load build/spec/support/refused.bpf.o: E%u+: ", result[2])
    assert.matches("R0 !read_ok", result[2])
    assert.has_error(function() object:program "refused" end, "object is not loaded: call load() first")
  end)

  it("is refused with an error that names the argument when misused", function()
    assert.misuse {
      {"string or table expected, got no value", function() ebpf.object.open() end},
      {"'data'.*string expected", function() ebpf.object.open{} end},
      {"unknown option 'path'", function() ebpf.object.open{path = path} end},
      {"NUL", function() ebpf.object.open "a\0b" end},
      {"unknown option 'ro'", function() ebpf.object.open(path, {ro = {}}) end},
    }
  end)
end)
