-- Instructions a call, in core.so and in all: written by `make bench-callgrind RECORD=1`.
return {
  link_create_close = {943, 12323},
  link_update = {261, 1054},
  link_info = {801, 4177},
  pin_unpin = {494, 5552},
  pin_open = {718, 11204},
  attach_detach = {1915, 22874},
  query = {2142, 114498},
  map_get = {317, 964},
  map_set = {396, 1190},
}
