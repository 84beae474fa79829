-- Netfilter links: ebpf.link.netfilter, documented in link.lua.

local core = require "ebpf.core"
local errors = require "ebpf.errors"
local features = require "ebpf.features"
local holders = require "ebpf.holders"
local options = require "ebpf.options"
local origin = require "ebpf.origin"

local M = {}

-- NFPROTO_*; the kernel (7.2) takes ipv4 and ipv6 alone, and says so of the others itself
local families = {inet = 1, ipv4 = 2, arp = 3, netdev = 5, bridge = 7, ipv6 = 10}
local hooks = {prerouting = 0, input = 1, forward = 2, output = 3, postrouting = 4, ingress = 5} -- NF_INET_*
local family_names = {"ipv4", "ipv6", "inet", "arp", "bridge", "netdev"}
local hook_names = {"prerouting", "input", "forward", "output", "postrouting", "ingress"}
local known = {family = "string", hook = "string", priority = "number", defrag = "boolean"}
local DEFRAG_PRIORITY = -400 -- NF_IP_PRI_CONNTRACK_DEFRAG

local reasons = {}

function reasons.EBUSY(context)
  local opts = context.opts
  local link = holders.name(holders.links {type = "netfilter", pf = families[opts.family],
    hooknum = hooks[opts.hook], priority = context.priority})
  return ("another program has priority %d here%s: each priority is taken once"):format(context.priority,
    link and ", that of " .. link or "")
end

function reasons.ERANGE(context)
  if context.opts.defrag and context.priority <= DEFRAG_PRIORITY then
    return ("packets are put together at priority %d: with defrag, choose a greater one"):format(DEFRAG_PRIORITY)
  end
  return "the least and the greatest priority are the kernel's own"
end

function reasons.EAFNOSUPPORT(context)
  return ("the kernel has no netfilter links in family %s"):format(context.opts.family)
end

function reasons.EPROTO(context)
  return ("family %s has no hook %s"):format(context.opts.family, context.opts.hook)
end

function reasons.EOPNOTSUPP(context)
  return context.opts.defrag and "defrag needs Linux 6.6"
end

function reasons.ENOENT(context)
  return context.opts.defrag and "the module that puts fragments together (nf_defrag_ipv4, nf_defrag_ipv6) can't be had"
end

function reasons.EINVAL(context)
  local have, message, number = features.need("netfilter_link", "link netfilter", context.subject)
  if have == nil then
    return nil, message, number
  end
  local info = context.program:info()
  if info and info.type ~= "netfilter" then
    return ("the program is of type %s, and netfilter takes netfilter"):format(info.type)
  end
end

local function failure(context, message, number)
  local reason = reasons[errors.errno[number]]
  local why, other, other_number
  if reason then
    why, other, other_number = reason(context)
  end
  if other then
    return nil, other, other_number
  elseif why then
    return errors.fail("link netfilter", context.subject, number, why)
  end
  return nil, message, number
end

function M.link(program, opts)
  local what = "link.netfilter"
  options.expect(what, 1, program, "program")
  options.expect(what, 2, opts, "table")
  options.check(what, opts, known)
  options.one_of(what, "family", opts.family, family_names)
  options.one_of(what, "hook", opts.hook, hook_names)
  local priority = opts.priority or 0
  if priority % 1 ~= 0 or priority < -2 ^ 31 or priority >= 2 ^ 31 then
    error(("bad option 'priority' to '%s' (integer of 32 bits expected, got %s)"):format(what, tostring(priority)), 2)
  end
  local subject = ("on %s %s, priority %d"):format(opts.family, opts.hook, priority)
  local link, message, number = core.link_create.netfilter(subject, program, families[opts.family], hooks[opts.hook],
    priority, opts.defrag and core.abi.constants.NETFILTER_IP_DEFRAG or 0)
  if link then
    origin.note(link)
    return link
  end
  return failure({program = program, opts = opts, priority = priority, subject = subject}, message, number)
end

return M
