-- The library's homes: installed by make, and made by luarocks. An interpreter outside of the tree that is told of
-- nothing else requires it from there, and it does its work.

local lfs = require "lfs"
local system = require "spec.support.system"
local worlds = require "spec.support.world"

local version = _VERSION:match "%d+%.%d+"
local lua = rawget(_G, "jit") and "luajit" or "lua" .. version -- as the Makefile names it

-- A command as a user gives it, without what `make test-host` has put into the environment.
local function run(command)
  local pipe = assert(io.popen(("exec 2>&1; unset MAKEFLAGS MAKELEVEL; %s; echo status $?"):format(command)))
  local output, status = pipe:read "*a":match "^(.*)status (%d+)\n$"
  pipe:close()
  assert(status == "0", ("%s\n%s"):format(command, output))
  return output
end

local homes = {
  ["make install"] = {
    tool = "make",
    path = function()
      local root = os.tmpname()
      os.remove(root)
      run(("make -s LUA=%s DEPS=: DESTDIR=%s PREFIX=/usr install"):format(lua, root))
      return root .. "/usr", function() run("rm -rf " .. root) end
    end,
  },
  ["luarocks make"] = {
    tool = "luarocks",
    path = function()
      run(("spec/support/rock %s build/%s/rock"):format(lua, lua))
      return ("%s/build/%s/rock/tree"):format(lfs.currentdir(), lua), function() end
    end,
  },
}

-- Names of the files below a directory, sorted, each after the prefix.
local function files(directory, prefix, found)
  found = found or {}
  for name in lfs.dir(directory) do
    local path = directory .. "/" .. name
    local mode = lfs.attributes(path, "mode")
    if mode == "file" then
      table.insert(found, prefix .. name)
    elseif name ~= "." and name ~= ".." then
      files(path, prefix .. name .. "/", found)
    end
  end
  table.sort(found)
  return found
end

-- Where the library was loaded from, in Lua and in C; then what it does with the cgroup.
local script = [[
  local ebpf = require "ebpf"
  local source = debug.getinfo(ebpf.on_collect, "S").source
  local mapped
  for line in io.lines "/proc/self/maps" do
    mapped = line:match "(/%S*/core%.so)$" or mapped
  end
  local program = assert(ebpf.program.load{
    type = "cgroup_skb", insns = "\183\0\0\0\1\0\0\0" .. "\149\0\0\0\0\0\0\0", -- r0 = 1; exit
  })
  local hook = assert(assert(ebpf.cgroup.open(os.getenv "CGROUP")):mprog "cgroup_inet_egress")
  local link = assert(hook:link(program))
  local list = assert(hook:query())
  print(source, mapped)
  print(#list, list[1].program_id == program:id(), list[1].link_id == link:id())
]]

for command, home in pairs(homes) do
  worlds.describe("after `" .. command .. "` the library", function(world)
    local path, remove

    local function it_at_home(name, body)
      it(name, function()
        if not path and run(("command -v %s || :"):format(home.tool)) == "" then
          return pending(home.tool .. " is not installed")
        end
        if not path then
          path, remove = home.path()
        end
        body()
      end)
    end

    teardown(function()
      if remove then
        remove()
      end
    end)

    it_at_home("is all of its modules, and nothing else", function()
      local share, lib = "share/lua/" .. version .. "/", "lib/lua/" .. version .. "/"
      assert.same(files("lua", share), files(path .. "/share", "share/"))
      assert.same({lib .. "ebpf/core.so"}, files(path .. "/lib/lua", "lib/lua/"))
    end)

    it_at_home("is what an interpreter elsewhere loads, and attaches a program there", function()
      local cgroup = world():cgroup()
      local share, lib = path .. "/share/lua/" .. version, path .. "/lib/lua/" .. version
      local environment = ("CGROUP=%s LUA_PATH='%s/?.lua;%s/?/init.lua' LUA_CPATH='%s/?.so'"):format(cgroup:path(),
        share, share, lib)
      local output = system.lua(script, "cd / && env -i " .. environment)
      assert.equal(("@%s/ebpf/init.lua\t%s/ebpf/core.so\n1\ttrue\ttrue"):format(share, lib), output)
      assert.order(world():hook("cgroup_inet_egress", cgroup):query()) -- empty: the link went with its process
    end)

    it_at_home("shows the dynamic linker its entry and no other name", function()
      local names = {}
      for name in run(("nm -D --defined-only %s/lib/lua/%s/ebpf/core.so"):format(path, version)):gmatch "(%S+)\n" do
        table.insert(names, name)
      end
      assert.equal("luaopen_ebpf_core", table.concat(names, " "))
    end)
  end)
end
