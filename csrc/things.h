/* Things: kernel objects that have a descriptor and an id: programs, maps, links. */
#ifndef EBPF_THINGS_H
#define EBPF_THINGS_H

#include "bpf_abi.h"
#include "handle.h"

#pragma GCC visibility push(hidden)

struct ebpf_usdt;

extern const struct ebpf_class ebpf_program_class, ebpf_map_class, ebpf_link_class, ebpf_rootlet_class,
    ebpf_token_class, ebpf_cgroup_class;

struct ebpf_link {
    struct ebpf_handle handle;
    bool created;           /* here, so that closing it may detach */
    bool detached;          /* by this handle: not every type tells */
    bool pinned;            /* by us: it outlives the handle */
    int number;             /* among those that are open: link_watch.c; 0: none */
    char *origin;           /* where it was made, with ebpf.trace(true); malloc'ed */
    struct ebpf_usdt *usdt; /* where it is many of the kernel's, and has no descriptor of its own: usdt.c; else NULL */
};

/* A descriptor whose kind is found out only once it is there: first the guard, which is pushed, then the call that opens it,
 * then take, which puts the right handle in the guard's place. NULL with errno, the descriptor closed and nothing pushed. */
struct ebpf_handle *ebpf_thing_guard(lua_State *L);
struct ebpf_handle *ebpf_thing_take(lua_State *L, struct ebpf_handle *guard, int fd);

/* The open program, map or link at index; else an error that names the argument. */
struct ebpf_handle *ebpf_thing_check(lua_State *L, int index);

/* Called once its fields may be read: a map learns its sizes. 0, or -1 with errno. */
int ebpf_map_learn(struct ebpf_handle *handle);

/* Adds from_id, from_fd and next to the table on top. */
void ebpf_things_functions(lua_State *L, const struct ebpf_class *class);

/* The start of a link, and the end of one that nobody closed: for classes whose handle starts with a struct ebpf_link. */
void ebpf_link_made(lua_State *L, struct ebpf_handle *handle);
void ebpf_link_forget(lua_State *L, struct ebpf_handle *handle);
void ebpf_link_collected(lua_State *L, struct ebpf_handle *handle);

/* PROG_LOAD; when that fails, again for the verifier's words, held by a userdata that is left on the stack. */
int ebpf_program_load(lua_State *L, struct abi_prog_load *attr, const char **log);

/* Adds what ebpf.core.link has for those to the table on top. */
void ebpf_link_watch_open(lua_State *L);

/* Whether it is on a hook still, by what the kernel tells. */
bool ebpf_link_attached(const struct abi_link_info *info);

/* Why EPERM, where a token was given: the kernel ignores one that doesn't allow what is asked. */
extern const char ebpf_token_refuses[];

int ebpf_opt_token(lua_State *L, int index); /* the descriptor of the Token at index; -1 for nil and none */

/* Pushes a table, of struct abi_link_info; texts and arrays are asked of fd, and left out if that is -1. */
void ebpf_push_link_info(lua_State *L, int fd, const void *info);

void ebpf_push_link_info_fields(lua_State *L);

#pragma GCC visibility pop

#endif
