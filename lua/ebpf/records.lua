-- What programs send to user space, in words: options, types, waiting. What Ringbuf and Perfbuf have in common.

local core = require "ebpf.core"
local errors = require "ebpf.errors"
local options = require "ebpf.options"

local M = {}

-- The kernel has no types of these maps, which have neither keys nor values; an object's file has.
local sends = {ringbuf = true, user_ringbuf = true, perf_event_array = true}
local types_of = setmetatable({}, {__mode = "k"}) -- Map -> Btf

--- Has a map remember its Object's types, if it is one that sends or takes records.
-- @tparam Map map
-- @tparam Object object
function M.remember(map, object)
  local info = map:info()
  if info and sends[info.type] then
    types_of[map] = core.btf.of_object(object)
  end
  return map
end

local function types(operation, map, given)
  if given == nil then
    if not types_of[map] then
      return errors.fail(operation, map:id(), "ENOENT",
        "the kernel has no types of it: {btf = …} would say whose to use")
    end
    return types_of[map]
  elseif options.class(given) == "btf" then
    return given
  end
  return given:btf()
end

--- The Codec of a map's records.
-- @string operation
-- @tparam Map map
-- @tparam table opts `type` (its name, or a Codec), `btf`
-- @treturn[1] Codec|nil
-- @treturn[2] nil, message, errno
function M.codec(operation, map, opts)
  if type(opts.type) ~= "string" then
    return opts.type
  end
  local btf, message, errno = types(operation, map, opts.btf)
  if not btf then
    return nil, message, errno
  end
  return btf:codec(opts.type)
end

--- nil, message, errno unless the map is of this type.
function M.refusal(operation, map, wanted)
  local info, message, errno = map:info()
  if not info then
    return {nil, message, errno}
  elseif info.type ~= wanted then
    return {errors.fail(operation, map:id(), "EINVAL", ("it is a map of type %s, not %s"):format(info.type, wanted))}
  end
end

--- Opens the one end of a ring that this process may have.
-- @tparam {[int]=Handle} opened by the map's id; weak
-- @tparam table ring functions of ebpf.core: open
-- @string word "ringbuf" or "user_ringbuf": the map's type, and what the function is called
-- @tparam Map map
-- @tparam table opts checked: `type`, `btf`
-- @string role what there is one of
-- @treturn[1] Handle
-- @treturn[2] nil, message, errno
function M.open(opened, ring, word, map, opts, role)
  local operation = word .. " open"
  local refusal = M.refusal(operation, map, word)
  if refusal then
    return nil, refusal[2], refusal[3]
  end
  local id = map:id()
  if opened[id] and not opened[id]:closed() then
    return errors.fail(operation, id, "EBUSY", "it is open here already, and has one " .. role)
  end
  local codec, message, errno = M.codec(operation, map, opts)
  if errno then
    return nil, message, errno
  end
  local handle
  handle, message, errno = ring.open(map, codec, opts.reuse)
  if handle then
    opened[id] = handle
  end
  return handle, message, errno
end

local function check_timeout(what, timeout)
  if type(timeout) ~= "number" then
    error(("bad argument '1' to '%s' (number expected, got %s)"):format(what, options.class(timeout)), 3)
  end
  if timeout < 0 or timeout ~= timeout then
    error(("bad argument '1' to '%s' (milliseconds from 0 expected, got %s)"):format(what, tostring(timeout)), 3)
  end
end

--- Methods of a class of records.
-- @tparam table module of the core
-- @string class
function M.methods(module, class)
  local methods = module.methods
  local step, wait, consume, reuses = module.step, module.wait, methods.consume, module.reuses
  local poll = class .. ":poll"

  -- A signal ends a nap in C, so that what Lua has set to run at signals runs.
  local function wait_out(self, timeout)
    local left, message, errno = wait(self, timeout)
    while type(left) == "number" do
      left, message, errno = wait(self, left)
    end
    return left, message, errno
  end

  function methods:poll(timeout, max, fn)
    options.expect(poll, "self", self, class)
    if timeout == nil then
      timeout = math.huge
    end
    check_timeout(poll, timeout)
    if max ~= nil then
      options.expect(poll, 2, max, "number")
    end
    if fn ~= nil then
      options.expect(poll, 3, fn, "function")
    end
    if fn == nil and reuses(self) then
      error(("bad argument '3' to '%s:poll' (a function is expected: with reuse there is one table for all records)")
        :format(class), 2)
    end
    local ready, message, errno = wait_out(self, timeout)
    if ready == nil then
      return nil, message, errno
    end
    return consume(self, max, fn)
  end

  function methods:events(timeout)
    options.expect(class .. ":events", "self", self, class)
    if timeout == nil then
      return step, self
    end
    check_timeout(class .. ":events", timeout)
    return function()
      local record = step(self)
      if record ~= nil then
        return record
      end
      local ready, message = wait_out(self, timeout)
      if ready == nil then
        error(message, 2)
      end
      return ready and step(self) or nil
    end
  end

  function methods:events_mask()
    options.expect(class .. ":events_mask", "self", self, class)
    return "r"
  end
end

return M
