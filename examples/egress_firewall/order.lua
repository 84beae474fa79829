-- (a) The policy and the counter in one order, then in the other: the count differs.

local ebpf = require "ebpf"
local draw = require "chain".draw
local say = require "say"

local BURST = 100 -- datagrams

local function burst(demo)
  demo:reset_counts()
  local tally = demo.traffic:burst(BURST)
  local counted, ran_after_refusal = demo.counted:get(0), demo.counted:get(1)
  say("sent %d: refused %d, arrived %d; the counter counted %d (and ran for %d that were refused before it)",
    tally.sent, tally.refused, tally.arrived, counted, ran_after_refusal)
  return counted, tally.arrived
end

-- Without ordering in the kernel, the policy has to come off and go on again behind the counter.
local function counter_first_by_sequence(demo, policy_link)
  local _, message = demo.hook:link(demo.counter, {before = policy_link})
  say("asked for before = the policy's link: %s", message)
  assert(policy_link:detach())
  local counter_link = assert(demo.hook:link(demo.counter))
  policy_link:close()
  return counter_link, assert(demo.hook:link(demo.policies[1]))
end

return function(demo)
  local hook = demo.hook
  local ordered = ebpf.features().cgroup_order.supported
  draw(hook, "nothing attached")
  local open = demo.traffic:burst(BURST)
  say("sent %d: refused %d, arrived %d", open.sent, open.refused, open.arrived)

  local policy_link = assert(hook:link(demo.policies[1]))
  local counter_link = assert(hook:link(demo.counter))
  draw(hook, "the policy, then the counter")
  local counted_last, arrived = burst(demo)

  counter_link:close()
  if ordered then
    counter_link = assert(hook:link(demo.counter, {before = policy_link}))
  else
    counter_link, policy_link = counter_first_by_sequence(demo, policy_link)
  end
  draw(hook, ordered and "the counter again, before = the policy's link" or "the counter attached first")
  local counted_first, arrived_again = burst(demo)

  policy_link:close()
  counter_link:close()
  draw(hook, "both links closed")
  return open.arrived == BURST and counted_last == 0 and counted_first == BURST and arrived + arrived_again == 0,
    ("order: of %d packets the counter counts %d behind the policy, %d before it%s"):format(BURST, counted_last,
      counted_first, ordered and "" or " (ordered by attaching again: this kernel has no other way)")
end
