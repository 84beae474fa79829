/* Cgroup: a directory of the cgroup2 hierarchy, as a place for programs.
 * No bpf(2) command: hooks are in mprog.c.
 * The handle owns the directory's descriptor; it doesn't keep the cgroup from being removed. */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/vfs.h>
#include <unistd.h>

#include "bpf_cmd.h"
#include "fail.h"
#include "hook.h"
#include "numbers.h"
#include "things.h"
#include "modules.h"

enum { CGROUP_V1_MAGIC = 0x27e0eb, CGROUP_V2_MAGIC = 0x63677270 }; /* include/uapi/linux/magic.h */

struct ebpf_cgroup {
    struct ebpf_handle handle;
    uint64_t cgroup_id;
    char path[];
};

static struct ebpf_cgroup *check(lua_State *L)
{
    return ebpf_handle_check(L, 1, &ebpf_cgroup_class);
}

/* NULL, or why no program can be attached there: the kernel would only say EBADF */
static const char *not_a_cgroup(int fd)
{
    struct statfs fs;

    if (fstatfs(fd, &fs) < 0 || fs.f_type == CGROUP_V2_MAGIC)
        return NULL;
    if (fs.f_type == CGROUP_V1_MAGIC)
        return "this is a cgroup v1 hierarchy, and programs attach to cgroup2 only";
    return "this is not a directory of a cgroup2 file system";
}

/* open(path) -> cgroup */
static int cgroup_open(lua_State *L)
{
    size_t length;
    const char *path = luaL_checklstring(L, 1, &length);
    struct ebpf_cgroup *cgroup;
    struct stat status;
    const char *why;
    int fd, error;

    luaL_argcheck(L, strlen(path) == length, 1, "a path has no NUL byte");
    cgroup = ebpf_handle_new(L, &ebpf_cgroup_class, length + 1);
    memcpy(cgroup->path, path, length);
    fd = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (fd < 0)
        return ebpf_fail(L, errno, "cgroup", "%s", path);
    ebpf_handle_own(cgroup, fd);
    why = not_a_cgroup(fd);
    if (!why && fstat(fd, &status) == 0) {
        cgroup->cgroup_id = status.st_ino; /* kernfs: a cgroup's id is its inode */
        return 1;
    }
    error = why ? EBADF : errno;
    ebpf_handle_close(cgroup);
    if (why)
        return ebpf_fail_why(L, error, why, "cgroup", "%s", path);
    return ebpf_fail(L, error, "cgroup", "%s", path);
}

/* parent() -> cgroup | nil: one level up, while that is in the cgroup2 hierarchy as mounted here */
static int cgroup_parent(lua_State *L)
{
    struct ebpf_cgroup *cgroup = check(L), *parent;
    size_t length = strlen(cgroup->path);
    struct stat status;
    int fd;

    parent = ebpf_handle_new(L, &ebpf_cgroup_class, length + sizeof("/.."));
    memcpy(parent->path, cgroup->path, length);
    memcpy(parent->path + length, "/..", sizeof("/.."));
    fd = openat(cgroup->handle.fd, "..", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (fd < 0)
        return ebpf_fail(L, errno, "cgroup", "%s", parent->path);
    ebpf_handle_own(parent, fd);
    if (fstat(fd, &status) == 0 && !not_a_cgroup(fd) && status.st_ino != cgroup->cgroup_id) {
        parent->cgroup_id = status.st_ino;
        return 1;
    }
    ebpf_handle_close(parent);
    lua_pushnil(L);
    return 1;
}

/* of(hook) -> cgroup: the one that an Mprog or Attachment is on; nil for a device */
static int cgroup_of(lua_State *L)
{
    const char *where;
    const struct ebpf_hook *hook = ebpf_hook_check(L, 1, &where);
    struct ebpf_cgroup *cgroup = ebpf_handle_new(L, &ebpf_cgroup_class, strlen(where) + 1);
    int fd;

    if (hook->fd < 0)
        return 0;
    strcpy(cgroup->path, where);
    cgroup->cgroup_id = hook->cgroup_id;
    fd = bpf_cmd_dup(hook->fd);
    if (fd < 0)
        return ebpf_fail(L, errno, "cgroup", "%s", where);
    ebpf_handle_own(cgroup, fd);
    return 1;
}

static int cgroup_id(lua_State *L)
{
    ebpf_push_u64(L, check(L)->cgroup_id);
    return 1;
}

static int cgroup_path(lua_State *L)
{
    lua_pushstring(L, check(L)->path);
    return 1;
}

static void cgroup_tostring(lua_State *L, const struct ebpf_handle *handle)
{
    lua_pushstring(L, ((const struct ebpf_cgroup *)handle)->path);
}

static const luaL_Reg methods[] = {
    {"id", cgroup_id},
    {"path", cgroup_path},
    {"parent", cgroup_parent},
    {NULL, NULL},
};

const struct ebpf_class ebpf_cgroup_class = {
    .name = "ebpf.cgroup",
    .size = sizeof(struct ebpf_cgroup),
    .methods = methods,
    .describe = cgroup_tostring,
};

int ebpf_open_cgroup(lua_State *L)
{
    lua_newtable(L);
    lua_pushcfunction(L, cgroup_open);
    lua_setfield(L, -2, "open");
    lua_pushcfunction(L, cgroup_of);
    lua_setfield(L, -2, "of");
    ebpf_class_open(L, &ebpf_cgroup_class);
    lua_setfield(L, -2, "methods");
    return 1;
}
