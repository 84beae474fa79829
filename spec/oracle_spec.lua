-- bpftool as the oracle: what it shows of links, programs, cgroups and devices, field by field against ours. Its older
-- releases know little, so what it shows is taken as a part of what we tell; what we don't know it may not show either.

local ebpf = require "ebpf"
local core = require "ebpf.core"
local json = require "dkjson"
local w = require "spec.support.world"

-- Fields that differ from machine to machine or call to call, or that are no facts about the object.
local function set(...)
  local result = {}
  for _, name in ipairs {...} do
    result[name] = true
  end
  return result
end

local passed_over = {
  link = set("devname", "pids", "pinned", "bpf_cookie", "prog_type", "retprobe", "funcs"),
  program = set("loaded_at", "jited", "bytes_memlock", "orphaned", "pids", "pinned", "bpf_cookie", "run_time_ns",
    "run_cnt", "recursion_misses", "metadata"),
}

-- its name -> ours, where they differ
local renamed = {
  link = {
    prog_id = "program_id", hook = "hooknum", prio = "priority", func_cnt = "count", tracepoint = "tp_name",
    func = "func_name", file = "file_name",
  },
  program = {uid = "created_by_uid", bytes_xlated = "xlated_size", bytes_jited = "jited_size"},
}

local names = {
  link = {type = core.names.link_type, attach_type = core.names.attach_type},
  program = {type = core.names.program_type},
}

local function bpftool(...)
  local pipe = assert(io.popen("bpftool -j -n " .. table.concat({...}, " ") .. " 2>&1"))
  local text = pipe:read "*a"
  pipe:close()
  return text:match "%S" and assert(json.decode(text), text) or {}
end

-- Compares one of its objects with our info; gives how many fields were compared.
local function compare(kind, theirs, info)
  local count = 0
  for key, value in pairs(theirs) do
    if not passed_over[kind][key] then
      local words = names[kind][key]
      local name = renamed[kind][key] or key
      if words and type(value) == "number" then -- newer than this bpftool
        value = words[value]
      end
      assert.same({kind, name, value}, {kind, name, info[name]})
      count = count + 1
    end
  end
  return count
end

w.describe("bpftool agrees", function(world)
  local function agrees_on_link(link, least)
    local info = assert(link:info())
    assert.is_true(compare("link", bpftool("link show id", link:id()), info) >= least)
    local found
    for _, row in ipairs(bpftool "link show") do
      found = found or row.id == info.id and row
    end
    assert.is_table(found)
    compare("link", found, info)
  end

  local function from_section(file, name)
    local object = world():keep(ebpf.object.open("build/spec/support/" .. file))
    local done, message = object:load()
    if not done then
      w.skip("not loaded here: " .. message)
    end
    local link, why = ebpf.link.auto(world():keep(object:program(name)))
    if not link then
      w.skip(why)
    end
    return world():keep(link)
  end

  local links = {
    cgroup = function() return world():hook():link(world():program()), 5 end,
    xdp = function() return ebpf.link.xdp("lo", world():program(2, {type = "xdp"})), 3 end,
    netns = function()
      local program = world():program(1, {type = "sk_lookup", attach_type = "sk_lookup"})
      return ebpf.link.netns("/proc/self/ns/net", program), 5
    end,
    raw_tracepoint = function() return from_section("auto.bpf.o", "raw"), 4 end,
    ["tracepoint"] = function() return from_section("auto.bpf.o", "point"), 3 end,
    ["kprobe"] = function() return from_section("auto.bpf.o", "probe"), 3 end,
    ["uprobe"] = function() return from_section("auto.bpf.o", "user"), 3 end,
    ["fentry"] = function() return from_section("tracing.bpf.o", "entry"), 4 end,
    iter = function() return from_section("tracing.bpf.o", "maps"), 4 end,
  }

  for name, make in pairs(links) do
    it("on a link of kind " .. name, function()
      local link, least = make()
      agrees_on_link(world():keep(link), least)
    end)
  end

  w.it_needs("netfilter_link", "on a link of kind netfilter", function()
    local program = world():program(1, {type = "netfilter", attach_type = "netfilter"})
    agrees_on_link(world():keep(ebpf.link.netfilter(program, {family = "ipv4", hook = "output", priority = -7})), 3)
  end)

  w.it_needs("sockmap_link", "on a link of kind sockmap", function()
    local map = world():keep(ebpf.map.create{type = "sockmap", key_size = 4, value_size = 4, max_entries = 1})
    agrees_on_link(world():keep(ebpf.link.sockmap(map, world():program(1, {type = "sk_msg"}))), 3)
  end)

  it("on a link that is severed", function()
    local link = world():keep(world():hook():link(world():program()))
    assert.is_true(link:detach())
    agrees_on_link(link, 5)
    assert.equal(0, bpftool("link show id", link:id()).cgroup_id)
  end)

  it("on programs, raw and from an object", function()
    local object = world():keep(ebpf.object.open "build/spec/support/object.bpf.o")
    assert(object:load())
    local cell = world():cell()
    local counter = world():program(1, {insns = require "spec.support.asm".counter(cell:fd(), 1), license = "GPL"})
    for _, program in ipairs {world():program(), counter, world():keep(object:program "count_egress")} do
      assert.is_true(compare("program", bpftool("prog show id", program:id()), program:info()) >= 7)
    end
  end)

  it("on what is on a cgroup, in order", function()
    local cgroup = world():cgroup()
    local wanted = {}
    for _, attach_type in ipairs {"cgroup_inet_egress", "cgroup_inet_ingress"} do
      local hook = world():hook(attach_type, cgroup)
      local a, b = world():programs(2)
      world():keep(hook:link(a))
      world():keep(hook:attach(b))
      wanted[attach_type] = hook
    end
    local exclusive = world():hook("cgroup_device", cgroup)
    world():keep(exclusive:attach(world():program(1, {type = "cgroup_device"}), {mode = "exclusive"}))
    wanted.cgroup_device = exclusive
    local found = {}
    for _, row in ipairs(bpftool("cgroup show", cgroup:path())) do
      local list = found[row.attach_type] or {}
      found[row.attach_type] = list
      list[#list + 1] = row.id
      list.mode = row.attach_flags == "" and "exclusive" or row.attach_flags
    end
    for attach_type, hook in pairs(wanted) do
      local list = {mode = hook:query().mode}
      for index, entry in ipairs(hook:query()) do
        list[index] = entry.program_id
      end
      assert.same({attach_type, list}, {attach_type, found[attach_type]})
    end
  end)

  it("on what XDP runs on a device", function()
    assert.same({}, bpftool "net show"[1].xdp)
    local link = world():keep(ebpf.link.xdp("lo", world():program(2, {type = "xdp"}), {mode = "generic"}))
    local row = bpftool "net show"[1].xdp[1]
    assert.same({"lo", link:info().ifindex, "generic", link:info().program_id},
      {row.devname, row.ifindex, row.mode, row.id})
  end)
end)
