-- Links that an ELF section describes: ebpf.link.auto, documented in link.lua.

local core = require "ebpf.core"
local errors = require "ebpf.errors"
local options = require "ebpf.options"
local origin = require "ebpf.origin"

local M = {}

-- Program -> {object, name}. libbpf attaches its own struct alone, so a Program holds the Object it was taken from: as
-- long as one lives, the Object is not collected. Closing the Object frees it at once.
local sources = setmetatable({}, {__mode = "k"})

-- Called when a Program is taken from an Object.
function M.remember(program, object, name)
  sources[program] = {object = object, name = name}
  return program
end

function M.link(program)
  options.expect("link.auto", 1, program, "program")
  local source = sources[program]
  if not source then
    return errors.fail("link auto", ("program %d"):format(program:id() or 0), "EINVAL",
      "libbpf attaches by the ELF section, and this program was not taken from an Object")
  end
  if source.object:closed() then
    return errors.fail("link auto", source.name, "EINVAL", "its Object is closed")
  end
  local link, message, number = core.auto.attach(source.object, source.name)
  if not link then
    return nil, message, number
  end
  origin.note(link)
  return link
end

return M
