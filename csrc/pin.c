/* Pin: a name in a BPF file system (bpffs), and what else belongs to such directories: list, mount, lock.
 * Commands: OBJ_PIN, OBJ_GET, relative to the directory's descriptor; the rest is rename(2), unlink(2), flock(2).
 * The handle owns the directory's descriptor, not the pin: the name stays when the handle is closed. */
#define _GNU_SOURCE
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <sys/file.h>
#include <sys/mount.h>
#include <sys/random.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/vfs.h>
#include <unistd.h>

#include "bpf_cmd.h"
#include "clock.h"
#include "fail.h"
#include "things.h"
#include "modules.h"

enum { BPFFS_MAGIC = 0xcafe4a11 }; /* include/uapi/linux/magic.h */

struct ebpf_pin {
    struct ebpf_handle handle; /* of the directory */
    const char *name;          /* in path, after the last slash */
    char path[];
};

static const struct ebpf_class pin_class, lock_class;
static const char *const no_bpffs = "the directory is not on a BPF file system (bpffs)";
static const char *const no_dots = "a pin's name has no dot: the kernel reserves such names";

static struct ebpf_pin *check(lua_State *L)
{
    return ebpf_handle_check(L, 1, &pin_class);
}

static const char *check_path(lua_State *L, int index)
{
    size_t length;
    const char *path = luaL_checklstring(L, index, &length);

    luaL_argcheck(L, length > 0, index, "an empty path");
    luaL_argcheck(L, strlen(path) == length, index, "a path has no NUL byte");
    luaL_argcheck(L, length < PATH_MAX, index, "a path this long");
    return path;
}

static bool on_bpffs(int fd)
{
    struct statfs fs;

    return fstatfs(fd, &fs) == 0 && (uint32_t)fs.f_type == (uint32_t)BPFFS_MAGIC;
}

/* Opens one component under parent, made 0700 if it is missing and parent is on bpffs; else EXDEV. */
static int make_directory(int parent, const char *name)
{
    int fd = openat(parent, name, O_PATH | O_DIRECTORY | O_CLOEXEC);

    if (fd >= 0 || errno != ENOENT)
        return fd;
    if (!on_bpffs(parent)) {
        errno = EXDEV;
        return -1;
    }
    if (mkdirat(parent, name, 0700) < 0 && errno != EEXIST)
        return -1;
    return openat(parent, name, O_PATH | O_DIRECTORY | O_CLOEXEC);
}

static int make_directories(char *path)
{
    int fd = open(*path == '/' ? "/" : ".", O_PATH | O_DIRECTORY | O_CLOEXEC);
    char *rest = path, *name;

    while (fd >= 0 && (name = strsep(&rest, "/"))) {
        int parent = fd, error;

        if (!*name)
            continue;
        fd = make_directory(parent, name);
        error = errno;
        close(parent);
        errno = error;
    }
    return fd;
}

/* The directory of a pin's path, as a descriptor. */
static int open_directory(const char *path, size_t length, bool make)
{
    char directory[PATH_MAX];
    int fd;

    while (length > 1 && path[length - 1] == '/')
        length--;
    memcpy(directory, path, length);
    directory[length] = '\0';
    fd = open(length ? directory : ".", O_PATH | O_DIRECTORY | O_CLOEXEC);
    if (fd < 0 && errno == ENOENT && make)
        fd = make_directories(directory);
    return fd;
}

/* at(path, mkdir) -> pin. Where we refuse before the kernel, the errno is what the kernel would have said. */
static int pin_at(lua_State *L)
{
    const char *path = check_path(L, 1);
    bool make = lua_toboolean(L, 2);
    const char *slash = strrchr(path, '/');
    const char *name = slash ? slash + 1 : path;
    size_t directory = slash ? (size_t)(slash - path) + (slash == path) : 0;
    struct ebpf_pin *pin;
    int fd;

    luaL_argcheck(L, *name, 1, "a pin's path ends with its name, not with a slash");
    pin = ebpf_handle_new(L, &pin_class, strlen(path) + 1);
    strcpy(pin->path, path);
    pin->name = pin->path + (name - path);
    if (strchr(name, '.'))
        return ebpf_fail_why(L, EPERM, no_dots, "pin", "%s", path);
    fd = open_directory(path, directory, make);
    if (fd < 0 && errno == EXDEV)
        return ebpf_fail_why(L, EPERM, no_bpffs, "pin", "%s", path);
    if (fd < 0 && errno == EPERM && make) /* of mkdir(2), which on a bpffs says so for a dot */
        return ebpf_fail_why(L, EPERM, no_dots, "pin", "%s", path);
    if (fd < 0)
        return ebpf_fail(L, errno, "pin", "%s", path);
    ebpf_handle_own(pin, fd);
    if (on_bpffs(fd))
        return 1;
    ebpf_handle_close(pin);
    return ebpf_fail_why(L, EPERM, no_bpffs, "pin", "%s", path);
}

static void mark_pinned(struct ebpf_handle *thing)
{
    if (thing->class == &ebpf_link_class)
        ((struct ebpf_link *)thing)->pinned = true;
}

static const char unpinnable[] = "a link of USDT probes is many of the kernel's, and can't be pinned as one";

/* put(thing) -> true; EEXIST if the name is taken */
static int pin_put(lua_State *L)
{
    struct ebpf_pin *pin = check(L);
    struct ebpf_handle *thing = ebpf_thing_check(L, 2);

    if (thing->fd < 0)
        return ebpf_fail_why(L, EOPNOTSUPP, unpinnable, "pin put", "%s", pin->path);
    if (bpf_cmd_obj_pin(pin->handle.fd, pin->name, thing->fd) < 0)
        return ebpf_fail(L, errno, "pin put", "%s", pin->path);
    mark_pinned(thing);
    lua_pushboolean(L, 1);
    return 1;
}

/* get() -> link, program or map; the words about a kind are in pin.lua */
static int pin_get(lua_State *L)
{
    struct ebpf_pin *pin = check(L);
    struct ebpf_handle *guard = ebpf_thing_guard(L);
    struct ebpf_handle *thing = ebpf_thing_take(L, guard, bpf_cmd_obj_get(pin->handle.fd, pin->name));

    if (!thing)
        return ebpf_fail(L, errno, "pin get", "%s", pin->path);
    mark_pinned(thing);
    return 1;
}

enum { BESIDE_TRIES = 8, BESIDE_SIZE = 20 };

/* Pins fd beside, under a name that nobody else draws, in this PID namespace or another; the pin's own name isn't in it,
 * which may be as long as names get. */
static int pin_beside(struct ebpf_pin *pin, int fd, char *name)
{
    unsigned long long random;
    int result = -1;

    for (int i = 0; i < BESIDE_TRIES; i++) {
        if (getrandom(&random, sizeof(random), 0) != sizeof(random))
            return -1;
        snprintf(name, BESIDE_SIZE, "~%016llx", random);
        result = bpf_cmd_obj_pin(pin->handle.fd, name, fd);
        if (result == 0 || errno != EEXIST)
            break;
    }
    return result;
}

/* swap(thing) -> true: pinned beside and renamed over, so that readers find the old one or the new one */
static int pin_swap(lua_State *L)
{
    struct ebpf_pin *pin = check(L);
    struct ebpf_handle *thing = ebpf_thing_check(L, 2);
    char beside[BESIDE_SIZE];
    int error;

    if (thing->fd < 0)
        return ebpf_fail_why(L, EOPNOTSUPP, unpinnable, "pin swap", "%s", pin->path);
    if (pin_beside(pin, thing->fd, beside) < 0)
        return ebpf_fail(L, errno, "pin swap", "%s", pin->path);
    if (renameat(pin->handle.fd, beside, pin->handle.fd, pin->name) < 0) {
        error = errno;
        unlinkat(pin->handle.fd, beside, 0);
        return ebpf_fail(L, error, "pin swap", "%s", pin->path);
    }
    mark_pinned(thing);
    lua_pushboolean(L, 1);
    return 1;
}

/* remove() -> true; what the name should hold is checked in pin.lua */
static int pin_remove(lua_State *L)
{
    struct ebpf_pin *pin = check(L);

    if (unlinkat(pin->handle.fd, pin->name, 0) < 0)
        return ebpf_fail(L, errno, "pin remove", "%s", pin->path);
    lua_pushboolean(L, 1);
    return 1;
}

/* exists() -> boolean */
static int pin_exists(lua_State *L)
{
    struct ebpf_pin *pin = check(L);
    struct stat status;
    int result = fstatat(pin->handle.fd, pin->name, &status, AT_SYMLINK_NOFOLLOW);

    if (result < 0 && errno != ENOENT)
        return ebpf_fail(L, errno, "pin exists", "%s", pin->path);
    lua_pushboolean(L, result == 0);
    return 1;
}

static int pin_path(lua_State *L)
{
    lua_pushstring(L, check(L)->path);
    return 1;
}

static void pin_tostring(lua_State *L, const struct ebpf_handle *handle)
{
    lua_pushstring(L, ((const struct ebpf_pin *)handle)->path);
}

/* Adds the names of what isn't a directory to the list on top. 0, or errno. */
static int list_names(lua_State *L, int fd)
{
    union {
        char bytes[4096];
        struct dirent64 aligned;
    } buffer;
    long size;
    int count = 0;

    while ((size = syscall(SYS_getdents64, fd, buffer.bytes, sizeof(buffer))) > 0) {
        for (long offset = 0; offset < size;) {
            const struct dirent64 *entry = (const struct dirent64 *)(buffer.bytes + offset);

            if (entry->d_type != DT_DIR) {
                lua_pushstring(L, entry->d_name);
                lua_rawseti(L, -2, ++count);
            }
            offset += entry->d_reclen;
        }
    }
    return size < 0 ? errno : 0;
}

/* names(dir) -> {name, …}: of what isn't a directory */
static int pin_names(lua_State *L)
{
    const char *path = check_path(L, 1);
    struct ebpf_handle *guard = ebpf_handle_new(L, &lock_class, 0);
    int fd = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    int error;

    if (fd < 0)
        return ebpf_fail(L, errno, "pin each", "%s", path);
    ebpf_handle_own(guard, fd);
    lua_newtable(L);
    error = on_bpffs(fd) ? list_names(L, fd) : EPERM;
    ebpf_handle_close(guard);
    if (error == EPERM)
        return ebpf_fail_why(L, error, no_bpffs, "pin each", "%s", path);
    if (error)
        return ebpf_fail(L, error, "pin each", "%s", path);
    return 1;
}

/* mount(dir) -> true, mounted: false where a bpffs is there already, which a second one would hide */
static int pin_mount(lua_State *L)
{
    const char *path = check_path(L, 1);
    struct statfs fs;

    if (statfs(path, &fs) < 0)
        return ebpf_fail(L, errno, "pin mount", "%s", path);
    lua_pushboolean(L, 1);
    lua_pushboolean(L, (uint32_t)fs.f_type != (uint32_t)BPFFS_MAGIC);
    if (lua_toboolean(L, -1) && mount("bpf", path, "bpf", MS_NOSUID | MS_NODEV | MS_NOEXEC, "mode=0700") < 0)
        return ebpf_fail(L, errno, "pin mount", "%s", path);
    return 2;
}

/* seconds < 0: for ever. 0, or -1 with errno. A signal interrupts nothing here but a nap. */
static int lock_within(int fd, int operation, double seconds)
{
    double deadline = ebpf_now() + seconds;

    while (flock(fd, seconds < 0 ? operation : operation | LOCK_NB) < 0) {
        if (errno == EINTR)
            continue;
        if (errno != EWOULDBLOCK || ebpf_now() >= deadline)
            return -1;
        ebpf_nap(0.002);
    }
    return 0;
}

/* The directory may have been removed and made again while we waited: then the lock is on nothing. */
static bool still_there(int fd, const char *path)
{
    struct stat held, named;

    return fstat(fd, &held) == 0 && stat(path, &named) == 0 && held.st_ino == named.st_ino &&
           held.st_dev == named.st_dev;
}

/* lock(dir, shared, seconds) -> lock, which close() gives back */
static int pin_lock(lua_State *L)
{
    const char *path = check_path(L, 1);
    int operation = lua_toboolean(L, 2) ? LOCK_SH : LOCK_EX;
    double seconds = luaL_optnumber(L, 3, -1);
    struct ebpf_handle *lock = ebpf_handle_new(L, &lock_class, 0);
    int fd = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    int error = 0;

    if (fd < 0)
        return ebpf_fail(L, errno, "pin lock", "%s", path);
    ebpf_handle_own(lock, fd);
    if (lock_within(fd, operation, seconds) < 0)
        error = errno;
    else if (!still_there(fd, path))
        error = ENOENT;
    if (!error)
        return 1;
    ebpf_handle_close(lock);
    return ebpf_fail(L, error, "pin lock", "%s", path);
}

static void lock_tostring(lua_State *L, const struct ebpf_handle *handle)
{
    (void)handle;
    lua_pushliteral(L, "held");
}

static const luaL_Reg pin_methods[] = {
    {"put", pin_put},
    {"exists", pin_exists},
    {"path", pin_path},
    {NULL, NULL},
};

static const luaL_Reg lock_methods[] = {{NULL, NULL}};

static const struct ebpf_class pin_class = {
    .name = "ebpf.pin",
    .size = sizeof(struct ebpf_pin),
    .methods = pin_methods,
    .describe = pin_tostring,
};

static const struct ebpf_class lock_class = {
    .name = "ebpf.lock",
    .size = sizeof(struct ebpf_handle),
    .methods = lock_methods,
    .describe = lock_tostring,
};

static const luaL_Reg functions[] = {
    {"at", pin_at},       {"put", pin_put},     {"get", pin_get},   {"swap", pin_swap}, {"remove", pin_remove},
    {"names", pin_names}, {"mount", pin_mount}, {"lock", pin_lock}, {NULL, NULL},
};

int ebpf_open_pin(lua_State *L)
{
    lua_newtable(L);
    compat_setfuncs(L, functions);
    ebpf_class_open(L, &pin_class);
    lua_setfield(L, -2, "methods");
    ebpf_class_open(L, &lock_class);
    lua_pop(L, 1);
    return 1;
}
