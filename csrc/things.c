/* Things: what programs, maps and links have in common: from an id, from a descriptor, in order of id.
 * Commands: *_GET_FD_BY_ID, *_GET_NEXT_ID.
 * A handle made here owns the descriptor it got, or a duplicate of the one it was given. */
#define _GNU_SOURCE
#include "things.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "bpf_cmd.h"
#include "fail.h"
#include "numbers.h"

static const struct kind {
    const struct ebpf_class *class;
    const char *files[2]; /* what /proc/self/fd/N links to */
    enum abi_cmd fd_by_id, next_id;
} kinds[] = {
    {&ebpf_program_class, {"anon_inode:bpf-prog"}, ABI_PROG_GET_FD_BY_ID, ABI_PROG_GET_NEXT_ID},
    {&ebpf_map_class, {"anon_inode:bpf-map"}, ABI_MAP_GET_FD_BY_ID, ABI_MAP_GET_NEXT_ID},
    /* a descriptor from LINK_CREATE is spelled with an underscore, one from GET_FD_BY_ID or OBJ_GET with a dash */
    {&ebpf_link_class, {"anon_inode:bpf-link", "anon_inode:bpf_link"}, ABI_LINK_GET_FD_BY_ID, ABI_LINK_GET_NEXT_ID},
};

enum { KINDS = sizeof(kinds) / sizeof(*kinds) };

/* NULL with EINVAL for anything else, and with EOPNOTSUPP where /proc is not mounted. */
static const struct kind *kind_of(int fd)
{
    char path[32], target[64];
    ssize_t length;

    snprintf(path, sizeof(path), "/proc/self/fd/%d", fd);
    length = readlink(path, target, sizeof(target) - 1);
    if (length < 0) {
        errno = EOPNOTSUPP; /* no /proc here */
        return NULL;
    }
    target[length] = '\0';
    for (int i = 0; i < KINDS; i++)
        for (int j = 0; j < 2 && kinds[i].files[j]; j++)
            if (strcmp(target, kinds[i].files[j]) == 0)
                return &kinds[i];
    errno = EINVAL;
    return NULL;
}

static int adopt(struct ebpf_handle *handle, int fd)
{
    int error;

    ebpf_handle_own(handle, fd);
    if (handle->class != &ebpf_map_class || ebpf_map_learn(handle) == 0)
        return 0;
    error = errno;
    ebpf_handle_close(handle);
    errno = error;
    return -1;
}

struct ebpf_handle *ebpf_thing_guard(lua_State *L)
{
    return ebpf_handle_new(L, &ebpf_program_class, 0);
}

struct ebpf_handle *ebpf_thing_take(lua_State *L, struct ebpf_handle *guard, int fd)
{
    struct ebpf_handle *handle;
    const struct kind *kind;
    int error = errno;

    if (fd >= 0) {
        ebpf_handle_own(guard, fd);
        kind = kind_of(fd);
        error = errno;
        if (kind) {
            handle = ebpf_handle_new(L, kind->class, 0);
            guard->fd = -1;
            guard->open = NULL;
            lua_remove(L, -2);
            if (adopt(handle, fd) == 0)
                return handle;
            error = errno;
        } else {
            ebpf_handle_close(guard);
        }
    }
    lua_pop(L, 1);
    errno = error;
    return NULL;
}

struct ebpf_handle *ebpf_thing_check(lua_State *L, int index)
{
    for (int i = 0; i < KINDS; i++) {
        struct ebpf_handle *handle = ebpf_handle_test(L, index, kinds[i].class);

        if (handle)
            return handle;
    }
    luaL_argerror(L, index, lua_pushfstring(L, "program, map or link expected, got %s", luaL_typename(L, index)));
    return NULL;
}

static const struct kind *upvalue_kind(lua_State *L)
{
    return &kinds[lua_tointeger(L, lua_upvalueindex(1))];
}

/* from_id(id) -> handle */
static int from_id(lua_State *L)
{
    const struct kind *kind = upvalue_kind(L);
    const char *word = ebpf_class_word(kind->class);
    uint32_t id = ebpf_check_u32(L, 1);
    struct ebpf_handle *handle = ebpf_handle_new(L, kind->class, 0);
    int fd = bpf_cmd_fd_by_id(kind->fd_by_id, id);

    if (fd < 0 || adopt(handle, fd) < 0)
        return ebpf_fail(L, errno, "from_id", "%s %u", word, id);
    handle->id = id;
    return 1;
}

/* from_fd(number) -> handle, of a duplicate */
static int from_fd(lua_State *L)
{
    const struct kind *kind = upvalue_kind(L);
    const char *word = ebpf_class_word(kind->class);
    uint32_t number = ebpf_check_u32(L, 1);
    struct ebpf_handle *handle = ebpf_handle_new(L, kind->class, 0);
    int fd = bpf_cmd_dup((int)number);
    const struct kind *found;
    int error;

    if (fd < 0)
        return ebpf_fail(L, errno, "from_fd", "%s, descriptor %u", word, number);
    ebpf_handle_own(handle, fd);
    found = kind_of(fd);
    if (found == kind && adopt(handle, fd) == 0)
        return 1;
    error = errno;
    ebpf_handle_close(handle);
    if (!found || found == kind)
        return ebpf_fail(L, error, "from_fd", "%s, descriptor %u", word, number);
    lua_pushfstring(L, "it is a %s", ebpf_class_word(found->class));
    return ebpf_fail_why(L, EINVAL, lua_tostring(L, -1), "from_fd", "%s, descriptor %u", word, number);
}

/* next(id, lent, dense) -> handle, skipped, id, dense; false at the end. Those that vanish or may not be opened are skipped and
 * counted. lent: the one before, which is closed. */
static int next(lua_State *L)
{
    const struct kind *kind = upvalue_kind(L);
    struct bpf_cmd_walk walk = {kind->next_id, kind->fd_by_id, ebpf_opt_u32(L, 1, 0), lua_toboolean(L, 3), -1};
    struct ebpf_handle *lent = ebpf_handle_at(L, 2, kind->class), *handle;
    int skipped = 0;

    if (lent)
        ebpf_handle_end(L, lent);
    handle = ebpf_handle_new(L, kind->class, 0);
    while (bpf_cmd_step(&walk) == 0) {
        if (walk.fd >= 0 && adopt(handle, walk.fd) == 0) {
            handle->id = walk.id;
            lua_pushinteger(L, skipped);
            lua_pushinteger(L, (lua_Integer)walk.id);
            lua_pushboolean(L, walk.dense);
            return 4;
        }
        if (errno == EMFILE || errno == ENFILE)
            return ebpf_fail(L, errno, "each", "%s %u", ebpf_class_word(kind->class), walk.id);
        skipped++;
    }
    if (errno != ENOENT)
        return ebpf_fail(L, errno, "each", "%s", ebpf_class_word(kind->class));
    lua_pushboolean(L, 0);
    lua_pushinteger(L, skipped);
    return 2;
}

static void set_function(lua_State *L, int kind, const char *name, lua_CFunction function)
{
    lua_pushinteger(L, kind);
    lua_pushcclosure(L, function, 1);
    lua_setfield(L, -2, name);
}

void ebpf_things_functions(lua_State *L, const struct ebpf_class *class)
{
    int kind = 0;

    while (kinds[kind].class != class)
        kind++;
    set_function(L, kind, "from_id", from_id);
    set_function(L, kind, "from_fd", from_fd);
    set_function(L, kind, "next", next);
}
