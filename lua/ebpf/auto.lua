-- Links that an ELF section describes: ebpf.link.auto, documented in link.lua.

local core = require "ebpf.core"
local errors = require "ebpf.errors"
local iterator = require "ebpf.iterator"
local options = require "ebpf.options"
local origin = require "ebpf.origin"
local struct_ops = require "ebpf.struct_ops"

local M = {}

-- Program -> {object, name}. libbpf attaches its own struct alone, so a Program holds the Object it was taken from: as
-- long as one lives, the Object is not collected. Closing the Object frees it at once.
local sources = setmetatable({}, {__mode = "k"})

-- Called when a Program is taken from an Object.
function M.remember(program, object, name)
  sources[program] = {object = object, name = name}
  return program
end

function M.link(program, opts)
  options.expect("link.auto", 1, program, "program", "map")
  opts = options.check("link.auto", opts, iterator.options)
  iterator.check(opts)
  options.open("link.auto", "map", opts.map)
  options.open("link.auto", "cgroup", opts.cgroup)
  if options.class(program) == "map" then
    return struct_ops.link(program, opts)
  end
  local source = sources[program]
  if not source then
    return errors.fail("link auto", ("program %d"):format(program:id() or 0), "EINVAL",
      "libbpf attaches by the ELF section, and this program was not taken from an Object")
  end
  if source.object:closed() then
    return errors.fail("link auto", source.name, "EINVAL", "its Object is closed")
  end
  local link, message, number
  local section = core.auto.section(source.object, source.name)
  if section:find "^struct_ops" then
    return errors.fail("link auto", section, "ENOTSUP", "a struct_ops is registered as a whole: pass its map")
  elseif iterator.parameters(section, opts) then
    link, message, number = iterator.link(program, section, opts)
  else
    link, message, number = core.auto.attach(source.object, source.name)
  end
  if not link then
    return nil, message, number
  end
  origin.note(link)
  return link
end

return M
