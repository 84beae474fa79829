-- Links and pins: see links.c.

local ebpf = require "ebpf"
local place = require "bench.place"

local M = {}

local function held()
  local hook = place.busy_hook()
  local first, second = place.program(0), place.program(1)
  return place.keep(hook:link(first)), first, second
end

function M.link_create_close()
  local hook, program = place.busy_hook(), place.program(0)
  return function(count)
    for _ = 1, count do
      assert(hook:link(program)):close()
    end
  end
end

function M.link_update()
  local link, first, second = held()
  return function(count)
    for _ = 1, count, 2 do
      if not (link:update(second) and link:update(first)) then
        error "update"
      end
    end
  end
end

function M.link_info()
  local link = held()
  return function(count)
    for _ = 1, count do
      place.seen = assert(link:info()) -- made, even where a compiler sees that only a field of it is read
    end
  end
end

local function path()
  return "/sys/fs/bpf/" .. place.name()
end

function M.pin_unpin()
  local link = held()
  local pin = place.keep(ebpf.pin.at(path()))
  return function(count)
    for _ = 1, count do
      assert(pin:put(link))
      assert(pin:remove())
    end
  end
end

function M.pin_unpin_path()
  local link = held()
  local where = path()
  return function(count)
    for _ = 1, count do
      local pin = assert(link:pin(where))
      assert(pin:remove())
      pin:close()
    end
  end
end

function M.pin_open()
  local link = held()
  local pin = place.keep(ebpf.pin.at(path()))
  assert(pin:put(link))
  return function(count)
    for _ = 1, count do
      assert(pin:get()):close()
    end
  end
end

function M.walk()
  return function(count)
    for _ = 1, count do
      local links = 0
      for link in ebpf.link.each() do
        links = links + (link:info().program_id ~= 0 and 1 or 0)
      end
      assert(links > 0)
    end
  end
end

return M
