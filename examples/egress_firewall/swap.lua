-- (b) The policy is swapped again and again while packets flow: none escapes it, and none meets two versions.

local socket = require "socket"
local draw = require "chain".draw
local say = require "say"

local SWAPS = 1000
local PATIENCE = 20 -- seconds without a packet
local NAP = 0.0002 -- seconds; leaves the CPU to the sender where there is only one

-- A version is swapped out only after it has refused a packet: so there is traffic around every swap.
local function await_packet(demo, version, before)
  local deadline = socket.gettime() + PATIENCE
  while demo.refused:get(version - 1) == before do
    assert(socket.gettime() < deadline, "no packet for too long: the traffic has stopped")
    socket.sleep(NAP)
  end
  demo.traffic:look()
end

-- Calls swap(version) under traffic, from version 1. The tally also has `refusals`: what both versions counted.
local function under_traffic(demo, swap)
  demo:reset_counts()
  demo.traffic:stream()
  await_packet(demo, 1, 0)
  local started = socket.gettime()
  for number = 1, SWAPS do
    local version = number % 2 + 1
    local before = demo.refused:get(version - 1)
    swap(version)
    await_packet(demo, version, before)
  end
  local seconds = socket.gettime() - started
  local tally = demo.traffic:stop()
  local first, second = demo.refused:get(0), demo.refused:get(1)
  tally.refusals = first + second
  say("%d swaps (%.0f/s) during %d packets (%.0f/s), some between any two swaps", SWAPS, SWAPS / seconds, tally.sent,
    tally.sent / tally.seconds)
  say("refused %d times; v1 counted %d, v2 %d, together %d; ESCAPED %d, arrived %d", tally.refused, first, second,
    tally.refusals, tally.passed, tally.arrived)
  return tally
end

-- The counter stands behind the policy, and the new version where the old one stood.
local function report_counter(demo, tally)
  tally.behind = demo.counted:get(0)
  draw(demo.hook, "after")
  say("the counter, behind the policy all the time, met %d packets that were not refused", tally.behind)
end

local function by_replace(demo)
  local attachment = assert(demo.hook:attach(demo.policies[1]))
  assert(demo.hook:attach(demo.counter)):close()
  draw(demo.hook, "hook:replace, before")
  local tally = under_traffic(demo, function(version)
    local former = attachment
    attachment = assert(demo.hook:replace(former, demo.policies[version]))
    former:close()
  end)
  report_counter(demo, tally)
  assert(attachment:detach())
  assert(demo.hook:detach(demo.counter))
  return tally
end

local function by_update(demo)
  local link = assert(demo.hook:link(demo.policies[1]))
  local counter_link = assert(demo.hook:link(demo.counter))
  draw(demo.hook, "link:update, before")
  local present = demo.policies[1]
  local tally = under_traffic(demo, function(version)
    assert(link:update(demo.policies[version], present))
    present = demo.policies[version]
  end)
  report_counter(demo, tally)
  link:close()
  counter_link:close()
  return tally
end

-- The control: what escapes where nothing is swapped in place. It shows that an escape would have been seen.
local function by_detaching(demo, pause)
  local attachment = assert(demo.hook:attach(demo.policies[1]))
  draw(demo.hook, "for comparison: detach, " .. (pause and "nap for 0.2 ms, " or "") .. "attach; before")
  local tally = under_traffic(demo, function(version)
    assert(attachment:detach())
    attachment:close()
    if pause then
      socket.sleep(NAP)
    end
    attachment = assert(demo.hook:attach(demo.policies[version]))
  end)
  draw(demo.hook, "after")
  assert(attachment:detach())
  return tally
end

-- A packet that met no version passed; one that met both was counted twice.
local function airtight(tally)
  return tally.passed == 0 and tally.arrived == 0 and tally.behind == 0 and tally.refusals == tally.sent
end

return function(demo)
  local replaced, updated = by_replace(demo), by_update(demo)
  local detached = by_detaching(demo, false)
  if detached.passed == 0 then -- on one CPU the sender seldom gets its turn between two system calls
    detached = by_detaching(demo, true)
  end
  return airtight(replaced) and airtight(updated) and detached.passed > 0,
    ("swap: escaped %d in %d by hook:replace, %d in %d by link:update (%d by detaching and attaching)"):format(
      replaced.passed, SWAPS, updated.passed, SWAPS, detached.passed)
end
