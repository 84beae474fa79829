-- Links of USDT probes: one program at several places of a binary file, for every process that runs it.

local ebpf = require "ebpf"
local system = require "spec.support.system"
local w = require "spec.support.world"

local BINARY = "build/spec/support/usdt"
local HIT = "usdt/" .. BINARY .. ":lua_ebpf:hit"

w.describe("a link of USDT probes", function(world)
  local function loaded()
    if not system.exists "/sys/bus/event_source/devices/uprobe" then
      w.skip "no uprobes in this kernel"
    end
    local object = world():keep(ebpf.object.open "build/spec/support/usdt.bpf.o")
    local done, message = object:load()
    if not done then
      w.skip("not loaded here: " .. message)
    end
    return object
  end

  local function program(object, name)
    return world():keep(object:program(name or "hit"))
  end

  local function attached(object, name)
    return assert(ebpf.link.auto(program(object, name)))
  end

  local function sum(object)
    return world():keep(object:map "sum")
  end

  -- Makes another process pass "hit" so many times: the first says 40, the second 2, the third 40 …
  local function hits(count)
    assert.is_true(system.succeeds(("printf '%s' | %s > /dev/null"):format(("\\n"):rep(count), BINARY)))
  end

  it("runs at all places of the probe with each one's arguments, until it is closed", function()
    local object = loaded()
    local total = sum(object)
    local link = attached(object)
    hits(1)
    assert.equal(40, total:get(0))
    hits(2)
    assert.equal(82, total:get(0))
    assert.is_true(link:alive())
    link:close()
    hits(2)
    assert.equal(82, total:get(0))
  end)

  it("keeps what it needs of its object, closed or collected, until it is closed itself", function()
    collectgarbage()
    local before = system.count_fds()
    local object = loaded()
    local total = object:map "sum"
    local link = attached(object)
    object:close()
    hits(2)
    assert.equal(42, total:get(0))
    object = nil -- luacheck: ignore
    world().handles = {} -- and so nothing else holds it
    collectgarbage()
    collectgarbage()
    hits(2)
    assert.equal(84, total:get(0))
    link:close()
    hits(2)
    assert.equal(84, total:get(0))
    total:close()
    collectgarbage()
    collectgarbage()
    assert.equal(before, system.count_fds())
  end)

  it("has room beside another, as often as one is closed", function()
    local object = loaded()
    local total = sum(object)
    local first = world():keep(attached(object))
    local second, message, errno = ebpf.link.auto(program(object))
    if not second then
      assert.fails({second, message, errno}, "EEXIST", "before Linux 5.15")
      return
    end
    -- Not once one has been closed: up to 1.2 libbpf frees twice where none is left of those that were given back.
    assert.fails({ebpf.link.auto(program(object))}, "E2BIG", "has no room for another")
    second:close()
    second = attached(object)
    hits(2)
    assert.equal(84, total:get(0))
    first:close()
    hits(2)
    assert.equal(126, total:get(0))
    second:close()
  end)

  it("tells what it is, and what it has not", function()
    local object = loaded()
    local hit = program(object)
    local link = world():keep(attached(object))
    assert.same({type = "usdt", path = BINARY, provider = "lua_ebpf", name = "hit", program_id = hit:id()}, link:info())
    assert.equal("ebpf.link: " .. HIT, tostring(link))
    assert.is_nil(link:fd())
    assert.fails({link:id()}, "EOPNOTSUPP", "has no id for all")
    assert.fails({link:update(hit)}, "EOPNOTSUPP", "close it, and make another")
    assert.fails({link:detach()}, "EOPNOTSUPP", "close it")
    assert.fails({link:pin(world():pin_path())}, "EOPNOTSUPP", "can't be pinned as one")
    assert.fails({world():pin():swap(link)}, "EOPNOTSUPP", "can't be pinned as one")
    assert.fails({link:cloexec(false)}, "EOPNOTSUPP", "no descriptor of its own")
    local ok, message = pcall(function() return link:lines() end)
    assert.is_false(ok)
    assert.matches("link lines " .. HIT .. ": EINVAL: only the link of an iterator program has lines", message, 1, true)
    ok, message = pcall(function() world():hook():link(world():program(), {before = link}) end)
    assert.is_false(ok)
    assert.matches("is on no hook", message)
    link:close()
    assert.equal("ebpf.link (closed)", tostring(link))
    assert.has_error(function() link:info() end)
    assert.is_true(link:close())
  end)

  it("says when it is collected, and its probes go with it", function()
    local object = loaded()
    local total = sum(object)
    local heard = {}
    ebpf.on_collect(function(...) heard[#heard + 1] = {...} end)
    finally(function() require "spec.support.helper".listen() end)
    attached(object)
    collectgarbage()
    collectgarbage()
    assert.same({1, 0, "usdt"}, {#heard, heard[1][1], heard[1][2]})
    assert.matches("usdt_spec.lua:%d+", heard[1][3])
    hits(1)
    assert.equal(0, total:get(0))
  end)

  -- What comes first when the state is closed is not said; under valgrind this is where a mistake shows.
  it("ends with its Lua state, in either order with its object", function()
    loaded()
    for _, order in ipairs {"object, program, link", "link, program, object"} do
      local output = system.lua(([[
        local ebpf = require "ebpf"
        local object = assert(ebpf.object.open "build/spec/support/usdt.bpf.o")
        assert(object:load())
        local program = object:program "hit"
        local link = assert(ebpf.link.auto(program))
        kept = {%s}
        print(link:info().type)
      ]]):format(order))
      assert.equal("usdt", output)
    end
  end)

  if jit then -- which can fork
    it("goes on when a process that was forked closes it, or ends", function()
      loaded()
      local output = system.lua(([[
        local ebpf = require "ebpf"
        local ffi = require "ffi"
        io.stdout:setvbuf "no"
        ffi.cdef "int fork(void); int wait(int *status);"
        local object = assert(ebpf.object.open "build/spec/support/usdt.bpf.o")
        assert(object:load())
        local sum = object:map "sum"
        local link = assert(ebpf.link.auto(object:program "hit"))
        for _, closes in ipairs {true, false} do
          if ffi.C.fork() == 0 then
            if closes then
              link:close()
              object:close()
            end
            os.exit(0, true)
          end
          ffi.C.wait(nil)
          os.execute "echo | %s > /dev/null"
          print(sum:get(0))
        end
        link:close()
        os.execute "echo | %s > /dev/null"
        print(sum:get(0))
      ]]):format(BINARY, BINARY))
      assert.equal("40\n80\n80", output)
    end)
  end

  it("is on a program that may lie anywhere in memory, or says since when it can be", function()
    local link, message, errno = ebpf.link.auto(program(loaded(), "anywhere"))
    if link then
      assert.equal(BINARY .. ".pie", world():keep(link):info().path)
    else
      assert.fails({link, message, errno}, "EOPNOTSUPP", "before Linux 5.15")
    end
  end)

  it("is refused where there is no such probe or file, or the program has no maps for it", function()
    local object = loaded()
    assert.fails({ebpf.link.auto(program(object, "none"))}, "ENOENT", "no such probe in it")
    assert.fails({ebpf.link.auto(program(object, "nowhere"))}, "ENOENT", "there is no such file")
    local plain = world():keep(ebpf.object.open "build/spec/support/auto.bpf.o")
    assert(plain:load())
    assert.fails({ebpf.link.auto(program(plain, "usdt"))}, "ESRCH", "compiled without bpf/usdt.bpf.h")
  end)
end)
