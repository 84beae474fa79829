/* An owned descriptor as a userdata: what every class has in common. */
#ifndef EBPF_HANDLE_H
#define EBPF_HANDLE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "compat.h"

#pragma GCC visibility push(hidden)

struct ebpf_handle;

struct ebpf_class {
    const char *name; /* of the metatable: "ebpf.link" */
    size_t size;
    const luaL_Reg *methods;
    void (*made)(lua_State *L, struct ebpf_handle *handle);   /* the new one is on top; may be NULL */
    void (*forget)(lua_State *L, struct ebpf_handle *handle); /* after close(), and when it is finalized; may be NULL */
    void (*release)(struct ebpf_handle *handle);              /* frees what else it owns; may be NULL */
    void (*collected)(lua_State *L, struct ebpf_handle *handle); /* before an open handle is collected; may be NULL */
    void (*describe)(lua_State *L, const struct ebpf_handle *handle); /* pushes text for tostring; NULL: "id N" */
};

/* A descriptor that several handles use: the last of them closes it. Where it is a hook's, `revision` is that of the list as
 * they left it, in mode multi or empty; 0: not known. */
struct ebpf_shared {
    int fd;
    unsigned holders;
    uint64_t revision;
};

struct ebpf_handle {
    const void *open; /* its own address while it is open, else NULL: see ebpf_handle_at */
    const struct ebpf_class *class;
    int fd;                     /* -1 when closed, and for what has none */
    bool borrowed;              /* the descriptor is another handle's to close */
    uint32_t id;                /* the kernel's; 0 until asked for */
    struct ebpf_shared *shared; /* the descriptor, where others use it too; else NULL */
};

/* Makes the metatable and pushes its table of methods, the class's and close, closed, fd, cloexec. */
void ebpf_class_open(lua_State *L, const struct ebpf_class *class);

/* Pushes a closed handle: it exists before its descriptor, so that no error can leak one. */
void *ebpf_handle_new(lua_State *L, const struct ebpf_class *class, size_t extra);
void ebpf_handle_own(void *handle, int fd);
void ebpf_handle_close(void *handle);

/* What close() does. */
void ebpf_handle_end(lua_State *L, struct ebpf_handle *handle);

/* Shares what an open handle owns; NULL with errno. Whoever gets it owns a handle by it, or drops it. */
struct ebpf_shared *ebpf_handle_share(void *handle);
void ebpf_handle_own_shared(void *handle, struct ebpf_shared *shared);
void ebpf_shared_drop(struct ebpf_shared *shared); /* NULL is no harm */

/* The open handle at index; NULL for anything else. No other userdata starts with its own address and the address of a class
 * of ours: that tells in two calls of Lua's, where the way by metatables takes five. Whoever is given memory that was a
 * handle's doesn't find these words in it, since a handle is closed before it is freed. */
static inline void *ebpf_handle_at(lua_State *L, int index, const struct ebpf_class *class)
{
    struct ebpf_handle *handle = lua_touserdata(L, index);

    return handle && compat_rawlen(L, index) >= sizeof(*handle) && handle->open == handle && handle->class == class
               ? handle
               : NULL;
}

/* Raises: what is at index is no open handle of this class. */
void *ebpf_handle_refuse(lua_State *L, int index, const struct ebpf_class *class) __attribute__((cold));

/* The handle at index, of this class, open or not / open; else an error that names the argument. */
void *ebpf_handle_any(lua_State *L, int index, const struct ebpf_class *class);
static inline void *ebpf_handle_check(lua_State *L, int index, const struct ebpf_class *class)
{
    void *handle = ebpf_handle_at(L, index, class);

    return handle ? handle : ebpf_handle_refuse(L, index, class);
}
void *ebpf_handle_opt(lua_State *L, int index, const struct ebpf_class *class);  /* NULL for nil and none */
void *ebpf_handle_test(lua_State *L, int index, const struct ebpf_class *class); /* NULL for anything else */

uint32_t ebpf_handle_id(struct ebpf_handle *handle);         /* 0 with errno when the kernel doesn't tell */
const char *ebpf_class_word(const struct ebpf_class *class); /* "link" */

#pragma GCC visibility pop

#endif
