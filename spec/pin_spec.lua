-- Pins: what keeps objects in the kernel, and what is refused before anything is lost.

local ebpf = require "ebpf"
local lfs = require "lfs"
local system = require "spec.support.system"
local w = require "spec.support.world"

w.describe("a pin", function(world)
  it("keeps a program, a map and a link, and gives back what it really is", function()
    local hook = world():hook()
    local program = world():program()
    local things = {program = program, map = world():cell(), link = world():keep(hook:link(program))}
    for kind, thing in pairs(things) do
      local pin = world():pin()
      assert.is_false(pin:exists())
      assert.is_true(pin:put(thing))
      assert.is_true(pin:exists())
      local found = world():keep(pin:get())
      assert.matches("^ebpf%." .. kind .. ": id ", tostring(found))
      assert.equal(thing:id(), found:id())
      assert.not_equal(thing:fd(), found:fd())
      assert.equal(thing:id(), world():keep(pin:get(kind)):id())
    end
  end)

  it("is not taken for another kind than it is", function()
    local pin = world():pin()
    assert.is_true(pin:put(world():cell()))
    assert.fails({pin:get "link"}, "EINVAL", "there is a map, not a link")
    assert.fails({pin:get "program"}, "EINVAL", "there is a map, not a program")
    assert.equal("map", world():keep(pin:get "map") and "map")
  end)

  it("is not put over another: EEXIST, and the first one stays", function()
    local pin = world():pin()
    local a, b = world():cell(), world():cell()
    assert.is_true(pin:put(a))
    assert.fails({pin:put(b)}, "EEXIST", "swap() would replace it")
    assert.equal(a:id(), world():keep(pin:get()):id())
  end)

  it("may be one of several of the same object", function()
    local map = world():cell()
    local one, two = world():pin(), world():pin()
    assert.is_true(one:put(map))
    assert.is_true(two:put(map))
    assert.is_true(one:remove())
    assert.equal(map:id(), world():keep(two:get()):id())
  end)

  it("is swapped for another object of its kind, and only of its kind", function()
    local pin = world():pin()
    local a, b = world():cell(), world():cell()
    assert.is_true(pin:swap(a)) -- anew
    assert.equal(a:id(), world():keep(pin:get()):id())
    assert.is_true(pin:swap(b))
    assert.equal(b:id(), world():keep(pin:get()):id())
    assert.fails({pin:swap(world():program())}, "EEXIST", "there is a map, and a program would take its place")
    assert.equal(b:id(), world():keep(pin:get()):id())
    local names = {}
    for name in ebpf.pin.each(w.bpffs()) do
      names[#names + 1] = name
    end
    assert.same({pin:path():match "[^/]+$"}, names) -- nothing is left beside
  end)

  it("is never missing nor of two minds while it is swapped", function()
    local pin = world():pin()
    local a, b = world():cell(), world():cell()
    assert.is_true(pin:put(a))
    local reader = system.start(([[
      local ebpf = require "ebpf"
      local pin = assert(ebpf.pin.at(%q))
      local seen, missing, reads = {}, 0, 0
      print "ready" io.stdout:flush()
      local deadline = os.time() + 20
      repeat
        local map = pin:get "map"
        reads = reads + 1
        if map then seen[map:id()] = true map:close() else missing = missing + 1 end
      until seen[%d] and seen[%d] and reads > 500 or os.time() > deadline
      print(missing, seen[%d], seen[%d])
    ]]):format(pin:path(), a:id(), b:id(), a:id(), b:id()))
    assert.equal("ready", reader.line())
    local result, swaps = nil, 0
    while not result do
      for _ = 1, 50 do
        assert.is_true(pin:swap(b))
        assert.is_true(pin:swap(a))
        swaps = swaps + 2
      end
      result = not system.exists("/proc/" .. reader.pid) or swaps > 20000
        or (system.read("/proc/" .. reader.pid .. "/stat") or ""):match "%) Z"
    end
    assert.equal("0\ttrue\ttrue", reader.line())
    reader.close()
  end)

  it("is swapped by two processes at once, in PID namespaces of their own, and none disturbs the other", function()
    local pin = world():pin()
    local ours = world():cell()
    assert.is_true(pin:put(ours))
    local script = system.script(([[
      local ebpf = require "ebpf"
      local pin = assert(ebpf.pin.at(%q))
      local map = ebpf.map.create{type = "array", key_size = 4, value_size = 8, max_entries = 1}
      for _ = 1, 300 do assert(pin:swap(map)) end
      print "done"
    ]]):format(pin:path()))
    local one = io.popen(("unshare --pid --fork %s %s 2>&1"):format(system.interpreter(), script))
    local other = io.popen(("unshare --pid --fork %s %s 2>&1"):format(system.interpreter(), script))
    assert.same({"done\n", "done\n"}, {one:read "*a", other:read "*a"})
    one:close()
    other:close()
    os.remove(script)
    assert.not_equal(ours:id(), world():keep(pin:get "map"):id())
    for name in ebpf.pin.each(w.bpffs()) do
      assert.equal(pin:path():match "[^/]+$", name)
    end
  end)

  it("of the longest name is swapped too", function()
    local pin = world():pin(("n"):rep(255))
    assert.is_true(pin:put(world():cell()))
    assert.is_true(pin:swap(world():cell()))
  end)

  it("whose kind can't be told, for want of /proc, is neither taken for nothing nor swapped", function()
    local pin = world():pin()
    assert.is_true(pin:put(world():cell()))
    local output = system.lua(([[
      local ebpf = require "ebpf"
      local map = ebpf.map.create{type = "array", key_size = 4, value_size = 8, max_entries = 1}
      local pin = assert(ebpf.pin.at(%q))
      os.execute "mount -t tmpfs none /proc"
      print(select(2, pin:get()))
      print(select(2, pin:swap(map)))
    ]]):format(pin:path()), "unshare --mount")
    local words = "pin get [^\n]*the kind of an object is read from /proc[^\n]*\n"
    assert.matches("^" .. words .. words .. "$", output .. "\n")
  end)

  it("is removed, and what nothing else holds goes with it", function()
    local pin = world():pin()
    local map = world():cell()
    local id = map:id()
    assert.is_true(pin:put(map))
    map:close()
    world():keep(ebpf.map.from_id(id)):close()
    assert.is_true(pin:remove())
    assert.is_false(pin:exists())
    assert.is_true(system.eventually(function()
      local found = ebpf.map.from_id(id)
      return not found or not found:close()
    end))
    assert.fails({pin:remove()}, "ENOENT", "nothing is pinned there")
    assert.fails({pin:get()}, "ENOENT", "nothing is pinned there")
  end)

  it("is removed only if it holds what the caller names", function()
    local pin = world():pin()
    local a, b = world():cell(), world():cell()
    assert.is_true(pin:put(a))
    assert.fails({pin:remove(b)}, "EEXIST", ("the name holds map %d, not map %d"):format(a:id(), b:id()))
    assert.fails({pin:remove(world():program())}, "EEXIST", "the name holds map")
    assert.is_true(pin:exists())
    local same = world():keep(ebpf.map.from_id(a:id()))
    assert.is_true(pin:remove(same))
    assert.fails({pin:remove(a)}, "ENOENT")
  end)

  it("stays when its handle and the object's are closed", function()
    local path = world():pin_path()
    local map = world():cell()
    map:set(0, 7)
    local pin = assert(map:pin(path))
    pin:close()
    map:close()
    assert.has_error(function() pin:get() end, "pin is closed")
    local again = world():keep(ebpf.pin.at(path))
    assert.equal(7, world():keep(again:get "map"):get(0))
  end)

  it("belongs to its directory, wherever that is moved", function()
    local directory = w.bpffs() .. "/" .. world():name()
    local moved = directory .. "_moved"
    local map = world():cell()
    local pin = world():keep(ebpf.pin.at(directory .. "/map", {mkdir = true}))
    assert.equal("rwx------", lfs.attributes(directory, "permissions"))
    assert.is_true(pin:put(map))
    assert(os.rename(directory, moved))
    assert.equal(map:id(), world():keep(pin:get()):id())
    assert.is_true(pin:swap(world():cell()))
    assert.is_true(pin:remove())
    assert(lfs.rmdir(moved))
    assert.fails({pin:put(map)}, "ENOENT", "the directory was removed")
    assert.fails({pin:swap(map)}, "ENOENT")
  end)

  it("makes missing directories if asked, on a bpffs and nowhere else", function()
    local top = w.bpffs() .. "/" .. world():name()
    assert.fails({ebpf.pin.at(top .. "/a/b/map")}, "ENOENT", "mkdir = true would make it")
    world():keep(ebpf.pin.at(top .. "/a/b/map", {mkdir = true}))
    world():keep(ebpf.pin.at(top .. "/a/b/map", {mkdir = true}))
    for _, path in ipairs {top .. "/a/b", top .. "/a", top} do
      assert(lfs.rmdir(path))
    end
    local elsewhere = os.tmpname()
    os.remove(elsewhere)
    assert.fails({ebpf.pin.at(elsewhere .. "/a/map", {mkdir = true})}, "EPERM", "not on a BPF file system")
    assert.is_false(system.exists(elsewhere))
    assert.fails({ebpf.pin.at(w.bpffs() .. "/dot.ted/map", {mkdir = true})}, "EPERM", "has no dot")
    local here = lfs.currentdir()
    lfs.chdir(w.bpffs())
    local name = world():name()
    local relative = ebpf.pin.at(name .. "//a/./b/map", {mkdir = true})
    lfs.chdir(here)
    assert.is_true(system.exists(w.bpffs() .. "/" .. name .. "/a/b"))
    relative:close()
    for _, path in ipairs {"/a/b", "/a", ""} do
      assert(lfs.rmdir(w.bpffs() .. "/" .. name .. path))
    end
  end)

  it("is refused off bpffs, with a dot, and where nothing can be", function()
    assert.fails({ebpf.pin.at "/tmp/map"}, "EPERM", "not on a BPF file system")
    assert.fails({ebpf.pin.at "map"}, "EPERM", "not on a BPF file system")
    assert.fails({ebpf.pin.at(w.bpffs() .. "/my.map")}, "EPERM", "has no dot")
    assert.fails({ebpf.pin.at(w.bpffs() .. "/no/map")}, "ENOENT", "the directory does not exist")
    assert.fails({ebpf.pin.at "/proc/self/status/map"}, "ENOTDIR", "should be the directory")
    local long = world():keep(ebpf.pin.at(w.bpffs() .. "/" .. ("x"):rep(300)))
    assert.fails({long:put(world():cell())}, "ENAMETOOLONG")
    assert.fails({world():program():pin "/tmp/program"}, "EPERM", "not on a BPF file system")
    local directory = w.bpffs() .. "/" .. world():name()
    lfs.mkdir(directory)
    local pin = world():keep(ebpf.pin.at(directory))
    assert.fails({pin:get()}, "EACCES", "there is a directory")
    assert.fails({pin:put(world():cell())}, "EEXIST")
    assert.fails({pin:swap(world():cell())}, "EACCES", "there is a directory")
    assert.fails({pin:remove()}, "EISDIR", "there is a directory")
    lfs.rmdir(directory)
  end)

  it("is listed with the others of its directory, in order of name, one bad entry or not", function()
    local directory = w.bpffs() .. "/" .. world():name()
    local pins = {}
    for _, name in ipairs {"c", "a", "b"} do
      pins[name] = world():keep(ebpf.pin.at(directory .. "/" .. name, {mkdir = true}))
    end
    assert.is_true(pins.a:put(world():program()))
    assert.is_true(pins.b:put(world():cell()))
    assert.is_true(pins.c:put(world():cell()))
    lfs.mkdir(directory .. "/sub")
    lfs.link("/nowhere", directory .. "/bad", true)
    local found = {}
    local iterate, list, first, closing = ebpf.pin.each(directory)
    for name, thing in iterate, list, first, closing do
      found[#found + 1] = name .. " " .. tostring(thing):match "^ebpf%.(%l+)"
      if name == "b" then
        pins.b:remove() -- under the walk
      end
    end
    assert.same({"a program", "b map", "c map"}, found)
    assert.equal(1, list.skipped)
    for name, thing in ebpf.pin.each(directory) do
      if name == "c" then
        world():keep(thing)
        break
      end
    end
    assert.is_false(world().handles[#world().handles]:closed())
    os.remove(directory .. "/bad")
    lfs.rmdir(directory .. "/sub")
    pins.a:remove()
    pins.c:remove()
    lfs.rmdir(directory)
    assert.has_error(function() ebpf.pin.each "/tmp" end)
    assert.has_error(function() ebpf.pin.each(directory) end)
  end)

  it("is refused with an error that names the argument when misused", function()
    local pin = world():pin()
    local map = world():cell()
    local closed = world():cell()
    closed:close()
    assert.misuse {
      {"'1' to 'pin.at' %(path expected, got nil", function() ebpf.pin.at() end},
      {"NUL", function() ebpf.pin.at(w.bpffs() .. "/a\0b") end},
      {"not with a slash", function() ebpf.pin.at(w.bpffs() .. "/a/") end},
      {"unknown option 'mkdirs'", function() ebpf.pin.at(w.bpffs() .. "/a", {mkdirs = true}) end},
      {"program, map or link expected", function() pin:put(pin) end},
      {"map is closed", function() pin:put(closed) end},
      {"map is closed", function() pin:swap(closed) end},
      {"map is closed", function() pin:remove(closed) end},
      {"link or program or map expected, got string", function() pin:swap "x" end},
      {"link, program, map expected, got socket", function() pin:get "socket" end},
      {"map is closed", function() closed:pin(w.bpffs() .. "/x") end},
      {"NUL", function() map:pin "\0" end},
      {"'wait'.*boolean or number expected", function() ebpf.pin.lock(w.bpffs(), {wait = "long"}) end},
      {"'wait'.*seconds from 0 expected, got %-3", function() ebpf.pin.lock(w.bpffs(), {wait = -3}) end},
    }
    assert.is_false(pin:exists())
  end)
end)

w.describe("a bpffs", function(world)
  it("is mounted where there is none, and left alone where there is one", function()
    local directory = os.tmpname()
    os.remove(directory)
    assert.fails({ebpf.pin.mount(directory)}, "ENOENT", "no such directory")
    lfs.mkdir(directory)
    assert.same({true, true}, {ebpf.pin.mount(directory)})
    assert.equal("rwx------", lfs.attributes(directory, "permissions"))
    assert.same({true, false}, {ebpf.pin.mount(directory)})
    local pin = world():keep(ebpf.pin.at(directory .. "/map"))
    assert.is_true(pin:put(world():cell()))
    assert.same({true, false}, {ebpf.pin.mount(directory)})
    assert.is_true(pin:exists())
    assert.is_true(pin:remove())
    pin:close()
    assert.is_string(ebpf.pin.mountpoint())
    os.execute("umount " .. directory)
    lfs.rmdir(directory)
  end)

  it("has directories that are locked against others, until the lock is closed or its owner killed", function()
    local directory = w.bpffs()
    local lock = world():keep(ebpf.pin.lock(directory))
    assert.equal("ebpf.lock: held fd " .. lock:fd(), tostring(lock))
    assert.fails({ebpf.pin.lock(directory, {wait = false})}, "EAGAIN", "the lock is held")
    assert.fails({ebpf.pin.lock(directory, {wait = 0.02, shared = true})}, "EAGAIN")
    lock:close()
    local reader = world():keep(ebpf.pin.lock(directory, {shared = true}))
    local second = world():keep(ebpf.pin.lock(directory, {shared = true, wait = false}))
    assert.fails({ebpf.pin.lock(directory, {wait = false})}, "EAGAIN")
    reader:close()
    second:close()
    local owner = system.start(([[
      local lock = assert(require "ebpf".pin.lock(%q))
      print "locked" io.stdout:flush()
      while true do os.execute "exec sleep 60" end
    ]]):format(directory))
    assert.equal("locked", owner.line())
    assert.fails({ebpf.pin.lock(directory, {wait = false})}, "EAGAIN")
    owner.kill "KILL"
    world():keep(ebpf.pin.lock(directory, {wait = 5}))
    assert.fails({ebpf.pin.lock "/no/such/place"}, "ENOENT")
  end)

  it("gives no lock on a directory that was removed and made anew while it waited", function()
    local directory = world():pin_path()
    assert(lfs.mkdir(directory))
    local lock = world():keep(ebpf.pin.lock(directory))
    local other = system.start(([[
      print(select(3, require "ebpf".pin.lock(%q, {wait = 20})))
    ]]):format(directory))
    assert.is_true(system.eventually(function() -- it has opened the directory that is there now
      for _, target in pairs(system.fds(other.pid)) do
        if target == directory then return true end
      end
    end))
    assert(lfs.rmdir(directory))
    assert(lfs.mkdir(directory))
    lock:close()
    assert.equal(ebpf.errno.ENOENT, tonumber(other.line()))
    other.close()
  end)
end)
