-- Our attr layouts, enums and flags against the kernel's: a byte off is a call that means something else.

local core = require "ebpf.core"
local uapi = require "spec.support.uapi"

describe("the ABI", function()
  local fields, constants = core.abi.fields, core.abi.constants

  -- our structure -> the kernel's table, and our names of fields that the kernel has in unions
  local structures = {
    prog_attach = {uapi.prog_attach, {
      target = {"target_fd", "target_ifindex"}, relative = {"relative_fd", "relative_id"},
    }},
    prog_query = {uapi.prog_query, {target = {"target_fd"}, count = {"count", "prog_cnt"}}},
    link_create = {uapi.link_create, {
      target = {"target_fd", "target_ifindex"},
      relative = {"cgroup.relative_fd", "tcx.relative_fd", "netkit.relative_fd"},
      expected_revision = {"cgroup.expected_revision", "tcx.expected_revision", "netkit.expected_revision"},
      pf = {"netfilter.pf"}, hooknum = {"netfilter.hooknum"}, priority = {"netfilter.priority"},
      netfilter_flags = {"netfilter.flags"},
    }},
    iter_info = {uapi.iter_link_info, {
      map_fd = {"map.map_fd"}, order = {"cgroup.order"}, cgroup_fd = {"cgroup.cgroup_fd"},
      cgroup_id = {"cgroup.cgroup_id"}, tid = {"task.tid"}, pid = {"task.pid"}, pid_fd = {"task.pid_fd"},
    }},
    link_update = {uapi.link_update, {
      link_fd = {"link_update.link_fd"}, new_prog_fd = {"link_update.new_prog_fd"}, flags = {"link_update.flags"},
      old_prog_fd = {"link_update.old_prog_fd"},
    }},
    link_detach = {uapi.link_update, {link_fd = {"link_detach.link_fd"}}},
    iter_create = {uapi.link_update, {link_fd = {"iter_create.link_fd"}, flags = {"iter_create.flags"}}},
    obj = {uapi.obj, {}},
    info = {uapi.info_and_ids, {bpf_fd = {"info.bpf_fd"}, info_len = {"info.info_len"}, info = {"info.info"}}},
    get_id = {uapi.info_and_ids, {id = {"start_id", "prog_id", "link_id"}, token_fd = {"fd_by_id_token_fd"}}},
    prog_load = {uapi.prog_load, {}},
    token_create = {uapi.token_create, {}},
    token_info = {uapi.token_info, {}},
    link_info = {uapi.link_info, {}},
    prog_info = {uapi.prog_info, {gpl_compatible = false}}, -- a bit there, the word at 84 here
  }

  local checked = {}

  for structure, row in pairs(structures) do
    it("has " .. structure .. " as the kernel has it", function()
      local theirs, renamed = row[1], row[2]
      local count = 0
      for name, place in pairs(fields) do
        local ours, field = name:match "^(.-)%.(.*)$"
        if ours == structure then
          for _, other in ipairs(renamed[field] == false and {} or renamed[field] or {field}) do
            assert.is_table(theirs[other], other)
            assert.same({name, theirs[other][1], theirs[other][2]}, {name, place[1], place[2]})
            count = count + 1
          end
          checked[name] = true
        end
      end
      assert.is_true(count > 0)
    end)
  end

  it("reads the arms of bpf_link_info where the kernel writes them", function()
    for _, row in ipairs(core.abi.link_info) do
      local place = uapi.link_info[row.type .. "." .. row.field]
      assert.is_table(place, row.type .. "." .. row.field)
      assert.same({row.type, row.field, place[1], place[2]}, {row.type, row.field, row.offset, row.size})
    end
    assert.is_true(#core.abi.link_info > 15)
  end)

  it("has the commands on maps and BTF as bpf(2) documents them", function()
    local places = {
      ["map_create.map_type"] = {0, 4}, ["map_create.key_size"] = {4, 4}, ["map_create.value_size"] = {8, 4},
      ["map_create.max_entries"] = {12, 4}, ["map_create.map_flags"] = {16, 4}, ["map_create.inner_map_fd"] = {20, 4},
      ["map_create.numa_node"] = {24, 4}, ["map_create.map_name"] = {28, 16}, ["map_create.map_ifindex"] = {44, 4},
      ["map_create.btf_fd"] = {48, 4}, ["map_create.btf_key_type_id"] = {52, 4},
      ["map_create.btf_value_type_id"] = {56, 4}, ["map_create.btf_vmlinux_value_type_id"] = {60, 4},
      ["map_create.map_extra"] = {64, 8},
      ["map_create.value_type_btf_obj_fd"] = {72, 4}, ["map_create.map_token_fd"] = {76, 4},
      ["map_elem.map_fd"] = {0, 4}, ["map_elem.key"] = {8, 8},
      ["map_elem.value"] = {16, 8}, ["map_elem.flags"] = {24, 8}, ["map_info.type"] = {0, 4}, ["map_info.id"] = {4, 4},
      ["map_info.key_size"] = {8, 4}, ["map_info.value_size"] = {12, 4}, ["map_info.max_entries"] = {16, 4},
      ["map_info.map_flags"] = {20, 4}, ["map_info.name"] = {24, 16}, ["map_info.ifindex"] = {40, 4},
      ["map_info.btf_vmlinux_value_type_id"] = {44, 4}, ["map_info.netns_dev"] = {48, 8},
      ["map_info.netns_ino"] = {56, 8}, ["map_info.btf_id"] = {64, 4}, ["map_info.btf_key_type_id"] = {68, 4},
      ["map_info.btf_value_type_id"] = {72, 4}, ["map_info.map_extra"] = {80, 8},
      ["btf_load.btf"] = {0, 8}, ["btf_load.btf_log_buf"] = {8, 8}, ["btf_load.btf_size"] = {16, 4},
      ["btf_load.btf_log_size"] = {20, 4}, ["btf_load.btf_log_level"] = {24, 4},
      ["btf_load.btf_log_true_size"] = {28, 4}, ["btf_load.btf_flags"] = {32, 4}, ["btf_load.btf_token_fd"] = {36, 4},
      ["btf_info.btf"] = {0, 8}, ["btf_info.btf_size"] = {8, 4}, ["btf_info.id"] = {12, 4},
      ["btf_info.name"] = {16, 8}, ["btf_info.name_len"] = {24, 4}, ["btf_info.kernel_btf"] = {28, 4},
      ["map_freeze.map_fd"] = {0, 4}, ["map_batch.in_batch"] = {0, 8}, ["map_batch.out_batch"] = {8, 8},
      ["map_batch.keys"] = {16, 8}, ["map_batch.values"] = {24, 8}, ["map_batch.count"] = {32, 4},
      ["map_batch.map_fd"] = {36, 4}, ["map_batch.elem_flags"] = {40, 8}, ["map_batch.flags"] = {48, 8},
    }
    for name, place in pairs(places) do
      assert.same({name, place}, {name, {fields[name][1], fields[name][2]}})
      checked[name] = true
    end
  end)

  it("has every field of ours compared above", function()
    for name in pairs(fields) do
      assert.is_true(checked[name], name .. " is compared with nothing")
    end
  end)

  it("has the kernel's flags and commands", function()
    for name, value in pairs(constants) do
      local map_type = (name:match "^MAP_TYPE_(.*)$" or ""):lower()
      local link_type = (name:match "^LINK_TYPE_(.*)$" or ""):lower()
      local program_type = (name:match "^PROG_TYPE_(.*)$" or ""):lower()
      local theirs = uapi.flags[name] or uapi.commands[name:lower()] or uapi.link_types[link_type]
        or uapi.program_types[program_type] or core.names.map_type[map_type] or uapi.attach_types[name:lower()]
      assert.same({name, theirs}, {name, value})
    end
  end)

  it("has the kernel's names of attach, link and program types, both ways", function()
    for _, ours in ipairs {"attach_type", "link_type", "program_type"} do
      local theirs = ours .. "s"
      local count = 0
      for name, number in pairs(uapi[theirs]) do
        assert.equal(number, core.names[ours][name])
        assert.equal(name, core.names[ours][number])
        count = count + 1
      end
      assert.is_nil(core.names[ours][count])
    end
    for number = 0, #core.names.command do
      assert.equal(number, uapi.commands[core.names.command[number]])
    end
    assert.equal(27, core.names.map_type.ringbuf)
    assert.equal("arena", core.names.map_type[33])
  end)
end)
