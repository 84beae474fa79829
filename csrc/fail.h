/* errno -> nil, message, errno. */
#ifndef EBPF_FAIL_H
#define EBPF_FAIL_H

#include "compat.h"

#pragma GCC visibility push(hidden)

/* Pushes nil, message, errno and returns 3. `operation` is the key of the hints ("link update"),
 * the rest says on what, as for printf. `log` may be NULL: libbpf's or the verifier's words.
 * Cold: compilers keep what leads there out of the way of what succeeds. */
int ebpf_fail(lua_State *L, int error, const char *operation, const char *subject, ...)
    __attribute__((cold, format(printf, 4, 5)));
int ebpf_fail_log(lua_State *L, int error, const char *log, const char *operation, const char *subject, ...)
    __attribute__((cold, format(printf, 5, 6)));

/* The same where the reason is known here: message is "operation subject: ENAME: why". */
int ebpf_fail_why(lua_State *L, int error, const char *why, const char *operation, const char *subject, ...)
    __attribute__((cold, format(printf, 5, 6)));

const char *ebpf_errno_name(int error); /* "ESTALE", or NULL */

#pragma GCC visibility pop

#endif
