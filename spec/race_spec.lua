-- Several at once on one hook: processes with this library, each in transactions; and others, who know nothing of it
-- (libbpf, bpftool), behind its back.

local asm = require "spec.support.asm"
local ebpf = require "ebpf"
local socket = require "socket"
local stranger = require "spec.support.stranger"
local system = require "spec.support.system"
local w = require "spec.support.world"
local walker = require "spec.support.walker"

local function run(command)
  local done = os.execute(command .. " 2> /dev/null")
  return done == true or done == 0
end

local kinds = {
  {kind = "cgroup", feature = "cgroup_order", type = "cgroup_inet_egress", program = "cgroup_skb"},
  {kind = "tcx", feature = "tcx", type = "tcx_ingress", other = "tcx_egress", program = "sched_cls"},
  {kind = "netkit", feature = "netkit", type = "netkit_primary", other = "netkit_peer", program = "sched_cls"},
}

for _, row in ipairs(kinds) do
  w.describe("at once on " .. row.kind, function(world)
    local hook, cgroup, opener, device

    local function load(count)
      local list = {}
      for i = 1, count do
        list[i] = world():program(nil, {type = row.program, insns = asm.verdict(row.kind == "cgroup" and 1 or -1, i)})
      end
      return list
    end

    local function it_needs(name, body)
      w.it_needs(row.feature, name, function()
        if row.kind == "cgroup" then
          cgroup = world():cgroup()
          hook = world():hook(row.type, cgroup)
          opener = ("ebpf.cgroup.open(%q):mprog(%q)"):format(cgroup:path(), row.type)
        else
          device = row.kind == "tcx" and "lo" or "race"
          assert(row.kind == "tcx" or run "ip link add race type netkit")
          hook = world():keep(ebpf.mprog.open(device, row.type))
          opener = ("ebpf.mprog.open(%q, %q)"):format(device, row.type)
        end
        local ok, message = pcall(body)
        for _, entry in ipairs(hook:query()) do -- a device outlives the test
          if not entry.link_id then hook:detach(entry) end
        end
        if device == "race" then run "ip link del race" end
        assert(ok, message)
      end)
    end

    -- Each process puts its programs directly behind the last one of its own, others' in between or not. If an update
    -- were lost or a stale list acted upon, a program would be missing or a process's own would not stand in its order.
    local function race(processes, each, disturb)
      local running = {}
      local start = os.tmpname()
      os.remove(start)
      for index = 1, processes do
        running[index] = system.start(([[
          local ebpf = require "ebpf"
          local asm = require "spec.support.asm"
          local socket = require "socket"
          local hook = assert(%s)
          local last, ids, tries = nil, {}, 0
          print "ready" io.stdout:flush()
          while not io.open(%q) do socket.sleep(0.001) end
          for i = 1, %d do
            local program = assert(ebpf.program.load{type = %q, insns = asm.verdict(%d, %d * 1000 + i)})
            assert(hook:transact(function(snapshot, at)
              tries = tries + 1
              if tries %% 3 == 0 then socket.sleep(0.002) end -- so that others come in between, on one CPU too
              local opts = {at = "head"}
              for position, entry in ipairs(snapshot) do
                if entry.program_id == last then opts = {after = snapshot[position]} end
              end
              return at:attach(program, opts)
            end, {tries = 100000, links = false})):close()
            last = program:id()
            ids[i] = last
          end
          print(tries, table.concat(ids, " "))
        ]]):format(opener, start, each, row.program, row.kind == "cgroup" and 1 or -1, index))
      end
      for _, process in ipairs(running) do
        assert.equal("ready", process.line())
      end
      local stop = disturb and disturb()
      system.write(start, "now")
      local owner, tries = {}, 0
      for index, process in ipairs(running) do
        local line = process.line()
        tries = tries + tonumber(line:match "^%d+")
        local position = 0
        for id in line:match "\t(.*)$":gmatch "%d+" do
          position = position + 1
          owner[tonumber(id)] = {index, position}
        end
        process.close()
      end
      local rounds = stop and stop()
      local list = hook:query{links = false}
      assert.equal(processes * each, #list)
      if not disturb then
        assert.equal(processes * each + 1, list.revision)
      end
      local reached = {}
      for _, entry in ipairs(list) do
        local index, position = owner[entry.program_id][1], owner[entry.program_id][2]
        assert.equal((reached[index] or 0) + 1, position)
        reached[index] = position
      end
      os.remove(start)
      assert.is_true(tries > processes * each, "the processes never met")
      return rounds
    end

    for _, case in ipairs {{2, 30}, {4, 15}} do
      it_needs(("%d processes lose no update and mix no order"):format(case[1]), function()
        race(case[1], case[2])
      end)
    end

    it_needs("two processes lose no update while libbpf comes and goes", function()
      local own = load(2)
      local rounds = race(2, 25, function() return stranger.libbpf(hook, own, stranger.attach_types[row.type]) end)
      assert.is_true(rounds > 0)
    end)

    it_needs("a random walk keeps what is ours in order while libbpf comes and goes", function()
      local other
      if row.kind == "cgroup" then
        other = world():hook(row.type, world():cgroup(cgroup))
      else
        other = world():keep(ebpf.mprog.open(device, row.other))
      end
      local own = load(3)
      local walk = walker.new(world(), {name = row.kind .. " among strangers", kind = row.kind, ordered = true,
        preorder = row.kind == "cgroup", strangers = true, hooks = {hook, other}})
      local stop = stranger.libbpf(hook, own, stranger.attach_types[row.type])
      local ok, message = pcall(walk.run, walk, math.floor(socket.gettime() * 10) % 1000000, 1000, 5)
      local rounds = stop()
      assert(ok, message)
      assert.is_true(rounds > 0)
    end)

    if row.kind == "cgroup" then
      it_needs("two processes lose no update while bpftool comes and goes", function()
        if not stranger.has_bpftool() then
          return w.skip "no bpftool here"
        end
        local own = load(1)
        race(2, 25, function() return stranger.bpftool(hook, own[1]) end)
      end)
    end
  end)
end
