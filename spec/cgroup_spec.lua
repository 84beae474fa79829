-- Cgroups as places: opening, naming, and the hooks they have.

local ebpf = require "ebpf"
local w = require "spec.support.world"

w.describe("a cgroup", function(world)
  it("tells its id, path and parent, and hooks outlive its handle", function()
    local parent = world():cgroup()
    local child = world():cgroup(parent)
    assert.equal(parent:path(), (child:path():match "^(.*)/[^/]+$"))
    local up = world():keep(child:parent())
    assert.equal(parent:id(), up:id())
    assert.equal("ebpf.cgroup: " .. child:path() .. " fd " .. child:fd(), tostring(child))
    local hook = world():hook("cgroup_inet_ingress", child)
    assert.same({attach_type = "cgroup_inet_ingress", where = child:path(), cgroup_id = child:id()}, hook:describe())
    local program = world():program()
    child:close()
    local link = world():keep(hook:link(program))
    assert.equal(hook:describe().cgroup_id, link:info().cgroup_id)
  end)

  it("has none above the top of what is mounted", function()
    local cgroup = world():keep(ebpf.cgroup.open(ebpf.cgroup.mountpoint()))
    assert.is_nil(cgroup:parent())
  end)

  it("is not a v1 hierarchy, a file, or a directory elsewhere: each says which", function()
    local lfs = require "lfs"
    local path = os.tmpname()
    os.remove(path)
    lfs.mkdir(path)
    assert.fails({ebpf.cgroup.open(path)}, "EBADF", "not a directory of a cgroup2 file system")
    local mounted = os.execute(("mount -t cgroup -o none,name=luaebpf cgroup %s 2>/dev/null"):format(path))
    if mounted == true or mounted == 0 then
      assert.fails({ebpf.cgroup.open(path)}, "EBADF", "cgroup v1")
      os.execute("umount " .. path)
    end
    lfs.rmdir(path)
    assert.fails({ebpf.cgroup.open(world():cgroup():path() .. "/cgroup.procs")}, "ENOTDIR", "a cgroup is a directory")
    assert.fails({ebpf.cgroup.open "/no/such/place"}, "ENOENT", "/no/such/place")
    for _, case in ipairs {{"path expected, got no value", nil}, {"NUL", "/sys\0/x"}, {"empty", ""}, {"path", 7}} do
      local ok, message = pcall(ebpf.cgroup.open, case[2])
      assert.is_false(ok)
      assert.matches("'1' to 'cgroup.open'", message)
    end
  end)

  it("has hooks for the attach types of cgroups, and for no other name", function()
    local cgroup = world():cgroup()
    for _, case in ipairs {{"attach type expected, got 'cgroup_inet_egres'", "cgroup_inet_egres"},
      {"tcx_ingress is no attach type of cgroups", "tcx_ingress"}, {"got nil", nil}, {"got number", 1}} do
      local ok, message = pcall(cgroup.mprog, cgroup, case[2])
      assert.is_false(ok)
      assert.matches(case[1], message)
    end
    cgroup:close()
    assert.has_error(function() cgroup:mprog "cgroup_inet_egress" end)
  end)
end)
