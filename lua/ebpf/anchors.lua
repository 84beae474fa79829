-- Where in a list a program goes: options -> attach flags, the anchor's descriptor or id.
-- The kernel's rules differ by hook: on a cgroup a link is ordered against links only, and a program attached without
-- a link against such programs only (kernel/bpf/cgroup.c, get_prog_list, 6.17); a device's list takes either.

local core = require "ebpf.core"
local errors = require "ebpf.errors"
local features = require "ebpf.features"
local options = require "ebpf.options"

local M = {}
local flag = core.abi.constants

local function is_id(value)
  return type(value) == "number" and value > 0 and value % 1 == 0
end

-- What an anchor offers: the link and the program, each by descriptor or id. Raises for what is none.
local function offers(what, key, anchor)
  local class = options.class(anchor)
  if class == "table" then
    if not is_id(anchor.link_id) and not is_id(anchor.program_id) then
      error(("bad option '%s' to '%s' (an entry of a snapshot, or a table with link_id or program_id, expected)")
        :format(key, what), 4)
    end
    return {link_id = anchor.link_id, program_id = anchor.program_id, links = anchor.link_ids}
  end
  if class ~= "link" and class ~= "program" and class ~= "attachment" then
    error(("bad option '%s' to '%s' (link, program, attachment or entry of a snapshot expected, got %s)"):format(
      key, what, class), 4)
  end
  if anchor:closed() then
    error(("bad option '%s' to '%s' (%s is closed)"):format(key, what, class), 4)
  end
  if not anchor:fd() then
    error(("bad option '%s' to '%s' (a link of USDT probes is on no hook)"):format(key, what), 4)
  end
  return class == "link" and {link_fd = anchor:fd()} or {program_fd = anchor:fd()}
end

local function as_link(offer)
  if offer.link_fd then
    return flag.F_LINK, offer.link_fd
  end
  if offer.link_id then
    return flag.F_LINK + flag.F_ID, offer.link_id
  end
end

local function as_program(offer)
  if offer.program_fd then
    return 0, offer.program_fd
  end
  if offer.program_id then
    return flag.F_ID, offer.program_id
  end
end

-- flags, relative; or nil, why the anchor can't be used for what is being attached
local function choose(offer, attaching, on_device)
  if on_device then
    local flags, relative = as_link(offer)
    if not flags then
      flags, relative = as_program(offer)
    end
    return flags, relative
  end
  if attaching == "link" then
    local flags, relative = as_link(offer)
    if flags then
      return flags, relative
    end
    return nil, "on a cgroup a link is ordered against links only: give a Link or {link_id = n} as the anchor, "
      .. "not a program"
  end
  if offer.link_fd or offer.link_id or offer.links then
    return nil, "on a cgroup a program attached without a link is ordered against such programs only: give a Program, "
      .. "an Attachment or {program_id = n} as the anchor, not a link"
  end
  return as_program(offer)
end

--- Which of the position options is given: "before", "after", "at" or nil. Raises for two of them, or a bad `at`.
-- @string what the function
-- @tparam table opts
function M.position(what, opts)
  local key = options.at_most_one(what, opts, {"before", "after", "at"}, 4)
  if key == "at" then
    options.one_of(what, "at", opts.at, {"head", "tail"}, 4)
  end
  return key
end

--- Where the options put what is being attached.
-- @string what the function, for messages that raise
-- @tparam table opts checked options: before, after, at, revision, preorder
-- @string key the position option given, or nil
-- @string attaching "link" or "program"
-- @tparam table hook as core.mprog.describe gives it
-- @treturn[1] int flags
-- @treturn[1] int relative: the anchor's descriptor or id, 0 for none
-- @treturn[2] nil, message, errno
function M.place(what, opts, key, attaching, hook)
  local operation = attaching == "link" and "link" or "attach"
  local subject = hook.attach_type .. " on " .. hook.where
  local flags, relative = 0, 0
  if key == "at" then
    flags = opts.at == "head" and flag.F_BEFORE or flag.F_AFTER
  elseif key then
    local chosen, anchor = choose(offers(what, key, opts[key]), attaching, hook.ifindex ~= nil)
    if not chosen then
      return errors.fail(operation, subject, "EINVAL", anchor)
    end
    flags = chosen + (key == "before" and flag.F_BEFORE or flag.F_AFTER)
    relative = anchor
  end
  if opts.preorder then
    flags = flags + flag.F_PREORDER
  end
  if hook.cgroup_id then
    -- An older kernel ignores a link's revision rather than refuse it: so the probe comes first, not after a failure.
    local ordered = key or opts.revision or (opts.preorder and attaching == "link")
    local wanted = ordered and "cgroup_order" or opts.preorder and "cgroup_preorder"
    if wanted then
      local have, message, errno = features.need(wanted, operation, subject)
      if not have then
        return nil, message, errno
      end
    end
  end
  return flags, relative
end

return M
