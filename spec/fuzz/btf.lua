-- For each codec and bytes that spec/fuzz/btf.c makes.

return function(codec, bytes)
  if #bytes < codec:size() then
    return
  end
  tostring(codec)
  local value = codec:decode(bytes)
  -- members of hostile types may overlap as no C compiler's do: then what was read is refused, in words
  local ok, encoded = pcall(codec.encode, codec, value)
  if not ok then
    assert(encoded:find "^bad argument #%d to '?.*value.*: ", encoded)
    return
  end
  assert(#encoded == codec:size())
  codec:decode(encoded, type(value) == "table" and value or nil)
end
