/* BTF of loaded programs: the functions in it, by name. libbpf fetches and reads it.
 * Commands: OBJ_GET_INFO_BY_FD.
 * Nothing is owned. */
#include <bpf/btf.h>
#include <errno.h>

#include "bpf_cmd.h"
#include "fail.h"
#include "things.h"
#include "modules.h"

/* function_id(program, name) -> BTF id, boolean whether it is global */
static int function_id(lua_State *L)
{
    struct ebpf_handle *program = ebpf_handle_check(L, 1, &ebpf_program_class);
    const char *name = luaL_checkstring(L, 2);
    struct abi_prog_info info = {0};
    uint32_t length = sizeof(info);
    const struct btf_type *type;
    struct btf *btf;
    int id;

    if (bpf_cmd_info(program->fd, &info, &length) < 0)
        return ebpf_fail(L, errno, "program info", "fd %d", program->fd);
    if (!info.btf_id)
        return ebpf_fail_why(L, EINVAL, "the program was loaded without BTF", "function", "%s of program %u", name,
                             info.id);
    btf = btf__load_from_kernel_by_id(info.btf_id);
    if (!btf)
        return ebpf_fail(L, errno, "function", "%s of program %u", name, info.id);
    id = btf__find_by_name_kind(btf, name, BTF_KIND_FUNC);
    type = id > 0 ? btf__type_by_id(btf, (uint32_t)id) : NULL;
    lua_pushinteger(L, id);
    lua_pushboolean(L, type && btf_vlen(type) == BTF_FUNC_GLOBAL);
    btf__free(btf);
    if (type)
        return 2;
    return ebpf_fail_why(L, ENOENT, "the program has no function of this name", "function", "%s of program %u", name,
                         info.id);
}

int ebpf_open_btf(lua_State *L)
{
    lua_newtable(L);
    lua_pushcfunction(L, function_id);
    lua_setfield(L, -2, "function_id");
    return 1;
}
