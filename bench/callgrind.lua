-- Instructions a call, in core.so and in all: written by `make bench-callgrind RECORD=1`.
return {
  link_create_close = {484, 4627},
  link_update = {98, 608},
  link_info = {82, 3323},
  pin_unpin = {379, 5113},
  pin_open = {719, 10626},
  attach_detach = {604, 4899},
  query = {792, 90933},
  map_get = {81, 548},
  map_set = {98, 705},
}
