--- Addresses and prefixes of IPv4 and IPv6, for keys and values of maps.
-- Fields of the types `__be32`, `struct in_addr` and `struct in6_addr` are texts; what a program keeps in other types
-- (`__u32`, `__u8[16]`) has its bytes from here.
-- @module ebpf.address

local core = require "ebpf.core"
local options = require "ebpf.options"

local M = {}

--- The bytes of an address, in network order.
-- @string text "10.0.0.1", "2001:db8::1"
-- @treturn string 4 or 16 bytes
function M.bytes(text)
  options.expect("address.bytes", 1, text, "string")
  local bytes = core.address.bytes(text)
  if not bytes then
    error(("bad argument '1' to 'address.bytes' (no IPv4 or IPv6 address: '%s')"):format(text), 2)
  end
  return bytes
end

--- The text of an address.
-- @string bytes 4 or 16, in network order
-- @treturn string
function M.text(bytes)
  options.expect("address.text", 1, bytes, "string")
  local text = core.address.text(bytes)
  if not text then
    error(("bad argument '1' to 'address.text' (4 or 16 bytes expected, got %d)"):format(#bytes), 2)
  end
  return text
end

--- A prefix, as the key of a map of type lpm_trie: checked, and in the form in which such a map gives its keys back.
-- The map takes any text of it as well; an address alone is the prefix of all its bits.
-- @string text "10.0.0.0/8", "2001:db8::/32", "10.0.0.1"
-- @treturn string "10.0.0.0/8", "2001:db8::/32", "10.0.0.1/32"; raises for anything else, and for a prefix whose
-- address has bits set beyond its length
-- @usage trie:set(ebpf.lpm "10.0.0.0/8", 1)
function M.lpm(text)
  options.expect("lpm", 1, text, "string")
  local prefix, why = core.address.lpm(text)
  if not prefix then
    error(("bad argument '1' to 'lpm' ('%s': %s)"):format(text, why), 2)
  end
  return prefix
end

return M
