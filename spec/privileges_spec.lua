-- Without privileges: everything fails with a message that says which capability is missing, and nothing is lost.

local system = require "spec.support.system"
local w = require "spec.support.world"

w.describe("a process without privileges", function(world)
  -- What the calls give, one a line: "what: ERRNO: message's end"
  local function run(prefix, setup, ...)
    local calls = {}
    for _, call in ipairs {...} do
      calls[#calls + 1] = ("show(%q, pcall(function() return %s end))"):format(call, call)
    end
    local output = system.lua(([[
      local ebpf = require "ebpf"
      local asm, system = require "spec.support.asm", require "spec.support.system"
      local insns = asm.verdict(1)
      local function show(call, ok, result, message, errno)
        if not ok then print(call .. ": raised " .. tostring(result))
        elseif result ~= nil or not message then print(call .. ": " .. tostring(result))
        else print(call .. ": " .. ebpf.errno[errno] .. ": " .. message:match ": E%%u+: (.*)") end
      end
      local before = system.count_fds()
      do %s %s end
      collectgarbage() collectgarbage()
      if system.count_fds() ~= before then print "descriptors left open" end
    ]]):format(setup, table.concat(calls, "\n")), prefix)
    local lines = {}
    for line in output:gmatch "[^\n]+" do
      lines[#lines + 1] = line
    end
    return lines
  end

  local nobody = "setpriv --reuid=65534 --regid=65534 --clear-groups --inh-caps=-all"

  it("may not load, walk or open by id, and is told which capability is missing", function()
    local id = world():program():id()
    local lines = run(nobody, "",
      'ebpf.program.load{type = "cgroup_skb", insns = insns}',
      'ebpf.map.create{type = "hash", key_size = 4, value_size = 4, max_entries = 1}',
      ("ebpf.program.from_id(%d)"):format(id),
      "ebpf.program.each()()")
    assert.matches("EPERM: this process lacks CAP_BPF", lines[1])
    assert.matches("EPERM: this process lacks CAP_BPF", lines[2])
    assert.matches("EPERM: this process lacks CAP_SYS_ADMIN", lines[3])
    assert.matches("raised .*each program: EPERM: this process lacks CAP_SYS_ADMIN", lines[4])
    assert.is_nil(lines[5])
  end)

  it("may not look at a hook", function()
    local lines = run(nobody,
      ("local hook = assert(ebpf.cgroup.open(%q)):mprog 'cgroup_inet_egress'"):format(world():cgroup():path()),
      "hook:query()")
    assert.matches("EPERM: this process lacks CAP_NET_ADMIN and CAP_SYS_ADMIN", lines[1])
    assert.is_nil(lines[2])
  end)

  it("may not open a device's hook, and is told why that can't even be probed", function()
    local lines = run(nobody, "", 'ebpf.mprog.open("lo", "tcx_ingress")')
    assert.matches("EPERM: cannot tell whether this kernel has tcx .*: this process lacks CAP_BPF, CAP_NET_ADMIN",
      lines[1])
    assert.is_nil(lines[2])
  end)

  it("that can't probe the kernel is told so: neither yes nor no, and asked again the next time", function()
    local output = system.lua(([[
      local ebpf, core = require "ebpf", require "ebpf.core"
      local asm = require "spec.support.asm"
      local hook = assert(ebpf.cgroup.open(%q)):mprog "cgroup_inet_egress"
      local program = ebpf.program.load{type = "cgroup_skb", insns = asm.verdict(1)}
      local probe = core.probe.prog_attach
      core.probe.prog_attach = function() return ebpf.errno.EPERM end
      local feature = ebpf.features().cgroup_order
      print(feature.supported, ebpf.errno[feature.errno])
      print(hook:link(program, {at = "head"}))
      core.probe.prog_attach = probe
      print(ebpf.features().cgroup_order.supported)
    ]]):format(world():cgroup():path()))
    assert.matches("^nil\tEPERM\nnil\tlink .*: EPERM: cannot tell whether this kernel has the order of programs",
      output)
    assert.matches("\t1\n%l+$", output)
    assert.not_matches("nil$", output)
  end)

  it("with CAP_BPF alone may make maps, but neither load for the network nor attach", function()
    local lines = run("setpriv --bounding-set=-all,+bpf --inh-caps=-all,+bpf",
      ("local cg = assert(ebpf.cgroup.open(%q)) local hook = cg:mprog 'cgroup_inet_egress' "
      .. "local program = assert(ebpf.program.load{type = 'cgroup_skb', insns = insns})"):format(
        world():cgroup():path()),
      'ebpf.map.create{type = "hash", key_size = 4, value_size = 4, max_entries = 1} ~= nil',
      'ebpf.program.load{type = "xdp", insns = insns}',
      "hook:link(program)",
      "hook:attach(program)")
    assert.matches("true$", lines[1])
    assert.matches("EPERM: this process lacks CAP_NET_ADMIN, CAP_PERFMON", lines[2])
    assert.matches("EPERM: this process lacks CAP_NET_ADMIN and CAP_SYS_ADMIN", lines[3])
    assert.matches("EPERM: this process lacks CAP_NET_ADMIN and CAP_SYS_ADMIN", lines[4])
    assert.is_nil(lines[5])
  end)

  it("with CAP_NET_ADMIN and CAP_BPF may attach and query, but not learn which link holds a program", function()
    local lines = run("setpriv --bounding-set=-all,+bpf,+net_admin --inh-caps=-all,+bpf,+net_admin", ([[
      local cg = assert(ebpf.cgroup.open(%q))
      local hook = cg:mprog "cgroup_inet_egress"
      local program = assert(ebpf.program.load{type = "cgroup_skb", insns = insns})
      local link = assert(hook:link(program))]]):format(world():cgroup():path()),
      "#hook:query()",
      "hook:query().links_unknown",
      "hook:query()[1].link_id",
      "hook:query{links = false}.links_unknown == nil",
      "hook:detach(program)",
      "link:update(program)",
      "link:close()",
      "#hook:query()")
    assert.matches(": 1$", lines[1])
    assert.matches("each link: EPERM: this process lacks CAP_SYS_ADMIN", lines[2])
    assert.matches(": nil$", lines[3])
    assert.matches("true$", lines[4])
    assert.matches("EBUSY: program %d+ is attached by a link, and which one can't be told: ", lines[5])
    assert.matches("true$", lines[6])
    assert.matches("true$", lines[7])
    assert.matches(": 0$", lines[8])
  end)
end)
