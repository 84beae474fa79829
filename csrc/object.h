/* Object, for those who ask libbpf about its programs; and libbpf's words, for the error message. */
#ifndef EBPF_OBJECT_H
#define EBPF_OBJECT_H

#include "handle.h"

#pragma GCC visibility push(hidden)

struct bpf_object;

struct ebpf_object {
    struct ebpf_handle handle;
    struct bpf_object *object;
    int *targets; /* duplicates of the descriptors of programs that its own extend, open until they are loaded */
    int target_count;
    bool loaded;
    char name[]; /* the path, or the name given with the bytes */
};

extern const struct ebpf_class ebpf_object_class;

/* What libbpf prints between begin and end, in this thread. Whoever begins must free the text, or fail with it. */
struct ebpf_log {
    char *text;
    size_t length, size;
};

void ebpf_log_begin(struct ebpf_log *log);
void ebpf_log_end(void);
int ebpf_log_fail(lua_State *L, int error, struct ebpf_log *log, const char *operation, const char *subject);

#pragma GCC visibility pop

#endif
