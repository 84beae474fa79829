-- The examples in README.md, run as they stand there but for paths.

local system = require "spec.support.system"
local w = require "spec.support.world"

w.describe("the README", function(world)
  w.it_needs("cgroup_order", "has an example that runs, and prints what it says", function()
    local cgroup, pin = world():cgroup(), world():pin_path()
    local code = system.read "README.md":match "```lua\n(.-)```"
    code = code:gsub("policy%.bpf%.o", "build/examples/egress_firewall/policy.bpf.o")
      :gsub("/sys/fs/cgroup/web%.slice", cgroup:path())
      :gsub("/sys/fs/bpf/egress", pin)
    local output = system.lua(code)
    local position, program_id, link_id, rest = output:match "^(%d+)\t(%d+)\t(%d+)\n(.*)$"
    assert.equal("1", position, output)
    local refusal = "link update %s: EPERM: the link does not run the program given as the old one"
    assert.equal(("nil\t%s\t1"):format(refusal:format(link_id)), rest)
    local hook = world():hook("cgroup_inet_egress", cgroup)
    assert.equal(tonumber(link_id), hook:query()[1].link_id) -- the process is gone, and the pin holds
    assert.not_equal(tonumber(program_id), hook:query()[1].program_id) -- v2 by now
  end)

  it("has an example of data that runs, and prints what is there", function()
    local code = select(3, (system.read "README.md"):find "## Data\n\n```lua\n(.-)```")
    code = code:gsub("policy%.bpf%.o", "build/spec/support/readme.bpf.o"):gsub("events%(1000%)", "events(1)")
    assert.equal("10.0.0.1\t0\tgateway\n0", system.lua("local ebpf = require \"ebpf\"\n" .. code))
  end)
end)
