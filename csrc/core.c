/* ebpf.core: assembles what the other files make, nothing else.
 * No bpf(2) command; nothing is owned. */
#include "compat.h"
#include "modules.h"

static void add(lua_State *L, const char *name, lua_CFunction open)
{
    open(L);
    lua_setfield(L, -2, name);
}

__attribute__((visibility("default"))) int luaopen_ebpf_core(lua_State *L)
{
    lua_newtable(L);
    add(L, "abi", ebpf_open_abi);
    add(L, "address", ebpf_open_address);
    add(L, "attachment", ebpf_open_attachment);
    add(L, "auto", ebpf_open_auto);
    add(L, "btf", ebpf_open_btf);
    add(L, "cgroup", ebpf_open_cgroup);
    add(L, "clock", ebpf_open_clock);
    add(L, "codec", ebpf_open_codec);
    add(L, "device", ebpf_open_device);
    add(L, "fail", ebpf_open_fail);
    add(L, "iter", ebpf_open_iter);
    add(L, "link", ebpf_open_link);
    add(L, "link_create", ebpf_open_link_create);
    add(L, "map", ebpf_open_map);
    add(L, "mapping", ebpf_open_mapping);
    add(L, "mprog", ebpf_open_mprog);
    add(L, "names", ebpf_open_names);
    add(L, "netns", ebpf_open_netns);
    add(L, "object", ebpf_open_object);
    add(L, "perfbuf", ebpf_open_perfbuf);
    add(L, "pin", ebpf_open_pin);
    add(L, "probe", ebpf_open_probe);
    add(L, "program", ebpf_open_program);
    add(L, "ringbuf", ebpf_open_ringbuf);
    add(L, "rootlet", ebpf_open_rootlet);
    add(L, "rootlet_program", ebpf_open_rootlet_program);
    add(L, "section", ebpf_open_section);
    add(L, "struct_ops", ebpf_open_struct_ops);
    add(L, "token", ebpf_open_token);
    add(L, "user_ringbuf", ebpf_open_user_ringbuf);
    add(L, "xdp", ebpf_open_xdp);
    return 1;
}
