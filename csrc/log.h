/* Log: libbpf's words, for the error message. */
#ifndef EBPF_LOG_H
#define EBPF_LOG_H

#include <stddef.h>

#include "compat.h"

#pragma GCC visibility push(hidden)

/* What libbpf prints between begin and end, in this thread. Whoever begins must free the text, or fail with it. */
struct ebpf_log {
    char *text;
    size_t length, size;
};

void ebpf_log_begin(struct ebpf_log *log);
void ebpf_log_end(void);
int ebpf_log_fail(lua_State *L, int error, struct ebpf_log *log, const char *operation, const char *subject);

/* Sets libbpf's print hook, at the first call: what other users of libbpf in this process say is passed on to the former
 * one. */
void ebpf_log_hook(void);

#pragma GCC visibility pop

#endif
