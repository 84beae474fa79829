-- Many elements at a time: read, written, deleted, and what is done where it fails half-way.

local ebpf = require "ebpf"
local w = require "spec.support.world"

w.describe("batches of", function(world)
  local function create(kind, spec)
    spec = spec or {}
    spec.type, spec.max_entries = kind, spec.max_entries or 6000
    spec.value_size = spec.value_size or 8
    return world():keep(ebpf.map.create(spec))
  end

  local function numbers(first, last, factor)
    local list = {}
    for i = first, last do
      list[#list + 1] = i * (factor or 1)
    end
    return list
  end

  -- All that batch_get gives, asked for a few at a time: value by key, and how often it was asked.
  local function gathered(map, count, method)
    local found, calls, cursor = {}, 0, nil
    repeat
      local keys, values, following = map[method or "batch_get"](map, count, cursor)
      assert(keys, values)
      assert.equal(#keys, #values)
      for i, key in ipairs(keys) do
        if found[key] ~= nil then
          error(("key %s was given twice"):format(tostring(key)))
        end
        found[key] = values[i]
      end
      cursor, calls = following, calls + 1
    until not cursor
    return found, calls
  end

  -- spec, and whether elements can be deleted
  local kinds = {
    hash = {{key_size = 4}, true}, lru_hash = {{key_size = 4, max_entries = 40000}, true}, array = {{}, false},
    lpm_trie = {{key_size = 8}, true}, devmap_hash = {{value_size = 4}, true},
  }

  local function lpm(i)
    return "\32\0\0\0" .. string.char(i % 256, math.floor(i / 256) % 256, 1, 10)
  end

  local function key_of(kind, i)
    if kind == "lpm_trie" then
      return lpm(i)
    end
    return kind == "array" and i - 1 or i
  end

  for kind, row in pairs(kinds) do
    it(kind .. " are written, read in parts, and deleted: " .. (row[2] and "all types" or "not here"), function()
      local map = create(kind, row[1])
      local count = 6000 -- more than fits the buffers
      local keys, values = {}, {}
      for i = 1, count do
        keys[i], values[i] = key_of(kind, i), kind == "devmap_hash" and 1 or i * 3
      end
      assert.equal(count, map:batch_set(keys, values))
      assert.equal(values[count], map:get(keys[count]))
      local found, calls = gathered(map, 1000)
      assert.is_true(calls > 2)
      local total = 0
      for _ in pairs(found) do
        total = total + 1
      end
      assert.equal(count, total)
      assert.same(found, map:dump())
      if row[2] then
        assert.equal(2, map:batch_delete{keys[1], keys[2], keys[1]}) -- one isn't there any more
        assert.equal(0, map:batch_delete{keys[1]})
        assert.equal(count - 2, map:batch_delete(keys))
        assert.same({}, map:dump())
      else
        assert.fails({map:batch_delete(keys)}, "EINVAL", "clear makes an array zero")
        assert.is_true(map:clear())
        assert.equal(0, map:get(keys[count]))
      end
    end)
  end

  it("a hash are taken, so that nothing is read twice", function()
    local map = create("hash", {key_size = 4, max_entries = 5000})
    assert.equal(5000, map:batch_set(numbers(1, 5000), numbers(1, 5000, 7)))
    local found, calls = gathered(map, 300, "batch_get_and_delete")
    assert.is_true(calls > 10)
    for i = 1, 5000 do
      assert.equal(i * 7, found[i])
    end
    assert.same({{}, {}}, {map:batch_get(10)})
    assert.fails({create("array"):batch_get_and_delete(1)}, "ENOTSUPP", "only hashes can")
  end)

  it("a hash grow where a bucket has more than was asked for", function()
    local map = create("hash", {key_size = 4, max_entries = 3000})
    map:batch_set(numbers(1, 3000), numbers(1, 3000))
    local found = gathered(map, 1)
    for i = 1, 3000 do
      assert.equal(i, found[i])
    end
  end)

  it("values by key are written as a table too", function()
    local map = create("hash", {key_size = 4})
    assert.equal(3, map:batch_set{[1] = 10, [2] = 20, [7] = 70})
    assert.same({[1] = 10, [2] = 20, [7] = 70}, map:dump())
    assert.equal(0, map:batch_set{})
    assert.equal(0, map:batch_delete{})
    local text = create("hash", {key_size = 3, value_size = 5})
    assert.equal(2, text:batch_set{abc = "12345", def = "67890"})
    assert.same({abc = "12345", def = "67890"}, text:dump())
  end)

  it("new keys, and of keys that are there, stop at the first that isn't so, and tell how many were written", function()
    local map = create("hash", {key_size = 4})
    map:set(3, 3)
    local results = {map:batch_set({1, 2, 3, 4}, {10, 20, 30, 40}, "noexist")}
    assert.fails(results, "EEXIST", "such a key already")
    assert.equal(2, results[4])
    assert.same({10, 20, 3}, map:dump())
    results = {map:batch_set({1, 9}, {11, 99}, "exist")}
    assert.fails(results, "ENOENT", "no such key")
    assert.equal(1, results[4])
    assert.equal(11, map:get(1))
  end)

  it("more than fits stop where the map is full, and tell how many were written", function()
    local map = create("hash", {key_size = 4, max_entries = 64})
    local results = {map:batch_set(numbers(1, 7000), numbers(1, 7000))}
    assert.fails(results, "E2BIG", "full")
    local count = 0
    for _ in map:each() do
      count = count + 1
    end
    assert.equal(count, results[4])
    assert.is_true(count >= 64)
  end)

  it("per-CPU values are lists, or read as sums", function()
    for _, kind in ipairs {"percpu_hash", "lru_percpu_hash", "percpu_array"} do
      local map = create(kind, {key_size = 4, max_entries = 300})
      local cpus = #(create("percpu_array", {max_entries = 1}):get(0))
      local values, keys = {}, numbers(0, 99)
      for i = 1, 100 do
        values[i] = {}
        for cpu = 1, cpus do
          values[i][cpu] = i * cpu
        end
      end
      assert.equal(100, map:batch_set(keys, values))
      local sums = map:dump{sum = true}
      for i = 1, 100 do
        assert.same(values[i], map:get(i - 1))
        assert.equal(i * cpus * (cpus + 1) / 2, sums[i - 1])
      end
    end
  end)

  it("keys and values with fields go in and out as tables, and a dump of them is a list", function()
    local object = world():keep(ebpf.object.open "build/spec/support/storage.bpf.o")
    assert(object:load())
    local map = world():keep(object:map "of_pairs")
    local keys, values = {}, {}
    for i = 1, 300 do
      keys[i], values[i] = {left = i, right = {1, i}}, {left = 2 * i, right = {i, 3}}
    end
    assert.equal(300, map:batch_set(keys, values))
    local function check(key, value)
      assert(key.right[2] == key.left and value.left == 2 * key.left and value.right[1] == key.left)
      return 1
    end
    local given, listed, gathered_count = 0, 0, 0
    for key, value in map:each() do
      given = given + check(key, value)
    end
    for _, entry in ipairs(map:dump()) do
      listed = listed + check(entry.key, entry.value)
    end
    local some_keys, some_values = map:batch_get(1000)
    for i, key in ipairs(some_keys) do
      gathered_count = gathered_count + check(key, some_values[i])
    end
    assert.same({300, 300, 300}, {given, listed, gathered_count})
    values[7] = {left = "x"}
    assert.misuse {{"bad argument #2 to 'batch_set' .*value.left", function() map:batch_set(keys, values) end}}
    assert.equal(300, map:batch_delete(keys))
    local balances = world():keep(object:map "of_balances")
    local cpus = #balances:get(0)
    local list = {}
    for cpu = 1, cpus do
      list[cpu] = -cpu
    end
    assert(balances:set(1, list))
    assert.equal(-cpus * (cpus + 1) / 2, balances:get(1, {sum = true}))
    assert.equal(-cpus * (cpus + 1) / 2, balances:dump{sum = true}[1])
  end)

  it("keys in a map without batches are done one by one, and no try is remembered that can't tell", function()
    local map = create("devmap_hash", {value_size = 4, max_entries = 100})
    local loopbacks = {}
    for i = 1, 50 do
      loopbacks[i] = 1
    end
    assert.equal(50, map:batch_set(numbers(1, 50), loopbacks))
    assert.equal(50, map:batch_delete(numbers(1, 20000)))
    local hash = create("hash", {key_size = 4, flags = 16}) -- BPF_F_WRONLY: reads are refused with EPERM
    for _ = 1, 2 do
      assert.fails({hash:dump()}, "EPERM", "write-only")
      assert.fails({hash:batch_get(5)}, "EPERM", "write-only")
    end
    assert.equal(1, hash:batch_set{[1] = 2})
    local reader = world():keep(ebpf.map.from_id(hash:id()))
    assert.same({2}, reader:dump())
  end)

  it("any map are cleared: what can be deleted is, what can't is zero", function()
    for kind, spec in pairs {
      hash = {key_size = 4}, lru_hash = {key_size = 4}, percpu_hash = {key_size = 4}, array = {},
      percpu_array = {}, lpm_trie = {key_size = 8}, devmap_hash = {value_size = 4}, devmap = {value_size = 4},
    } do
      spec.max_entries = 500
      local map = create(kind, spec)
      for i = 1, 400 do
        local value = kind:find "^devmap" and 1 or i
        if kind:find "^percpu" then
          value = map:get(0) or {}
          for cpu = 1, #create("percpu_array", {max_entries = 1}):get(0) do
            value[cpu] = i
          end
        end
        assert(map:set(key_of(kind, i), value))
      end
      assert.is_true(map:clear())
      if kind:find "array" then
        for _, value in map:each(kind == "percpu_array" and {sum = true} or nil) do
          assert.equal(0, value)
        end
      else
        assert.same({kind, {}}, {kind, map:dump()})
      end
      assert.is_true(map:clear())
    end
  end)

  it("what does not fit are refused, naming the argument, before anything of it is written", function()
    local map, closed = create("hash", {key_size = 4}), create("hash", {key_size = 4})
    closed:close()
    assert.misuse {
      {"bad argument #2 .*as many values as keys", function() map:batch_set({1, 2}, {1}) end},
      {"bad argument #1 .*key of 4 bytes expected, got boolean", function() map:batch_delete{1, true} end},
      {"bad argument #2 to 'batch_set' %(value does not fit 8 bytes", function()
        map:batch_set({1, 2}, {1, 2 ^ 64})
      end},
      {"value of 8 bytes expected, got 1", function() map:batch_set{[1] = "x"} end},
      {"table expected", function() map:batch_set(1) end},
      {"table expected", function() map:batch_set({1}, 1) end},
      {"table expected", function() map:batch_delete() end},
      {"invalid option 'never'", function() map:batch_set({1}, {1}, "never") end},
      {"integer from 1 to 16777216", function() map:batch_get() end},
      {"integer from 1 to 16777216", function() map:batch_get(0) end},
      {"integer from 1 to 16777216", function() map:batch_get(1.5) end},
      {"not a cursor of this map", function() map:batch_get(1, "x") end},
      {"not a cursor of this map", function() map:batch_get(1, 7) end},
      {"unknown option 'count'", function() map:batch_get(1, nil, {count = 2}) end},
      {"map is closed", function() closed:batch_get(1) end},
      {"map is closed", function() closed:batch_set{} end},
      {"map is closed", function() closed:batch_delete{} end},
      {"map is closed", function() closed:dump() end},
      {"map is closed", function() closed:clear() end},
    }
    local keys, values = numbers(1, 6000), numbers(1, 6000)
    values[6000] = "not that long"
    assert.misuse {{"value of 8 bytes expected, got 13", function() map:batch_set(keys, values) end}}
    assert.same({}, map:dump())
  end)
end)
