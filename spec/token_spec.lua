-- Tokens: a process whose capabilities hold in its own user namespace only loads, creates and attaches by what a bpffs
-- delegates. spec/support/userns.c makes the namespace and the mount.

local ebpf = require "ebpf"
local system = require "spec.support.system"
local w = require "spec.support.world"

local USERNS = "build/spec/support/userns "

w.describe("a token", function(world)
  -- What Lua code prints in a user namespace with a bpffs on the specs'.
  local function inside(code, delegate)
    return system.lua([[
      local ebpf = require "ebpf"
      local asm = require "spec.support.asm"
      local bpffs = "]] .. w.bpffs() .. [["
      local insns = asm.verdict(1)
      local function say(...)
        local words = {}
        for i = 1, select("#", ...) do words[i] = tostring((select(i, ...))) end
        print(table.concat(words, " "))
      end
    ]] .. code, (delegate and "DELEGATE=" .. delegate .. " " or "") .. USERNS .. w.bpffs())
  end

  w.it_needs("token", "loads a program, creates a map and attaches without any capability outside", function()
    local cgroup = world():cgroup()
    local hook = world():hook("cgroup_inet_egress", cgroup)
    local output = inside(([[
      local token = assert(ebpf.token.open(bpffs))
      assert(tostring(token):find("ebpf.token: " .. bpffs .. " fd %%d+"))
      local map = assert(ebpf.map.create{
        type = "array", key_size = 4, value_size = 8, max_entries = 1, token = token})
      assert(map:set(0, 7) and map:get(0) == 7)
      local program = assert(ebpf.program.load{
        type = "cgroup_skb", insns = asm.counter(map:fd(), 1), attach_type = "cgroup_inet_egress", token = token})
      token:close() -- what came from it needs it no more
      local hook = assert(ebpf.cgroup.open(%q)):mprog "cgroup_inet_egress"
      local link = assert(hook:link(program))
      assert(link:alive())
      link:close()
      assert(hook:attach(program))
      local _, message = hook:query() -- for this a token is no help
      assert(message:find "EPERM: this process has its capabilities in a user namespace, .* of the first one$", message)
      print(program:id())
    ]]):format(cgroup:path()))
    assert.matches("^%d+$", output)
    local list = assert(hook:query())
    assert.order(list, tonumber(output)) -- the process is gone, the attachment stays
    assert(hook:detach(list[1]))
  end)

  w.it_needs("token", "loads BTF, so that a map has types that others see", function()
    local output = inside [[
      local token = assert(ebpf.token.open(bpffs))
      local btf = assert(assert(ebpf.object.open "build/spec/support/types.bpf.o"):btf())
      say((select(2, btf:load())))
      assert(btf:load{token = token})
      local map = assert(ebpf.map.create{type = "array", max_entries = 1, btf = btf, key_type = "__u32",
        value_type = "struct value", token = token})
      assert(map:set(0, map:get(0)))
      say(map:info().btf_id == btf:id(), type(map:get(0)))
    ]]
    assert.matches("^btf load %d+ bytes: EPERM: this process has its capabilities in a user namespace, [^\n]*\n"
      .. "true table$", output)
  end)

  w.it_needs("token", "is what makes the difference: without it the same is refused, and told why", function()
    local output = inside [[
      say((select(2, ebpf.map.create{type = "array", key_size = 4, value_size = 8, max_entries = 1})))
      say((select(2, ebpf.program.load{type = "cgroup_skb", insns = insns})))
    ]]
    assert.matches("^map create: EPERM: this process has its capabilities in a user namespace, .*%(token.open%)\n"
      .. "program load: EPERM: this process has its capabilities in a user namespace, .*%(token.open%)$", output)
  end)

  w.it_needs("token", "allows what the mount delegates and nothing else", function()
    local output = inside([[
      local token = assert(ebpf.token.open(bpffs))
      local map = assert(ebpf.map.create{
        type = "array", key_size = 4, value_size = 8, max_entries = 1, token = token})
      say((select(2, ebpf.program.load{type = "cgroup_skb", insns = insns, token = token})))
      local info, message, errno = token:info()
      if info then
        say(info.commands, info.map_types, #info.program_types, #info.attach_types)
      else
        say(ebpf.errno[errno], message)
      end
    ]], "delegate_cmds,delegate_maps")
    local refusal, info = output:match "^(.-)\n(.*)$"
    assert.equal("program load: EPERM: neither the token nor this process's capabilities allow it", refusal)
    local known = "any any 0 0"
    local unknown = "EOPNOTSUPP token info " .. w.bpffs() .. ": EOPNOTSUPP: what a token allows can be asked since "
      .. "Linux 6.17 (asked: refused)"
    local major, minor = system.read "/proc/sys/kernel/osrelease":match "^(%d+)%.(%d+)"
    if tonumber(major) * 1000 + tonumber(minor) >= 6017 then
      assert.equal(known, info)
    else
      assert.is_true(info == known or info == unknown, info)
    end
  end)

  w.it_needs("token", "is not to be had where nothing is delegated, nor off a bpffs's root", function()
    assert.equal("ENOENT token create " .. w.bpffs()
      .. ": ENOENT: the file system delegates nothing: it was mounted without delegate_cmds and its like",
      inside("local _, message, errno = ebpf.token.open(bpffs) say(ebpf.errno[errno], message)", "none"))
    assert.fails({ebpf.token.open "/proc"}, "EINVAL", "not the root of a BPF file system")
    assert.fails({ebpf.token.open "/none"}, "ENOENT", "there is no such directory")
    assert.fails({ebpf.token.open "/proc/version"}, "ENOTDIR", "is a directory")
  end)

  w.it_needs("token", "is neither needed nor to be had in the first user namespace", function()
    assert.fails({ebpf.token.open(w.bpffs())}, "EOPNOTSUPP", "of the first user namespace")
  end)

  w.it_needs("token", "comes from the process's own namespace's mount, and with CAP_BPF in it", function()
    local output = system.lua(([[
      local ebpf = require "ebpf"
      print((select(2, ebpf.token.open(%q))))
    ]]):format(w.bpffs()), "unshare --user --map-root-user")
    assert.matches("EPERM: the file system was mounted for another user namespace than this process's$", output)
    output = system.lua(([[
      local ebpf = require "ebpf"
      print((select(2, ebpf.token.open(%q))))
    ]]):format(w.bpffs()), USERNS .. w.bpffs() .. " setpriv --bounding-set=-all --inh-caps=-all")
    assert.matches("EPERM: this process lacks CAP_BPF and CAP_SYS_ADMIN$", output)
  end)

  w.it_needs("token", "that is closed is refused, and leaves no descriptor", function()
    local output = inside [[
      local system = require "spec.support.system"
      local before = system.count_fds()
      local token = assert(ebpf.token.open(bpffs))
      assert(token:close() and token:closed())
      say(select(2, pcall(ebpf.map.create,
        {type = "array", key_size = 4, value_size = 8, max_entries = 1, token = token})))
      say(select(2, pcall(token.info, token)))
      say(system.count_fds() - before)
    ]]
    assert.matches("bad option 'token' to 'map.create' %(token is closed%)\ntoken is closed\n0$", output)
  end)

  w.it_lacks("token", "needs Linux 6.9, which is said", function()
    assert.fails({ebpf.token.open(w.bpffs())}, "ENOTSUP", "a BPF token needs Linux 6.9 (probed: absent)")
  end)

  w.it_needs("token", "is taken by an object where libbpf is new enough, else refused in words", function()
    local output = inside [[
      local token = assert(ebpf.token.open(bpffs))
      local object, message, errno = ebpf.object.open("build/spec/support/object.bpf.o", {token = token})
      print(object and tostring(object:load()) or ebpf.errno[errno] .. " " .. message)
    ]]
    if output ~= "true" then
      assert.equal("EOPNOTSUPP object open build/spec/support/object.bpf.o: EOPNOTSUPP: "
        .. "tokens need libbpf 1.5, and this was built with an older one", output)
    end
  end)

  it("is refused with an error that names the argument when misused", function()
    assert.misuse {
      {"path expected, got nil", function() ebpf.token.open() end},
      {"path expected, got number", function() ebpf.token.open(3) end},
      {"bad option 'token' to 'map.create' %(token expected, got 3", function()
        ebpf.map.create{type = "array", key_size = 4, value_size = 8, max_entries = 1, token = 3}
      end},
      {"bad option 'token' to 'program.load' %(token expected, got program", function()
        ebpf.program.load{type = "cgroup_skb", insns = "12345678", token = world():program()}
      end},
    }
  end)
end)
