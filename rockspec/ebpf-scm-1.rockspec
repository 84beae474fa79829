package = "ebpf"
version = "scm-1"

source = {
  url = "git+https://github.com/lua-ebpf/lua-ebpf.git",
}

description = {
  summary = "Attach BPF programs, keep them attached, order them and swap them without a gap",
  detailed = [[
    BPF programs, links, cgroup attachment, ordered program lists and pins, for
    Lua 5.1 to 5.5 and LuaJIT (nginx/OpenResty). Needs Linux 5.10 and libbpf 1.0, or newer.
  ]],
  homepage = "https://github.com/lua-ebpf/lua-ebpf",
  license = "MIT",
}

supported_platforms = { "linux" }

dependencies = {
  "lua >= 5.1",
}

external_dependencies = {
  LIBBPF = { header = "bpf/libbpf.h", library = "bpf" },
}

-- The Lua modules need no mention: luarocks copies what is in lua/.
build = {
  type = "builtin",
  modules = {
    ["ebpf.core"] = {
      -- all of csrc/*.c; make lint compares
      sources = {
        "csrc/abi.c",
        "csrc/address.c",
        "csrc/attachment.c",
        "csrc/auto.c",
        "csrc/bpf_cmd.c",
        "csrc/btf.c",
        "csrc/cgroup.c",
        "csrc/clock.c",
        "csrc/codec.c",
        "csrc/codec_check.c",
        "csrc/codec_push.c",
        "csrc/codec_scalar.c",
        "csrc/core.c",
        "csrc/device.c",
        "csrc/fail.c",
        "csrc/handle.c",
        "csrc/iter.c",
        "csrc/key_set.c",
        "csrc/layout.c",
        "csrc/layout_kernel.c",
        "csrc/layout_tree.c",
        "csrc/link.c",
        "csrc/link_create.c",
        "csrc/link_info.c",
        "csrc/link_watch.c",
        "csrc/log.c",
        "csrc/map.c",
        "csrc/map_access.c",
        "csrc/map_batch.c",
        "csrc/map_each.c",
        "csrc/map_element.c",
        "csrc/map_index.c",
        "csrc/map_object.c",
        "csrc/map_types.c",
        "csrc/map_walk.c",
        "csrc/mapping.c",
        "csrc/memory.c",
        "csrc/mprog.c",
        "csrc/names.c",
        "csrc/netns.c",
        "csrc/numbers.c",
        "csrc/object.c",
        "csrc/object_things.c",
        "csrc/owner.c",
        "csrc/perfbuf.c",
        "csrc/pin.c",
        "csrc/probe.c",
        "csrc/program.c",
        "csrc/records.c",
        "csrc/ringbuf.c",
        "csrc/rootlet.c",
        "csrc/rootlet_program.c",
        "csrc/section.c",
        "csrc/struct_ops.c",
        "csrc/things.c",
        "csrc/token.c",
        "csrc/usdt.c",
        "csrc/user_ringbuf.c",
        "csrc/xdp.c",
      },
      libraries = { "bpf", "pthread" },
      incdirs = { "$(LIBBPF_INCDIR)" },
      libdirs = { "$(LIBBPF_LIBDIR)" },
    },
  },
}
