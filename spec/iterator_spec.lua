-- What the iterators of ebpf.link.auto go over: elements of a map, cgroups of a subtree, tasks of a process.

local ebpf = require "ebpf"
local system = require "spec.support.system"
local w = require "spec.support.world"

local ITERATORS = "build/spec/support/iterators.bpf.o"
local CGROUPS = "build/spec/support/cgroups.bpf.o"

w.describe("an iterator", function(world)
  local function program(path, name)
    local object = world():keep(ebpf.object.open(path))
    local done, message = object:load()
    if not done then
      w.skip("not loaded here: " .. message)
    end
    return world():keep(object:program(name))
  end

  local function lines(link)
    local list = {}
    for line in link:lines() do
      list[#list + 1] = line
    end
    return list
  end

  -- or skips the test, on a kernel that goes over all tasks
  local function over(path, name, opts)
    local link, message, errno = ebpf.link.auto(program(path, name), opts)
    if not link and errno == ebpf.errno.ENOTSUP then
      w.skip(message)
    end
    return world():keep(link, message)
  end

  local function map(values)
    local hash = world():keep(ebpf.map.create{type = "hash", key_size = 4, value_size = 4, max_entries = 4})
    for key, value in pairs(values) do
      assert(hash:set(key, value))
    end
    return hash
  end

  it("over the elements of a map gives that one's, and goes on when the map's handle is closed", function()
    local one, other = map{[7] = 70}, map{[1] = 10, [2] = 20}
    local link = over(ITERATORS, "elements", {map = one})
    assert.same({"iter", "bpf_map_elem", one:id()}, {link:info().type, link:info().target_name, link:info().map_id})
    one:close()
    assert.same({"7=70"}, lines(link))
    local found = lines(over(ITERATORS, "elements", {map = other}))
    table.sort(found)
    assert.same({"1=10", "2=20"}, found)
  end)

  it("over the elements of a map must be told which, and of a type that has any", function()
    assert.fails({ebpf.link.auto(program(ITERATORS, "elements"))}, "EINVAL", "must be told which map")
    local ring = world():keep(ebpf.map.create{type = "ringbuf", key_size = 0, value_size = 0, max_entries = 4096})
    assert.fails({ebpf.link.auto(program(ITERATORS, "elements"), {map = ring})}, "EINVAL", "iter/bpf_map_elem")
  end)

  it("over cgroups goes where it is told, in that order", function()
    local top = world():cgroup()
    local middle = world():cgroup(top)
    local leaf = world():cgroup(middle)
    local function ids(...)
      local list = {}
      for i, cgroup in ipairs {...} do
        list[i] = tostring(cgroup:id())
      end
      return list
    end
    local cases = {
      {"self_only", top, ids(top), 1},
      {"descendants_pre", top, ids(top, middle, leaf), 2},
      {"descendants_post", top, ids(leaf, middle, top), 3},
      {nil, middle, ids(middle, leaf), 2},
    }
    for _, case in ipairs(cases) do
      local link = over(CGROUPS, "cgroups", {order = case[1], cgroup = case[2]})
      assert.same({case[1], case[3]}, {case[1], lines(link)})
      local info = link:info()
      assert.same({"cgroup", case[2]:id(), case[4]}, {info.target_name, info.cgroup_id, info.order})
    end
    local up = lines(over(CGROUPS, "cgroups", {order = "ancestors_up", cgroup = leaf}))
    assert.same(ids(leaf, middle, top), {up[1], up[2], up[3]})
    assert.is_true(#up > 3)
  end)

  it("over cgroups goes over the whole hierarchy unless it is told where", function()
    local cgroup = world():cgroup()
    for _, opts in ipairs {{}, {order = "descendants_post"}} do
      local seen = {}
      for line in over(CGROUPS, "cgroups", opts):lines() do
        seen[line] = true
      end
      assert.is_true(seen[tostring(cgroup:id())])
    end
  end)

  it("over tasks gives those of one process, or one of them", function()
    local one = lines(over(ITERATORS, "tasks", {pid = system.pid()}))
    local child = system.start "io.read()"
    local link = over(ITERATORS, "tasks", {tid = child.pid})
    local other = lines(link)
    local all = {}
    for line in over(ITERATORS, "tasks"):lines() do
      all[line] = true
    end
    child.kill()
    assert.same({1, 1, child.pid, 0}, {#one, #other, link:info().tid, link:info().pid})
    assert.is_true(all[one[1]] and all[other[1]]) -- by the numbers of the first process namespace
    assert.not_equal(one[1], other[1])
    assert.same({}, lines(link)) -- the task has ended
  end)

  it("over one task is refused where the kernel would go over all", function()
    for option, link in pairs {
      pid = {ebpf.link.auto(program(ITERATORS, "tasks"), {pid = system.pid()})},
      tid = {ebpf.link.auto(program(ITERATORS, "tasks"), {tid = system.pid()})},
    } do
      if link[1] then
        assert.equal(system.pid(), world():keep(link[1]):info()[option])
      else
        assert.fails(link, "ENOTSUP", "needs Linux 6.1")
      end
    end
  end)

  it("takes no option that the kernel would pass over", function()
    local cell = world():cell()
    assert.fails({ebpf.link.auto(program(ITERATORS, "tasks"), {map = cell})}, "EINVAL",
      "an iterator over task takes no 'map'")
    assert.fails({ebpf.link.auto(program(ITERATORS, "elements"), {pid = 1})}, "EINVAL", "takes no 'pid'")
    assert.fails({ebpf.link.auto(program("build/spec/support/auto.bpf.o", "raw"), {pid = 1})}, "EINVAL",
      "'pid' is for iterators, and this section is none's")
  end)

  it("is refused with an error that names the option when misused", function()
    local tasks = program(ITERATORS, "tasks")
    local closed = map{}
    closed:close()
    local cases = {
      {{nonsense = 1}, "unknown option 'nonsense' to 'link.auto'"},
      {{map = 1}, "bad option 'map' to 'link.auto' %(map expected"},
      {{map = closed}, "map is closed"},
      {{cgroup = "/sys/fs/cgroup"}, "bad option 'cgroup'"},
      {{order = "sideways"}, "bad option 'order' to 'link.auto' %(self_only, descendants_pre, "},
      {{pid = 0}, "bad option 'pid'"},
      {{tid = 1.5}, "bad option 'tid'"},
      {{tid = 1, pid = 1}, "options 'pid' and 'tid' to 'link.auto' exclude each other"},
      {{tid = 1, order = "self_only"}, "exclude each other"},
      {{map = world():cell(), pid = 1}, "exclude each other"},
      {7, "bad options to 'link.auto' %(table expected"},
    }
    for _, case in ipairs(cases) do
      local ok, message = pcall(function() ebpf.link.auto(tasks, case[1]) end)
      assert.is_false(ok)
      assert.matches(case[2], message)
      assert.matches("^[^:]*iterator_spec.lua:%d+: ", message)
    end
  end)
end)
