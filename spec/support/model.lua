-- What the lists of programs should do, without a kernel: the rules that the library documents, for a cgroup and its
-- parent, tcx and netkit. The walker compares them with what the kernel does.
--
-- A state has lists, one a hook; the links and attachments that the walker holds, by slot; and `closed`, the last link
-- of each slot. Programs are numbers. An entry of a list is {program =, link =, preorder =}, a link {hook =, slot =,
-- program =, alive =}, an attachment {hook =, program =, preorder =, detached =}. state:apply(step) gives true, an
-- errno's name and nothing changed, or nil: there is no such thing, and the step is none.

local M = {}
local State = {}
State.__index = State

local function new(class, revisions)
  local state = setmetatable({lists = {}, links = {}, attachments = {}, closed = {}}, {__index = class})
  for hook, revision in ipairs(revisions) do
    state.lists[hook] = {revision = revision or nil}
  end
  return state
end

-- The link and the program that a step's anchor, or the thing it would replace or detach, stands for.
function State:offer(list, thing)
  local kind, n = thing[1], thing[2]
  if kind == "link" then
    return self.links[n] and {link = self.links[n], program = self.links[n].program}
  elseif kind == "link id" then
    local link = self.links[n] or self.closed[n]
    return link and {link = link, program = link.program, gone = not self.links[n]}
  elseif kind == "attachment" then
    return self.attachments[n] and {program = self.attachments[n].program}
  elseif kind == "entry" then
    return list[n] and self.seen(list, list[n])
  elseif kind == "no link id" then
    return {link = {}, gone = true}
  elseif kind == "no program id" then
    return {program = 0, gone = true}
  end
  return {program = n} -- a program, or its id
end

--- The step's revision, which is relative to what a query shows. 0 asks for no check, and so is none.
function State:asked(list, step)
  local revision = step.revision and self.revision(list) + step.revision
  return revision and revision > 0 and revision or nil
end

function State:stale(list, step)
  local revision = self:asked(list, step)
  return revision and revision ~= list.revision
end

local function bump(list)
  list.revision = list.revision and list.revision + 1
end

local function find(list, holds)
  for position, entry in ipairs(list) do
    if holds(entry) then
      return entry, position
    end
  end
end

local function unowned(list, program)
  return find(list, function(entry) return entry.program == program and not entry.link end)
end

local function by_link(list, link)
  return find(list, function(entry) return entry.link == link end)
end

local function by_program(list, program)
  return find(list, function(entry) return entry.program == program end)
end

function State:insert(list, step, position)
  local entry = {program = step.program, preorder = step.preorder}
  if step.op == "link" then
    entry.link = {hook = step.hook, slot = step.slot, program = step.program, alive = true}
    self.links[step.slot] = entry.link
  else
    self.attachments[step.slot] = {hook = step.hook, program = step.program, preorder = step.preorder}
  end
  if step.place == "head" then
    position = 1
  elseif not position then
    position = #list + 1
  elseif step.place == "after" then
    position = position + 1
  end
  table.insert(list, position, entry)
  bump(list)
  return true
end

function State:remove(list, position)
  local link = table.remove(list, position).link
  if link then
    link.alive = false
  end
  bump(list)
  self.removed(list)
  return true
end

local held = {update = "links", sever = "links", close = "links", renew = "attachments", drop = "attachments",
  forget = "attachments"}

--- The hook that a step is about: of the thing in its slot, or its own.
function State:hook_of(step)
  local things = self[held[step.op]]
  local thing = things and things[step.slot]
  return thing and thing.hook or step.hook
end

-- Everything is in step.op: its function gets the step and the list of its hook.
function State:apply(step)
  return self[step.op](self, step, self.lists[self:hook_of(step)])
end

function State:attach(step, list)
  if (step.op == "link" and self.links or self.attachments)[step.slot] then
    return nil
  end
  local anchor = step.anchor and self:offer(list, step.anchor)
  if step.anchor and not anchor then
    return nil
  end
  local failure, position = self:place(step, list, anchor)
  if failure then
    return failure
  end
  return self:insert(list, step, position)
end

State.link = State.attach

-- Puts the program in the place of one without a link.
function State:swap(step, list, old, preorder)
  local failure = self:stale(list, step) and "ESTALE" or self:refuses(list, step.program, old)
  if failure then
    return failure
  end
  local entry = unowned(list, old)
  if not entry then
    return by_program(list, old) and "EBUSY" or "ENOENT"
  end
  if self.counts_same or step.program ~= old then
    bump(list)
  end
  entry.program, entry.preorder = step.program, preorder
  return true
end

-- hook:replace(old, program)
function State:replace(step, list)
  local old = self:offer(list, step.old)
  if self.attachments[step.slot] or not old then
    return nil
  elseif old.link then
    return by_link(list, old.link) and "EBUSY" or "ENOENT"
  elseif old.gone then
    return "ENOENT"
  end
  local preorder = step.preorder
  if preorder == nil then -- as the old one is: an attachment knows, else it may show
    preorder = step.old[1] == "attachment" and self.attachments[step.old[2]].preorder
      or step.old[1] ~= "attachment" and self:runs_ahead(step.hook, old.program)
  end
  local result = self:swap(step, list, old.program, preorder)
  if result == true then
    self.attachments[step.slot] = {hook = step.hook, program = step.program, preorder = preorder}
  end
  return result
end

-- attachment:replace(program): the handle then stands for the new program, whatever became of the old one
function State:renew(step, list)
  local attachment = self.attachments[step.slot]
  if not attachment then
    return nil
  end
  local result = self:swap(step, list, attachment.program, attachment.preorder)
  if result == true then
    attachment.program, attachment.detached = step.program, nil
  end
  return result
end

function State:take(step, list, program)
  if self:stale(list, step) and not (#list == 0 and self.limit == 63) then -- a device says ENOENT of an empty list
    return "ESTALE"
  end
  local entry, position = unowned(list, program)
  if not entry then
    return by_program(list, program) and "EBUSY" or "ENOENT"
  end
  return self:remove(list, position)
end

-- hook:detach(what) or hook:detach(nil, {at =})
function State:detach(step, list)
  local what
  if step.at then
    local entry = list[step.at == "head" and 1 or #list]
    if not entry then
      return "ENOENT"
    end
    what = self.seen(list, entry)
  else
    what = self:offer(list, step.what)
  end
  if not what then
    return nil
  elseif what.link then
    return by_link(list, what.link) and "EBUSY" or "ENOENT"
  elseif what.several and step.at then
    return "EBUSY"
  elseif what.gone then
    return "ENOENT"
  end
  return self:take(step, list, what.program)
end

-- attachment:detach()
function State:drop(step, list)
  local attachment = self.attachments[step.slot]
  if not attachment then
    return nil
  elseif attachment.detached then
    return true
  end
  local result = self:take(step, list, attachment.program)
  attachment.detached = result == true
  return result
end

-- attachment:close()
function State:forget(step)
  if not self.attachments[step.slot] then
    return nil
  end
  self.attachments[step.slot] = nil
  return true
end

-- link:update(program, old)
function State:update(step, list)
  local link = self.links[step.slot]
  if not link then
    return nil
  elseif not link.alive then
    return "ENOLINK"
  elseif step.old and step.old ~= link.program then
    return "EPERM"
  elseif link.program == step.program and not self.counts_same then
    return true
  elseif self.limit == 63 and by_program(list, step.program) then
    return "EEXIST"
  end
  by_link(list, link).program = step.program
  link.program = step.program
  bump(list)
  return true
end

-- link:detach()
function State:sever(step, list)
  local link = self.links[step.slot]
  if not link then
    return nil
  end
  local _, position = by_link(list, link)
  return position == nil or self:remove(list, position)
end

-- link:close()
function State:close(step, list)
  local done = self:sever(step, list)
  if done then
    self.closed[step.slot], self.links[step.slot] = self.links[step.slot], nil
  end
  return done
end

--- Cgroups. Links are ordered against links, programs without one against such; each preorder or not against its like.
local Cgroup = setmetatable({limit = 64, counts_same = true}, {__index = State})

function Cgroup.revision(list)
  return list.revision
end

function Cgroup.removed() end

-- An entry as a query shows it: which link it is of can't be told if the program is there several times.
function Cgroup.seen(list, entry)
  local links, entries = 0, 0
  for _, other in ipairs(list) do
    if other.program == entry.program then
      entries = entries + 1
      links = links + (other.link and 1 or 0)
    end
  end
  local certain = links == 1 and entries == 1
  return {program = entry.program, link = certain and entry.link or nil, several = links > 0 and not certain}
end

function Cgroup:place(step, list, anchor)
  local linking = step.op == "link"
  if anchor and (linking and not anchor.link or not linking and (anchor.link or anchor.several)) then
    return "EINVAL"
  elseif self:stale(list, step) then
    return "ESTALE"
  elseif #list >= self.limit then
    return "E2BIG"
  elseif not linking and unowned(list, step.program) then
    return "EEXIST"
  end
  if anchor then
    local entry, position
    if linking then
      entry, position = by_link(list, anchor.link)
    else
      entry, position = unowned(list, anchor.program)
    end
    if not entry then
      return "ENOENT"
    end
    return (entry.preorder or false) ~= (step.preorder or false) and "EINVAL" or nil, position
  end
end

function Cgroup:refuses(list, program, old)
  if #list >= self.limit then
    return "E2BIG"
  end
  return program ~= old and unowned(list, program) and "EEXIST" or nil
end

-- Preorder programs first, the parent's before the child's; then the rest, the child's before the parent's.
function Cgroup:effective(hook)
  local order = {}
  local function add(from, preorder)
    for _, entry in ipairs(self.lists[from]) do
      order[#order + 1] = (entry.preorder or false) == preorder and entry or nil
    end
  end
  for from = 1, hook do add(from, true) end
  for from = hook, 1, -1 do add(from, false) end
  return order
end

-- Whether it shows that a program is preorder: it runs ahead of one that stands before it, and both are there once.
function Cgroup:runs_ahead(hook, program)
  local count = {}
  for _, entry in ipairs(self:effective(hook)) do
    count[entry.program] = (count[entry.program] or 0) + 1
  end
  local entry, position = by_program(self.lists[hook], program)
  for i = 1, position and count[program] == 1 and position - 1 or 0 do
    local before = self.lists[hook][i]
    if entry.preorder and not before.preorder and count[before.program] == 1 then
      return true
    end
  end
  return nil
end

--- Devices: one list of links and programs, each program once, either an anchor of either.
local Device = setmetatable({limit = 63, counts_same = false}, {__index = State})

function Device.seen(_, entry)
  return {program = entry.program, link = entry.link}
end

function Device:place(step, list, anchor)
  if self:stale(list, step) then
    return "ESTALE"
  elseif by_program(list, step.program) then
    return "EEXIST"
  elseif anchor and anchor.gone then
    return "ENOENT"
  elseif #list >= self.limit then
    return "ERANGE"
  end
  if anchor then
    local entry, position
    if anchor.link then
      entry, position = by_link(list, anchor.link)
    else
      entry, position = by_program(list, anchor.program)
    end
    return not entry and "ENOENT" or nil, position
  end
end

function Device.runs_ahead() end

function Device.refuses(_, list, program, old)
  return program ~= old and by_program(list, program) and "EEXIST" or nil
end

-- An empty tcx list is freed, and its revision with it. A netkit keeps counting.
local Tcx = setmetatable({}, {__index = Device})

function Tcx.revision(list)
  return list.revision
end

function Tcx.removed(list)
  if #list == 0 then
    list.revision = 1
  end
end

local Netkit = setmetatable({}, {__index = Device})

function Netkit.revision(list)
  return list.revision
end

function Netkit.removed() end

local kinds = {cgroup = Cgroup, tcx = Tcx, netkit = Netkit}

--- A state of empty lists.
-- @string kind "cgroup", "tcx" or "netkit"
-- @tparam {int|false,…} revisions of its lists; false where the kernel keeps none
function M.new(kind, revisions)
  return new(kinds[kind], revisions)
end

return M
