-- What all objects have in common: closing, collection, descriptors; and that __gc closes and does nothing else.

local ebpf = require "ebpf"
local system = require "spec.support.system"
local w = require "spec.support.world"

w.describe("every object", function(world)
  local function all()
    local cgroup = world():cgroup()
    local hook = world():hook(nil, cgroup)
    local program = world():program()
    local object = world():keep(ebpf.object.open "build/spec/support/object.bpf.o")
    return {
      cgroup = cgroup, mprog = hook, program = program, map = world():cell(), link = world():keep(hook:link(program)),
      attachment = world():keep(hook:attach(world():program())), pin = world():pin(), object = object,
      lock = world():keep(ebpf.pin.lock(w.bpffs(), {shared = true})),
    }
  end

  local method = {
    cgroup = "id", mprog = "query", program = "info", map = "get", link = "info", attachment = "detach", pin = "exists",
    object = "load", lock = "fd",
  }

  it("is closed once or twice, says so, and then refuses everything else", function()
    for kind, thing in pairs(all()) do
      assert.is_false(thing:closed())
      assert.matches("^ebpf%." .. kind .. ": ", tostring(thing))
      assert.is_true(thing:close())
      assert.is_true(thing:close())
      assert.is_true(thing:closed())
      assert.equal("ebpf." .. kind .. " (closed)", tostring(thing))
      assert.has_error(function() thing[method[kind]](thing) end, kind .. " is closed")
    end
  end)

  it("lends its descriptor, which is close-on-exec unless told otherwise", function()
    for kind, thing in pairs(all()) do
      if kind ~= "object" then
        local number = thing:fd()
        assert.is_true(number >= 3)
        local function flags()
          return system.read("/proc/self/fdinfo/" .. number):match "flags:%s*(%d+)"
        end
        assert.equal("2", flags():sub(-7, -7))
        assert.is_true(thing:cloexec(false))
        assert.not_equal("2", flags():sub(-7, -7))
        assert.is_true(thing:cloexec(true))
      end
    end
    assert.has_error(function() world():program():cloexec(1) end)
  end)

  it("has a method of its own class only", function()
    local things = all()
    assert.has_error(function() things.link.update(things.map, things.program) end)
    assert.has_error(function() things.map.get(things.program, 1) end)
    assert.has_error(function() things.pin.put(things.link, things.link) end)
    assert.has_error(function() things.mprog.query(things.cgroup) end)
    assert.has_error(function() things.link.close(io.stdout) end)
    assert.has_error(function() getmetatable(things.link).__gc(things.map) end)
  end)

  it("says that it is closed to whoever is finalized after it", function()
    local heard
    local function last_words(object)
      local function body()
        local ok, message = pcall(object.link.id, object.link)
        heard = {ok, message}
      end
      if newproxy then -- luacheck: ignore
        local proxy = newproxy(true) -- luacheck: ignore
        getmetatable(proxy).__gc = body
        return proxy
      end
      return setmetatable({}, {__gc = body})
    end
    local hook = world():hook()
    local program = world():program()
    ebpf.on_collect(function() end)
    do
      local object = {}
      object.proxy = last_words(object)
      object.link = assert(hook:link(program)) -- made later, so finalized before
    end
    collectgarbage()
    collectgarbage()
    require("spec.support.helper").listen()
    assert.is_false(heard[1])
    assert.matches("link is closed", heard[2])
  end)

  it("closes its descriptors when it is collected", function()
    local before = system.count_fds()
    for _ = 1, 20 do
      world():program():info()
    end
    for _, handle in ipairs(world().handles) do
      handle:close()
    end
    world().handles = {}
    local hook = world():hook()
    for _ = 1, 20 do
      assert(ebpf.program.from_id(world():program():id()))
      local cgroup = ebpf.cgroup.open(hook:describe().where)
      cgroup:mprog "cgroup_inet_egress"
      ebpf.pin.at(w.bpffs() .. "/none")
      ebpf.map.create{type = "array", key_size = 4, value_size = 4, max_entries = 1}
    end
    collectgarbage()
    collectgarbage()
    assert.equal(before + #world().handles, system.count_fds())
  end)

  it("is closed at the end of its scope, on Lua 5.4 and newer", function()
    local chunk = (loadstring or load)([[ -- luacheck: ignore
      local ebpf, id = ...
      local kept
      do
        local program <close> = ebpf.program.from_id(id)
        kept = program
      end
      return kept]])
    if not chunk then
      return pending "probe absent: <close>"
    end
    assert.is_true(chunk(ebpf, world():program():id()):closed())
  end)

  it("costs no descriptor, however many are made and closed", function()
    local program = world():program()
    local hook = world():hook()
    local before = system.count_fds()
    ebpf.trace(false) -- a traceback a link is what would take long
    for _ = 1, 1000 do
      assert(ebpf.program.from_fd(program:fd())):close()
      assert(hook:link(program)):close()
    end
    ebpf.trace(true)
    assert.equal(before, system.count_fds())
    assert.order(hook:query())
  end)

  it("that can't be made for want of descriptors leaves none behind", function()
    local output = system.lua(([[
      local ebpf = require "ebpf"
      local asm, system = require "spec.support.asm", require "spec.support.system"
      local cgroup = assert(ebpf.cgroup.open(%q))
      local hook = cgroup:mprog "cgroup_inet_egress"
      local program = assert(ebpf.program.load{type = "cgroup_skb", insns = asm.verdict(1)})
      local held = {}
      while true do
        local copy, message, errno = ebpf.program.from_fd(program:fd())
        if not copy then
          print(ebpf.errno[errno], message:find "RLIMIT_NOFILE" ~= nil)
          break
        end
        held[#held + 1] = copy
      end
      local function check(what, result, _, errno) print(what, result, ebpf.errno[errno]) end
      check("link", hook:link(program))
      local attachment = assert(hook:attach(program)) -- shares those of the program and of the hook
      check("cgroup", ebpf.cgroup.open(%q))
      check("load", ebpf.program.load{type = "cgroup_skb", insns = asm.verdict(1)})
      check("from_id", ebpf.program.from_id(program:id()))
      check("device", require "ebpf.core".device.index "lo")
      check("device", require "ebpf.core".device.name(1))
      held[#held]:close() -- one free
      local _, message, errno = require "ebpf.core".rootlet_program.load(1) -- two: its BTF's as well
      print("rootlet", message:find "processed %%d+ insns" == nil, ebpf.errno[errno])
      check("mprog", cgroup:mprog "cgroup_inet_ingress" ~= nil)
      for _, copy in ipairs(held) do copy:close() end
      held = nil
      assert(attachment:detach())
      attachment:close()
      print(#hook:query(), system.count_fds())
    ]]):format(world():cgroup():path(), world():cgroup():path()), "prlimit --nofile=64")
    assert.equal(table.concat({
      "EMFILE\ttrue", "link\tnil\tEMFILE", "cgroup\tnil\tEMFILE", "load\tnil\tEMFILE",
      "from_id\tnil\tEMFILE", "device\tnil\tEMFILE", "device\tnil\tEMFILE",
      "rootlet\ttrue\tEMFILE", "mprog\ttrue\tnil",
    }, "\n"), output:match "^(.*)\n[^\n]*$")
    assert.equal("0", output:match "(%d+)\t%d+$")
  end)

  it("never gets one of the descriptors 0, 1 and 2", function()
    local result = os.tmpname()
    local script = system.script(([[
      local ebpf = require "ebpf"
      local asm = require "spec.support.asm"
      local program = assert(ebpf.program.load{type = "cgroup_skb", insns = asm.verdict(1)})
      local hook = ebpf.cgroup.open(%q):mprog "cgroup_inet_egress"
      local link = assert(hook:link(program))
      local copy = assert(ebpf.link.from_id(link:id()))
      local map = assert(ebpf.map.create{type = "array", key_size = 4, value_size = 4, max_entries = 1})
      local out = io.open(%q, "w")
      for _, thing in ipairs{program, link, copy, map, hook} do out:write(tostring(thing:fd() >= 3), " ") end
      out:close()
      link:close()
    ]]):format(world():cgroup():path(), result))
    os.execute(("exec 0<&- 1>&- 2>&-; exec %s %s"):format(system.interpreter(), script))
    assert.equal("true true true true true ", system.read(result))
    os.remove(script)
    os.remove(result)
  end)
end)

w.describe("collection", function(world)
  local heard

  before_each(function()
    heard = {}
    ebpf.on_collect(function(...) heard[#heard + 1] = {...} end)
  end)

  after_each(function()
    require("spec.support.helper").listen()
  end)

  local function collect()
    collectgarbage()
    collectgarbage()
  end

  it("of a link that is unclosed, unpinned and attached is reported, with where it was made", function()
    local hook = world():hook()
    local link = assert(hook:link(world():program()))
    local id = link:id()
    link = nil -- luacheck: ignore
    collect()
    assert.equal(1, #heard)
    assert.equal(id, heard[1][1])
    assert.equal("cgroup_inet_egress", heard[1][2])
    assert.matches("handle_spec.lua:%d+", heard[1][3])
    assert.order(hook:query())
  end)

  it("of the last holder of a link is reported, whoever made it, and of one among several is not", function()
    local hook = world():hook()
    local link = assert(hook:link(world():program()))
    local id = link:id()
    local holders = {link, assert(ebpf.link.from_fd(link:fd()))}
    link = nil -- luacheck: ignore
    holders[1] = nil
    collect()
    assert.same({}, heard)
    assert.is_true(holders[2]:alive())
    holders[2] = nil
    collect()
    assert.equal(id, heard[1] and heard[1][1])
    local pinned = assert(hook:link(world():program()))
    local pin = world():keep(pinned:pin(world():pin_path()))
    id = pinned:id()
    assert.is_true(pin:remove())
    pinned = nil -- luacheck: ignore
    collect()
    assert.equal(id, heard[2] and heard[2][1])
    assert.order(hook:query())
  end)

  it("of a link that is closed, pinned, detached, severed or opened by id is not", function()
    local cgroup = world():cgroup()
    local hook, gone = world():hook(), world():hook(nil, cgroup)
    local program = world():program()
    hook:link(program):close()
    assert(hook:link(program)):pin(world():pin_path())
    local pin = world():pin()
    local swapped = assert(hook:link(program))
    pin:swap(swapped)
    hook:link(program):detach()
    local severed = assert(gone:link(program))
    world():remove_cgroup(cgroup)
    assert.is_true(system.eventually(function() return not severed:alive() end))
    severed = nil -- luacheck: ignore
    assert(ebpf.link.from_id(swapped:id()))
    swapped = nil -- luacheck: ignore
    collect()
    assert.same({}, heard)
    assert.order(hook:query(), program, program)
  end)

  it("reports through a function whose errors are dropped", function()
    ebpf.on_collect(function() heard[#heard + 1] = true error "in the handler" end)
    assert(world():hook():link(world():program()))
    assert.has_no_error(collect)
    assert.same({true}, heard)
    assert.has_error(function() ebpf.on_collect "x" end)
  end)

  it("warns on Lua 5.4 where no function is given, and is silent at exit", function()
    local code = ([[
      local ebpf = require "ebpf"
      local asm = require "spec.support.asm"
      local hook = ebpf.cgroup.open(%q):mprog "cgroup_inet_egress"
      local program = assert(ebpf.program.load{type = "cgroup_skb", insns = asm.verdict(1)})
      if warn then warn "@on" end
      kept = assert(hook:link(program))
      local lost = assert(hook:link(program))
      lost = nil
      collectgarbage() collectgarbage()
      if os.getenv "EXIT" then os.exit(true, true) end
    ]]):format(world():cgroup():path())
    for _, prefix in ipairs {"", "EXIT=1"} do
      local output = system.lua(code, prefix)
      if _VERSION >= "Lua 5.4" then
        assert.matches("^Lua warning: ebpf: link %d+ %(cgroup_inet_egress%) was collected while attached[^\n]*$",
          output)
      else
        assert.equal("", output)
      end
    end
  end)

  it("closes, and neither detaches nor unpins", function()
    local hook = world():hook()
    local a, b = world():programs(2)
    local path = world():pin_path()
    assert(hook:link(a)):pin(path)
    hook:attach(b)
    collect()
    assert.order(hook:query(), a, b)
    assert.is_true(system.exists(path))
    assert.same({}, heard)
  end)
end)
