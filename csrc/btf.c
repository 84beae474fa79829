/* BTF of loaded programs: the functions in it, by name. libbpf reads it.
 * Commands: BTF_GET_FD_BY_ID, OBJ_GET_INFO_BY_FD.
 * Nothing is owned. */
#include <bpf/btf.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "bpf_cmd.h"
#include "btf.h"
#include "fail.h"
#include "things.h"
#include "modules.h"

/* The bytes of a BTF, to be freed; NULL with errno. Cleared first, so that valgrind takes them for written. */
static void *fetch(int fd, uint32_t *size)
{
    struct abi_btf_info info = {0};
    uint32_t length = sizeof(info);
    void *bytes;

    if (bpf_cmd_info(fd, &info, &length) < 0)
        return NULL;
    *size = info.btf_size;
    bytes = calloc(1, info.btf_size);
    if (!bytes)
        return NULL;
    memset(&info, 0, sizeof(info));
    info.btf = (uint64_t)(uintptr_t)bytes;
    info.btf_size = *size;
    length = sizeof(info);
    if (bpf_cmd_info(fd, &info, &length) == 0)
        return bytes;
    free(bytes);
    return NULL;
}

struct btf *ebpf_btf_load(uint32_t id)
{
    int fd = bpf_cmd_fd_by_id(ABI_BTF_GET_FD_BY_ID, id);
    uint32_t size = 0;
    struct btf *btf = NULL;
    void *bytes;
    int error;

    if (fd < 0)
        return NULL;
    bytes = fetch(fd, &size);
    if (bytes)
        btf = btf__new(bytes, size);
    error = errno;
    free(bytes);
    close(fd);
    errno = error;
    return btf;
}

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
    btf = ebpf_btf_load(info.btf_id);
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
