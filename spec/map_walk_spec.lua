-- Walks while others write: each key once, none of those that stay left out, and an end.

local ebpf = require "ebpf"
local socket = require "socket"
local system = require "spec.support.system"
local w = require "spec.support.world"

w.describe("a walk of", function(world)
  local WRITERS, KEYS, SECONDS = 4, 600, 0.1

  -- In what the kernel's batches go on: a bucket; a key; and a type that has none, which is walked key by key.
  local kinds = {
    {type = "hash", key_size = 4, value_size = 8},
    {type = "lru_hash", key_size = 4, value_size = 8, max_entries = 20 * KEYS}, -- nothing is evicted
    {type = "lpm_trie", key_size = 7, value_size = 8},
    {type = "devmap_hash", key_size = 4, value_size = 4},
  }

  -- The same text makes keys here and in the writers: the i-th of a type.
  local key_of = [[
    return function(kind, i)
      if kind == "lpm_trie" then
        return "\24\0\0\0" .. string.char(math.floor(i / 256), i % 256, 1)
      end
      return i
    end
  ]]
  local key = (loadstring or load)(key_of)() -- luacheck: ignore

  local function create(spec)
    local map = world():keep(ebpf.map.create{
      type = spec.type, key_size = spec.key_size, value_size = spec.value_size, max_entries = spec.max_entries or KEYS,
    })
    local keys, values = {}, {}
    for i = 1, KEYS do
      keys[i], values[i] = key(spec.type, i), 1
    end
    assert.equal(KEYS, map:batch_set(keys, values))
    return map, keys
  end

  -- Processes that delete every second key of each map and write it again or not, until they are killed. They rest now
  -- and then, so that on one CPU, too, the walk is interrupted at many places, and gets on.
  local function start_writers(maps)
    local opened = {}
    for kind, map in pairs(maps) do
      opened[#opened + 1] = ("%s = assert(ebpf.map.from_id(%d))"):format(kind, map:id())
    end
    local running = {}
    for number = 1, WRITERS do
      running[number] = system.start(([[
        local ebpf, socket = require "ebpf", require "socket"
        local maps = {%s}
        local key = (function() %s end)()
        math.randomseed(%d)
        print "ready" io.stdout:flush()
        while true do
          for kind, map in pairs(maps) do
            for _ = 1, 50 do
              local one = key(kind, 2 * math.random(%d))
              map:delete(one)
              if math.random(2) == 1 then map:set(one, 1) end
            end
          end
          socket.sleep(0.0005)
        end
      ]]):format(table.concat(opened, ", "), key_of, number, KEYS / 2))
    end
    for _, process in ipairs(running) do
      assert.equal("ready", process.line())
    end
    return function()
      for _, process in ipairs(running) do
        process.kill()
      end
    end
  end

  local function collect(map)
    local seen, given = {}, 0
    for found, value in map:each() do
      if seen[found] then
        error("key " .. tostring(found) .. " was given twice")
      end
      seen[found], given = value, given + 1
    end
    return seen, given
  end

  local function missed(found, keys)
    local count = 0
    for i = 1, KEYS, 2 do
      if found[keys[i]] ~= 1 then
        count = count + 1
      end
    end
    return count
  end

  it("a map under four writers gives each key once, leaves out none that stays, and ends", function()
    local maps, keys = {}, {}
    for _, spec in ipairs(kinds) do
      maps[spec.type], keys[spec.type] = create(spec)
    end
    local stop = start_writers(maps)
    local ok, message = pcall(function()
      for kind, map in pairs(maps) do
        local walks, fewest = 0, KEYS
        local deadline = socket.gettime() + SECONDS
        repeat
          local seen, given = collect(map)
          assert.same({kind, 0, 0}, {kind, missed(seen, keys[kind]), missed(map:dump(), keys[kind])})
          walks, fewest = walks + 1, math.min(fewest, given)
        until walks > 1 and socket.gettime() > deadline
        assert.is_true(fewest >= KEYS / 2 and fewest < KEYS)
      end
    end)
    stop()
    assert(ok, message)
  end)

  for _, spec in ipairs(kinds) do
    it(spec.type .. " lets the body delete what it is given: all, every second, every seventh", function()
      for _, every in ipairs {1, 2, 7} do
        local map = create(spec)
        local given, left = 0, 0
        for found in map:each() do
          given = given + 1
          if given % every == 0 then
            assert(map:delete(found))
          else
            left = left + 1
          end
        end
        assert.equal(KEYS, given)
        local _, count = collect(map)
        assert.equal(left, count)
        map:close()
      end
    end)
  end

  it("anything may be left early, begun anew, and made of nothing", function()
    local map = create(kinds[1])
    local step = map:each()
    local first, second = (step()), (step())
    assert.not_equal(first, second)
    assert.equal(first, (map:each()()))
    map:clear()
    assert.is_nil((map:each()()))
    assert.same({}, map:dump())
  end)

  it("an array is by index, of each one", function()
    local map = world():keep(ebpf.map.create{type = "array", value_size = 4, max_entries = 20000})
    map:set(19999, 5)
    local expected = 0
    for index, value in map:each() do
      if index ~= expected or value ~= (index == 19999 and 5 or 0) then
        error(("index %d, value %d"):format(index, value))
      end
      expected = expected + 1
    end
    assert.equal(20000, expected)
  end)

  it("elements larger than a batch's buffers is one of few at a time", function()
    local map = world():keep(ebpf.map.create{type = "hash", key_size = 300, value_size = 30000, max_entries = 40})
    for i = 1, 40 do
      assert(map:set(("%03d"):format(i):rep(100), string.char(i):rep(30000)))
    end
    local sum = 0
    for name, value in map:each() do
      assert.same({300, 30000}, {#name, #value})
      sum = sum + value:byte(1)
    end
    assert.equal(820, sum)
  end)

  it("a map that is closed by the body ends with an error at the next batch, not before", function()
    local map = world():keep(ebpf.map.create{type = "array", value_size = 8, max_entries = 20000})
    local given = 0
    local ok, message = pcall(function()
      for _ in map:each() do
        given = given + 1
        map:close()
      end
    end)
    assert.is_false(ok)
    assert.matches("map is closed", message)
    assert.is_true(given > 0 and given < 20000)
  end)

  it("a map gives each element to one, be it a finalizer that steps the same iterator", function()
    local map = world():keep(ebpf.map.create{type = "array", value_size = 24, max_entries = 3000})
    local step = map:each()
    local elsewhere = 0
    local function finalizer()
      local function body()
        local ok, index = pcall(step) -- at work just now, it refuses; else it gives the next element
        elsewhere = elsewhere + (ok and index and 1 or 0)
      end
      if newproxy then -- luacheck: ignore
        getmetatable(newproxy(true)).__gc = body -- luacheck: ignore
      else
        setmetatable({}, {__gc = body})
      end
    end
    local here = 0
    for _, value in step do
      finalizer()
      assert(value == ("\0"):rep(24))
      here = here + 1
    end
    assert.equal(3000, here + elsewhere)
  end)
end)
