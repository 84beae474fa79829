-- Instructions a call, in core.so and in all: written by `make bench-callgrind RECORD=1`.
return {
  link_create_close = {944, 12249},
  link_update = {200, 873},
  link_info = {801, 4314},
  pin_unpin = {494, 5397},
  pin_open = {719, 11193},
  attach_detach = {1916, 22885},
  query = {2449, 107195},
  map_get = {269, 1129},
  map_set = {332, 1203},
}
