-- usage: demo.lua [POLICY.bpf.o]
-- Four claims, shown on real packets from a process in a cgroup. As root; see README.md.

local here = arg[0]:match "^(.*/)" or "./"
package.path = here .. "?.lua;" .. package.path

local ebpf = require "ebpf"
local socket = require "socket"
local stages = require "stage"
local traffics = require "traffic"

local claims = {
  {"(a) order decides what a program sees", require "order"},
  {"(b) swaps under traffic, and nothing escapes", require "swap"},
  {"(c) the owner is killed", require "kill"},
  {"(d) the cgroup is removed", require "sever"},
}

local demo = {stage = stages.new(here)}
demo.object_path = arg[1] or here .. "../../build/examples/egress_firewall/policy.bpf.o"

function demo:load()
  local object = assert(ebpf.object.open(self.object_path, {rodata = {forbidden_port = self.traffic.port}}))
  assert(object:load())
  self.policies = {assert(object:program "policy_v1"), assert(object:program "policy_v2")}
  self.counter = assert(object:program "counter")
  self.refused, self.counted = assert(object:map "refused"), assert(object:map "counted")
  object:close()
end

function demo:reset_counts()
  for key = 0, 1 do
    assert(self.refused:set(key, 0))
    assert(self.counted:set(key, 0))
  end
end

local function first_line(command)
  local pipe = io.popen(command)
  local line = pipe:read "*l"
  pipe:close()
  return line
end

local function introduce()
  local order = ebpf.features().cgroup_order
  print(("Linux %s, %s: the order of a cgroup's programs can%s be chosen"):format(first_line "uname -r",
    rawget(_G, "jit") and jit.version or _VERSION, order.supported and "" or "not"))
  print(("UDP to 127.0.0.1:%d from %s is forbidden"):format(demo.traffic.port, demo.stage.cgroup_path))
end

-- Each claim gives whether it holds and a line of numbers, or fails.
local function show(verdicts)
  demo.stage:set()
  demo.hook = demo.stage.hook
  demo.traffic = traffics.start(demo.stage)
  demo:load()
  introduce()
  for index, claim in ipairs(claims) do
    local started = socket.gettime()
    print("\n" .. claim[1])
    local holds, numbers = claim[2](demo)
    verdicts[index] = {holds = holds, text = ("%s [%.1f s]"):format(numbers, socket.gettime() - started)}
  end
end

io.stdout:setvbuf "line"
local verdicts = {}
local finished, message = xpcall(function() show(verdicts) end, debug.traceback)
demo.stage:clear()

print ""
local failed = 0
for index, claim in ipairs(claims) do
  local verdict = verdicts[index] or {text = claim[1] .. ": not shown"}
  failed = failed + (verdict.holds and 0 or 1)
  print((verdict.holds and "PASS " or "FAIL ") .. verdict.text)
end
if not finished then
  print(message)
end
os.exit(failed == 0 and 0 or 1)
