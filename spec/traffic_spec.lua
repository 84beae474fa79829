-- Swaps under traffic: no packet meets both programs or neither. Real datagrams on loopback from a process in the
-- cgroup.

local asm = require "spec.support.asm"
local ebpf = require "ebpf"
local socket = require "socket"
local system = require "spec.support.system"
local w = require "spec.support.world"

w.describe("a swap under traffic", function(world)
  local SWAPS = 300

  -- A process that floods a port of ours from within the cgroup, until it is killed.
  local function flood(cgroup, port)
    return system.start(([[
      local socket = require "socket"
      local procs = io.open(%q .. "/cgroup.procs", "w")
      procs:write "0"
      procs:close()
      local udp = socket.udp4()
      print "ready" io.stdout:flush()
      while true do udp:sendto("x", "127.0.0.1", %d) end
    ]]):format(cgroup:path(), port))
  end

  -- Swaps between two droppers that count; gives how many packets each way were counted and how many got through.
  local function run(swap)
    local cgroup = world():cgroup()
    local hook = world():hook(nil, cgroup)
    local cells = {world():cell(), world():cell()}
    local droppers = {}
    for i, cell in ipairs(cells) do
      droppers[i] = world():keep(ebpf.program.load{type = "cgroup_skb", insns = asm.counter(cell:fd(), 0)})
    end
    local receiver, port = world():receiver()
    local change = swap(hook, droppers)
    local sender = flood(cgroup, port)
    sender.line()
    for i = 1, SWAPS do
      assert(change(droppers[i % 2 + 1]))
      if i % 25 == 0 then -- wait until this one has had its share; 25 is odd, so both come to it
        local target = cells[i % 2 + 1]
        local before = target:get(0)
        assert.is_true(system.eventually(function() return target:get(0) > before end))
      end
    end
    local counted = {cells[1]:get(0), cells[2]:get(0)}
    sender.kill()
    local escaped = w.received(receiver)
    assert.equal(1, #hook:query())
    return escaped, counted[1], counted[2]
  end

  it("by replace lets nothing through", function()
    local escaped, one, two = run(function(hook, droppers)
      local attachment = world():keep(hook:attach(droppers[1]))
      return function(program) return attachment:replace(program) end
    end)
    assert.equal(0, escaped)
    assert.is_true(one > 0 and two > 0)
  end)

  it("by link:update lets nothing through", function()
    local escaped, one, two = run(function(hook, droppers)
      local link = world():keep(hook:link(droppers[1]))
      return function(program) return link:update(program) end
    end)
    assert.equal(0, escaped)
    assert.is_true(one > 0 and two > 0)
  end)

  it("would be noticed if it let something through", function()
    local escaped = run(function(hook, droppers)
      local link = world():keep(hook:link(droppers[1]))
      return function(program)
        link:close()
        system.eventually(function() return #hook:query{links = false} == 0 end)
        socket.sleep(0.0005) -- the gap
        link = world():keep(hook:link(program))
        return link
      end
    end)
    assert.is_true(escaped > 0)
  end)
end)
