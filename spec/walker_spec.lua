-- Proof of order: random walks on every list, compared with a model of it after every step.
-- EBPF_WALK_STEPS=1000000 EBPF_WALK_SEED=1 make test-host SPEC=spec/walker_spec.lua; make soak does that.

local ebpf = require "ebpf"
local socket = require "socket"
local w = require "spec.support.world"
local walker = require "spec.support.walker"

local STEPS = tonumber(os.getenv "EBPF_WALK_STEPS") or 20000
local SEED = tonumber(os.getenv "EBPF_WALK_SEED") or math.floor(socket.gettime()) % 1000000 * 100


local function run(command)
  local done = os.execute(command .. " 2> /dev/null")
  return done == true or done == 0
end

-- Where the kernel waits for a grace period at every change of a device's list (15 ms, with more CPUs than one), a walk
-- goes on for so many seconds only, unless the number of steps was asked for.
local SECONDS = 20

w.describe("a random walk", function(world)
  local features = ebpf.features()

  local function walk(spec)
    local result = walker.new(world(), spec):run(SEED, STEPS, not os.getenv "EBPF_WALK_STEPS" and SECONDS or nil)
    if os.getenv "VERBOSE" then
      local told = {}
      for what, count in pairs(result.told) do
        told[#told + 1] = (what == true and "done" or what) .. " " .. count
      end
      table.sort(told)
      print(("%s: %d steps, SEED=%d, %.0f us a step: %s"):format(spec.name, result.steps, SEED,
        result.seconds / result.steps * 1e6, table.concat(told, ", ")))
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
