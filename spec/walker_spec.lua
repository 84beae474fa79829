-- Proof of order: random walks on every list, compared with a model of it after every step.
-- make soak takes 1,000,000 steps; EBPF_WALK_SEED, or its SEED=, takes the steps of a walk that failed again.

local ebpf = require "ebpf"
local socket = require "socket"
local system = require "spec.support.system"
local w = require "spec.support.world"
local walker = require "spec.support.walker"

local STEPS = tonumber(os.getenv "EBPF_WALK_STEPS") or 20000
local SEED = tonumber(os.getenv "EBPF_WALK_SEED") or math.floor(socket.gettime()) % 1000000 * 1000 -- a leg adds one


local function run(command)
  local done = os.execute(command .. " 2> /dev/null")
  return done == true or done == 0
end

-- At every change of a device's list the kernel waits for a grace period, for milliseconds where it isn't hurried, as
-- it is in the VM: elsewhere a walk on a device goes on for so many seconds only.
local SECONDS = tonumber(os.getenv "EBPF_WALK_SECONDS") or 20
local IN_VM = (system.read "/proc/cmdline"):find("guest.job=", 1, true) ~= nil

w.describe("a random walk", function(world)
  local features = ebpf.features()

  local function walk(spec)
    local seconds = not IN_VM and spec.kind ~= "cgroup" and SECONDS or nil
    local result = walker.new(world(), spec):run(SEED, STEPS, seconds)
    local full = spec.kind == "cgroup" and "E2BIG" or "ERANGE"
    for _, answer in ipairs {true, "EEXIST", "EBUSY", "ENOENT", "EPERM", "ENOLINK", spec.ordered and "ESTALE" or true,
      spec.kind == "cgroup" and spec.ordered and "EINVAL" or true, full} do
      if not result.told[answer] and result.steps >= 20000 then
        error(("none of %d steps from SEED=%d was answered by %s"):format(result.steps, SEED, tostring(answer)))
      end
    end
  end

  it("on a cgroup and its parent finds nothing but what is documented", function()
    local parent = world():cgroup()
    walk{
      name = "a cgroup", kind = "cgroup",
      hooks = {world():hook(nil, parent), world():hook(nil, world():cgroup(parent))},
      ordered = features.cgroup_order.supported, preorder = features.cgroup_preorder.supported,
    }
  end)

  local function hooks_of(device, one, other)
    return {world():keep(ebpf.mprog.open(device, one)), world():keep(ebpf.mprog.open(device, other))}
  end

  w.it_needs("tcx", "on tcx, both ways, finds nothing but what is documented", function()
    walk{name = "tcx", kind = "tcx", ordered = true, hooks = hooks_of("lo", "tcx_ingress", "tcx_egress")}
  end)

  w.it_needs("netkit", "on netkit, both ends, finds nothing but what is documented", function()
    assert(run "ip link add walk type netkit")
    walk{name = "netkit", kind = "netkit", ordered = true, hooks = hooks_of("walk", "netkit_primary", "netkit_peer")}
    assert(run "ip link del walk")
  end)
end)
