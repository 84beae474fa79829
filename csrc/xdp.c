/* XDP: what runs on a device, asked of netlink by libbpf when an attachment was refused.
 * No bpf(2) command; nothing is owned. */
#include <bpf/libbpf.h>
#include <errno.h>

#include "fail.h"
#include "modules.h"
#include "numbers.h"

static void set_id(lua_State *L, const char *mode, uint32_t id)
{
    if (!id)
        return;
    lua_pushinteger(L, (lua_Integer)id);
    lua_setfield(L, -2, mode);
}

/* query(ifindex) -> {generic = program id | nil, native =, offload =} */
static int xdp_query(lua_State *L)
{
    uint32_t ifindex = ebpf_check_u32(L, 1);
    struct bpf_xdp_query_opts options = {.sz = sizeof(options)};
    int result = bpf_xdp_query((int)ifindex, 0, &options);

    if (result < 0)
        return ebpf_fail(L, -result, "device", "%u", ifindex);
    lua_createtable(L, 0, 3);
    set_id(L, "generic", options.skb_prog_id);
    set_id(L, "native", options.drv_prog_id);
    set_id(L, "offload", options.hw_prog_id);
    return 1;
}

int ebpf_open_xdp(lua_State *L)
{
    lua_newtable(L);
    lua_pushcfunction(L, xdp_query);
    lua_setfield(L, -2, "query");
    return 1;
}
