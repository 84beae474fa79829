-- Others at work on a hook behind our back: libbpf (stranger.c) and bpftool.

local system = require "spec.support.system"

local M = {}

-- Starts a command that works until its input ends and then says how often it did.
local function start(command, output)
  local pipe = assert(io.popen(("%s > %s 2>&1"):format(command, output), "w"))
  assert(system.eventually(function() return (system.read(output) or ""):find "ready" end), system.read(output))
  return function()
    pipe:close()
    local text = system.read(output)
    os.remove(output)
    return assert(tonumber(text:match "(%d+)%s*$"), text)
  end
end

local function ids(programs)
  local list = {}
  for i, program in ipairs(programs) do
    list[i] = program:id()
  end
  return table.concat(list, " ")
end

--- libbpf, which attaches with and without links.
-- @param hook
-- @tparam {Program,…} programs its own
-- @int attach_type as the kernel numbers it
-- @treturn function stops it, and gives how many rounds it made
function M.libbpf(hook, programs, attach_type)
  local about = hook:describe()
  return start(("exec build/spec/support/stranger %s %d %s"):format(about.ifindex or about.where, attach_type,
    ids(programs)), os.tmpname())
end

--- bpftool, which attaches without links: to cgroups; Debian's knows no tcx.
function M.bpftool(hook, program)
  local output = os.tmpname()
  local busy = os.tmpname()
  local stop = start(([[
    (n=0; echo ready
     while [ -e %s ]; do
         bpftool cgroup attach %s egress id %d multi && bpftool cgroup detach %s egress id %d || exit
         n=$((n + 1))
     done
     echo $n)]]):format(busy, hook:describe().where, program:id(), hook:describe().where, program:id()), output)
  return function()
    os.remove(busy)
    return stop()
  end
end

-- libbpf's numbers of the hooks that strangers come to: there is no public way to ask ours.
M.attach_types = {cgroup_inet_egress = 1, tcx_ingress = 46, tcx_egress = 47, netkit_primary = 54, netkit_peer = 55}

--- Whether there is a bpftool here.
function M.has_bpftool()
  local done = os.execute "command -v bpftool > /dev/null"
  return done == true or done == 0
end

return M
