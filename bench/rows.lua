-- What is measured, and what it must reach. `limit` is the library's time as a multiple of C's, `most` is in ns.
-- `c` and `lua`: the row's name in bench.c and worker.lua, where it isn't `name`; `argument` goes to both; `hold`: so
-- many links are there meanwhile; `step`: operations are done in multiples of it; `slow`: an operation is many system
-- calls; `live`: it takes another process.

local M = {}

M.rows = {
  {name = "link_create_close", title = "link create + close", limit = 1.05},
  {name = "pin_unpin", title = "pin + unpin", limit = 1.05},
  {name = "attach_detach", title = "attach + detach", limit = 1.05},
  {name = "link_update", title = "link update", limit = 1.10},
  {name = "pin_open", title = "pin open, kind found out", limit = 1.30},
  {name = "link_info", title = "link info, a table", limit = 1.30},
  {name = "query", title = "query, 60 entries made", argument = 60, limit = 1.30},
  {name = "walk", title = "walk 2,000 links with info", hold = 2000, limit = 1.10},
  {name = "map_get", title = "map get, u32 -> u64", limit = 1.10},
  {name = "map_set", title = "map set, u32 -> u64", limit = 1.10},
  {name = "read_numbers", title = "read a hash of 10,000 numbers, against get_next_key", c = "read_numbers.next_key",
    limit = 0.35, slow = true},
  {name = "read_numbers_batch", title = "read a hash of 10,000 numbers, against a bare batch", lua = "read_numbers",
    c = "read_numbers.batch", limit = 2.5, slow = true},
  {name = "read_structs", title = "read a hash of 10,000 structs, against get_next_key", c = "read_structs.next_key",
    limit = 0.6, slow = true},
  {name = "counter", title = "read an mmapped counter", most = 150},
  -- half of C's records a second, and 0.8 of them
  {name = "ring_live_typed", title = "live ring buffer, a typed record a packet", step = 10000, live = true,
    limit = 1 / 0.5},
  {name = "ring_live_raw", title = "live ring buffer, a raw record a packet", step = 10000, live = true,
    limit = 1 / 0.8},
  {name = "ring_typed", title = "full ring buffer, a typed record of 64 bytes", step = 10000, limit = 1 / 0.5},
  {name = "ring_reuse", title = "full ring buffer, the same into one table", c = "ring_typed", step = 10000,
    limit = 1 / 0.5},
  {name = "ring_raw", title = "full ring buffer, a raw record of 64 bytes", step = 10000, limit = 1 / 0.8},
}

-- Cost as work grows. `hold`: the number is of links that are there, not an argument; `others`: one of them is the
-- operation's own.
M.growth = {
  {name = "query", title = "query of n programs", at = {1, 10, 63}},
  {name = "attach_detach", title = "attach + detach, n with it", at = {1, 10, 63}, others = true},
  {name = "walk", title = "walk n links with info", at = {10, 1000, 10000}, hold = true},
  {name = "each", title = "each entry of a hash of n", c = "read_numbers.next_key", at = {100, 1000, 10000, 100000,
    1000000}},
}
-- The slope of a curve from the first n to the last, both axes logarithmic: 1 is linear. Or as steep as C's, nearly:
-- what is too large for the processor's caches is more than linear for everybody.
M.steepest = 1.10
M.steeper = 0.05

-- What instructions are counted of.
M.callgrind = {
  {name = "link_create_close"}, {name = "link_update"}, {name = "link_info"}, {name = "pin_unpin"},
  {name = "pin_open"}, {name = "attach_detach"}, {name = "query", argument = 60}, {name = "map_get"},
  {name = "map_set"},
}

M.garbage = 0 -- bytes a call
-- Growth over a million openings and closings: KiB (four bytes each: what is lost is more than that), count.
M.memory = {resident = 4096, descriptors = 0}

return M
