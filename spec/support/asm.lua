-- BPF instructions as byte strings, as many as the specs need. r0 … r10 are plain numbers.

local M = {}

local function int32(value)
  value = value % 2 ^ 32
  local bytes = {}
  for i = 1, 4 do
    bytes[i] = string.char(value % 256)
    value = math.floor(value / 256)
  end
  return table.concat(bytes)
end

local function insn(code, dst, src, offset, immediate)
  offset = (offset or 0) % 65536
  return string.char(code, (src or 0) * 16 + dst, offset % 256, math.floor(offset / 256)) .. int32(immediate or 0)
end

function M.mov(dst, value) return insn(0xb7, dst, 0, 0, value) end
function M.mov_reg(dst, src) return insn(0xbf, dst, src) end
function M.add(dst, value) return insn(0x07, dst, 0, 0, value) end
function M.mul(dst, value) return insn(0x27, dst, 0, 0, value) end
function M.call(helper) return insn(0x85, 0, 0, 0, helper) end
function M.exit() return insn(0x95, 0) end
function M.skip_if_null(reg, count) return insn(0x15, reg, 0, count, 0) end
function M.store_word(base, offset, value) return insn(0x62, base, 0, offset, value) end
function M.load_double(dst, base) return insn(0x79, dst, base) end
function M.store_double(base, src) return insn(0x7b, base, src) end
function M.atomic_add(base, src) return insn(0xdb, base, src) end
function M.tail_call(fd, index) -- r1 is the context
  return M.map(2, fd) .. M.mov(3, index) .. M.call(12)
end
function M.map(dst, fd) return insn(0x18, dst, 1, 0, fd) .. insn(0, 0) end

--- A program that only gives a verdict. `salt` makes programs that do the same differ.
function M.verdict(value, salt)
  return {M.mov(1, salt or 0), M.mov(0, value), M.exit()}
end

-- r0 = &map[0]
local function element(fd)
  return M.store_word(10, -4, 0) .. M.mov_reg(2, 10) .. M.add(2, -4) .. M.map(1, fd) .. M.call(1)
end

--- Counts in map[0] how often it runs, then gives a verdict.
function M.counter(fd, value)
  return {element(fd), M.skip_if_null(0, 2), M.mov(1, 1), M.atomic_add(0, 1), M.mov(0, value), M.exit()}
end

--- Appends a decimal digit to map[0]: after one packet it reads as the order of those that ran.
function M.mark(fd, digit, value)
  return {
    element(fd), M.skip_if_null(0, 4), M.load_double(1, 0), M.mul(1, 10), M.add(1, digit), M.store_double(0, 1),
    M.mov(0, value), M.exit(),
  }
end

return M
