-- Arguments and option tables: what is misused raises here, naming the argument, before any system call.
-- Levels count so that the error points at the caller's line.

local M = {}

local function sorted(known)
  local names = {}
  for name in pairs(known) do
    names[#names + 1] = name
  end
  table.sort(names)
  return table.concat(names, ", ")
end

-- By metatable, of our classes. Held weakly, since a Map that is asked often has one of its own, which knows the Map.
local words = setmetatable({}, {__mode = "k"})

local function word_of(metatable)
  local name = type(metatable) == "table" and metatable.__name
  local word = type(name) == "string" and name:match "^ebpf%.(.*)"
  if word then
    words[metatable] = word
  end
  return word
end

--- What a value is: "link", "program" … for our objects, else type().
function M.class(value)
  local kind = type(value)
  if kind ~= "userdata" then
    return kind
  end
  local metatable = getmetatable(value)
  return words[metatable] or word_of(metatable) or kind
end

--- Raises unless the value is of one of these classes, and open.
-- @string what the function: "hook:link"
-- @param argument its number, its name, or "self"
-- @param value
-- @string first a class, as M.class names them
-- @string[opt] second
-- @string[opt] third
function M.expect(what, argument, value, first, second, third)
  local class = M.class(value)
  if class ~= first and class ~= second and class ~= third then
    error(("bad argument '%s' to '%s' (%s expected, got %s)"):format(argument, what,
      table.concat({first, second, third}, " or "), value == nil and "no value" or class), 3)
  end
  local closed = type(value) == "userdata" and value.closed -- a Codec has nothing to close
  if closed and closed(value) then
    if argument == "self" then
      error(class .. " is closed", 3)
    end
    error(("bad argument '%s' to '%s' (%s is closed)"):format(argument, what, class), 3)
  end
  return value
end

--- Raises if an option's object is closed.
-- @return the object, or nil
function M.open(what, key, object)
  if object ~= nil and object:closed() then
    error(("bad option '%s' to '%s' (%s is closed)"):format(key, what, M.class(object)), 3)
  end
  return object
end

--- Raises unless the value is a string without a NUL byte.
function M.path(what, argument, value)
  if type(value) ~= "string" then
    error(("bad argument '%s' to '%s' (path expected, got %s)"):format(argument, what, M.class(value)), 3)
  end
  if value == "" or value:find("\0", 1, true) then
    error(("bad argument '%s' to '%s' (a path is neither empty nor has a NUL byte)"):format(argument, what), 3)
  end
  return value
end

--- Raises unless the value is instructions: a string of 8 bytes each, or a list of such strings.
-- @string what the function
-- @param value
-- @treturn string
function M.instructions(what, value)
  if type(value) ~= "string" and type(value) ~= "table" then
    error(("bad argument 'insns' to '%s' (string or table expected, got %s)"):format(what,
      value == nil and "no value" or M.class(value)), 3)
  end
  if type(value) == "table" then
    value = table.concat(value)
  end
  if #value == 0 or #value % 8 ~= 0 then
    error(("bad argument 'insns' to '%s' (instructions of 8 bytes each expected, got %d bytes)"):format(what, #value),
      3)
  end
  return value
end

-- What an option may be, beyond M.class: text to say, and whether a value is it.
local special = {
  any = {"anything", function() return true end},
  text = {"string without a NUL byte", function(value)
    return type(value) == "string" and not value:find("\0", 1, true)
  end},
  u32 = {"integer from 0 to 4294967295", function(value)
    return type(value) == "number" and value >= 0 and value < 2 ^ 32 and value % 1 == 0
  end},
  count = {"integer from 1", function(value)
    return type(value) == "number" and value >= 1 and value < 2 ^ 53 and value % 1 == 0
  end},
  -- 64 bits, which Lua < 5.3 has as a string of digits where they are beyond 2^53; 0 would mean "any" to the kernel
  revision = {"integer from 1", function(value)
    if type(value) == "string" then
      return value:find "^%d+$" ~= nil and value:find "[1-9]" ~= nil
    end
    return type(value) == "number" and value >= 1 and value % 1 == 0
  end},
}

local function is(value, wanted)
  local row = special[wanted]
  if row then
    return row[2](value)
  end
  return ("|" .. wanted .. "|"):find("|" .. M.class(value) .. "|", 1, true) ~= nil
end

--- Raises unless the table has known keys only, each of the type that `known` gives.
-- @string what the function
-- @tparam table|nil options
-- @tparam {[string]=string} known type by key: a class, "a|b" for either, or one of the special ones above
-- @treturn table the options; a fresh one for nil
function M.check(what, options, known)
  if options == nil then
    return {}
  end
  if type(options) ~= "table" then
    error(("bad options to '%s' (table expected, got %s)"):format(what, M.class(options)), 3)
  end
  for key, value in pairs(options) do
    local wanted = known[key]
    if not wanted then
      error(("unknown option '%s' to '%s' (known: %s)"):format(tostring(key), what, sorted(known)), 3)
    end
    if not is(value, wanted) then
      local text = special[wanted] and special[wanted][1] or wanted:gsub("|", " or ")
      error(("bad option '%s' to '%s' (%s expected, got %s)"):format(key, what, text,
        type(value) == "number" and tostring(value) or M.class(value)), 3)
    end
  end
  return options
end

--- Raises unless the option is one of the names.
-- @int[opt=3] level where the error points: 3 is the caller of the function that asks
function M.one_of(what, key, value, names, level)
  for _, name in ipairs(names) do
    if value == name then
      return value
    end
  end
  error(("bad option '%s' to '%s' (%s expected, got %s)"):format(key, what, table.concat(names, ", "),
    tostring(value)), level or 3)
end

--- Raises unless at most one of the options is given, and returns its name.
function M.at_most_one(what, options, names, level)
  local given
  for _, name in ipairs(names) do
    if options[name] ~= nil and given then
      error(("options '%s' and '%s' to '%s' exclude each other"):format(given, name, what), level or 3)
    end
    given = options[name] ~= nil and name or given
  end
  return given
end

--- Raises unless the name is in a table of names, as ebpf.core has them.
function M.name(what, argument, value, names, noun)
  local number = type(value) == "string" and names[value]
  if not number then
    error(("bad argument '%s' to '%s' (%s expected, got %s)"):format(argument, what, noun,
      type(value) == "string" and "'" .. value .. "'" or M.class(value)), 3)
  end
  return number
end

return M
