-- Out of memory, at each allocation of each call: an error, and nothing lost: no descriptor, no attachment.

local asm = require "spec.support.asm"
local ebpf = require "ebpf"
local limit = require "scarce"
local sent = require "spec.support.sent"
local system = require "spec.support.system"
local w = require "spec.support.world"

-- Something that is open and wasn't before, or nil.
local function left_open(before)
  for number, target in pairs(system.fds()) do
    if before[number] ~= target then
      return ("%d -> %s"):format(number, target)
    end
  end
end

-- Calls that what an earlier one has lost, and the collector has yet to find, does not stand in the way of: what so
-- many left is looked at together, since collecting takes longer than they do.
local TOGETHER = 8
local independent = {["object.open"] = true, ["trie:each"] = true, ["map types"] = true, ["btf:codec"] = true,
  features = true, ["link.each"] = true, ["pin.each"] = true}

-- Looks, once all that can be collected is, for what was left open; `check` looks for the rest.
local function expect_nothing_left(before, room, check)
  local left
  for _ = 1, 5 do -- what a weak table holds goes some collections after its key
    collectgarbage()
    left = left_open(before)
    if not left then break end
  end
  if left then
    error(("with room for %d allocations, or a few fewer, %s was left open"):format(room, left))
  end
  if check then check(room) end
end

-- Calls body with room for 0, 1, 2 … allocations until it gets through; `together`: so many between two looks.
local function in_every_scarcity(body, check, together)
  collectgarbage()
  collectgarbage()
  local before = system.fds()
  for room = 0, 5000 do
    local ok, message = pcall(function() -- with the limit set outside, the call of pcall might be what fails
      limit(room)
      body()
    end)
    limit(nil)
    if ok or room % (together or 1) == 0 then
      expect_nothing_left(before, room, check)
    end
    if ok then
      return room
    end
    assert.matches("not enough memory", tostring(message))
  end
  error "it never got through"
end

local function nothing() end
local compiler = rawget(_G, "jit") or {on = nothing, off = nothing, flush = nothing}

w.describe("out of memory", function(world)
  local program, other, hook, map, trie, integers, link, pin, path

  before_each(function()
    program, other, hook = world():program(), world():program(), world():hook()
    map = world():keep(ebpf.map.create{type = "percpu_array", key_size = 4, value_size = 3, max_entries = 2})
    trie = world():keep(ebpf.map.create{type = "lpm_trie", key_size = 7, value_size = 3, max_entries = 200})
    for i = 1, 70 do
      trie:set("\24\0\0\0\10\0" .. string.char(i), "abc")
    end
    local object = world():keep(ebpf.object.open "build/spec/support/types.bpf.o")
    assert(object:load())
    integers = world():keep(object:map "integers")
    link = world():keep(hook:link(program))
    path = world():pin_path()
    pin = world():keep(ebpf.pin.at(path))
    assert(pin:put(link))
    ebpf.on_collect(function() end) -- a link that is lost on the way is collected, which is right
    ebpf.trace(false)
    compiler.flush()
    compiler.off() -- LuaJIT 2.1 beta 3 does not survive it in compiled code (a crash in its own unwinding)
  end)

  after_each(function()
    compiler.on()
    ebpf.trace(true)
    require "spec.support.helper".listen()
  end)

  local function nothing_attached()
    local list
    for _, entry in ipairs(hook:query()) do
      if not entry.link_id then hook:detach(entry) end -- attached before memory ran out: it is the hook's, as ever
    end
    assert.is_true(system.eventually(function()
      list = hook:query()
      return #list == 1
    end))
    assert.equal(link:id(), list[1].link_id)
  end

  local function close(handle)
    if handle then handle:close() end
  end

  local calls = {
    ["program.load"] = function() close(ebpf.program.load{type = "cgroup_skb", insns = asm.verdict(1, 9)}) end,
    ["program.from_id"] = function() close(ebpf.program.from_id(program:id())) end,
    ["map.create"] = function()
      close(ebpf.map.create{type = "hash", key_size = 4, value_size = 8, max_entries = 4})
    end,
    ["map.from_fd of a program"] = function() close(ebpf.map.from_fd(program:fd())) end,
    ["map:get"] = function() map:get(0) end,
    ["map:each"] = function() for _ in map:each() do end end,
    ["map:dump"] = function() map:dump() end,
    ["map:batch_get"] = function() map:batch_get(1, nil, {sum = false}) end,
    ["map:batch_set"] = function() map:batch_set({0}, {map:get(0)}) end,
    ["map:clear"] = function() map:clear() end,
    ["map:info"] = function() map:info() end,
    ["trie:each"] = function() for _ in trie:each() do end end,
    ["hook:link"] = function() close(hook:link(program)) end,
    ["hook:query"] = function() hook:query() end,
    ["hook:query effective"] = function() hook:query{effective = true} end,
    ["hook:attach"] = function()
      local attachment = hook:attach(other)
      if attachment then
        attachment:detach()
        attachment:close()
      end
    end,
    ["cgroup.open"] = function() close(ebpf.cgroup.open(w.cgroup_root())) end,
    ["link:info"] = function() link:info() end,
    ["link.each"] = function() for _ in ebpf.link.each{type = "cgroup"} do end end,
    ["link:update"] = function() link:update(program) end,
    ["pin.at"] = function() close(ebpf.pin.at(path)) end,
    ["pin:get"] = function() close(pin:get()) end,
    ["pin:swap"] = function() pin:swap(link) end,
    ["pin.each"] = function() for _ in ebpf.pin.each(w.bpffs()) do end end,
    ["pin.lock"] = function() close(ebpf.pin.lock(w.bpffs(), {wait = false})) end,
    ["object.open"] = function()
      local object = ebpf.object.open "build/spec/support/object.bpf.o"
      object:load()
      object:programs()
      object:maps()
      object:close()
    end,
    ["rootlet.open"] = function() close(ebpf.rootlet.open("lo", {slots = 2})) end,
    ["map types"] = function()
      local object = ebpf.object.open "build/spec/support/types.bpf.o"
      object:load()
      local typed = object:map "structs"
      typed:get{cpu = 1, port = 1}
      close(typed.raw)
      close(typed)
      object:close()
    end,
    ["map types of the kernel"] = function()
      local typed = ebpf.map.from_fd(integers:fd())
      typed:get(1)
      close(typed)
    end,
    ["btf:codec"] = function()
      local btf = ebpf.btf.parse "build/spec/support/types.bpf.o"
      local codec = btf:codec "struct value"
      codec:encode(codec:decode(("\0"):rep(codec:size())))
      close(btf)
    end,
    ["object:section"] = function()
      local object = ebpf.object.open "build/spec/support/variables.bpf.o"
      object.bss.stats = object.bss.stats
      object.rodata.mode = object.rodata.mode
      object:close()
    end,
    ["map:mmap"] = function()
      local array = ebpf.map.create{type = "array", key_size = 4, value_size = 5000, max_entries = 1, flags = 1024}
      local mapping = array:mmap()
      mapping[0] = mapping[0]
      close(mapping)
      close(array)
    end,
    ["features"] = function() ebpf.features() end,
  }

  for name, call in pairs(calls) do
    it("loses nothing in " .. name, function()
      in_every_scarcity(call, name:find "^hook:" and nothing_attached or nil, independent[name] and TOGETHER)
    end)
  end

  -- What is taken from an Object: made once, since loading takes long.
  local taken = {
    ["link.auto of a struct_ops"] = {"congestion", function(object)
      local table_of_functions = object:map "first"
      close(ebpf.link.auto(table_of_functions))
      close(table_of_functions)
    end},
    ["link.auto of an iterator"] = {"iterators", function(object)
      local elements = object:program "elements"
      close(ebpf.link.auto(elements, {map = map}))
      close(elements)
    end},
  }

  taken.ringbuf = {"records", function(object)
    local events = object:map "events"
    local rb = ebpf.ringbuf.open(events, {type = "event"})
    rb:counts()
    close(rb)
    close(events)
  end}
  taken.perfbuf = {"records", function(object)
    local events = object:map "perf_events"
    local rb = ebpf.perfbuf.open(events, {type = "event"})
    rb:consume()
    close(rb)
    close(events)
  end}

  for name, case in pairs(taken) do
    it("loses nothing in " .. name, function()
      local object = world():keep(ebpf.object.open(("build/spec/support/%s.bpf.o"):format(case[1])))
      assert(object:load())
      in_every_scarcity(function() case[2](object) end)
    end)
  end

  for _, opts in ipairs {{}, {type = "event"}} do
    it("loses no record of a ring buffer" .. (opts.type and " with a type" or ""), function()
      local source = sent.new(world(), "send_ring")
      local rb = world():keep(ebpf.ringbuf.open(world():keep(source.object:map "events"), opts))
      source:send(10)
      local list
      in_every_scarcity(function() list = rb:consume() end)
      assert.same(sent.range(0, 9), sent.sequences(list))
      source:send(3)
      local seen = {}
      in_every_scarcity(function()
        rb:consume(nil, function(record)
          local last = seen[#seen]
          if not last or sent.sequences{last}[1] ~= sent.sequences{record}[1] then -- else it had it, and failed then
            seen[#seen + 1] = record
          end
        end)
      end)
      assert.same(sent.range(10, 12), sent.sequences(seen))
    end)
  end
end)
