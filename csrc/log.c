/* Log: what libbpf says while it works for us, for the error message instead of the terminal.
 * No bpf(2) command.
 * libbpf's print hook is the process's; each thread collects for itself, in the log that whoever began it owns. */
#include <bpf/libbpf.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>

#include "fail.h"
#include "log.h"

static __thread struct ebpf_log *current_log;
static libbpf_print_fn_t print_before; /* whoever had the hook: gets what isn't ours */

static void log_grow(struct ebpf_log *log, size_t more)
{
    size_t size = log->size ? log->size : 4096;
    char *text;

    while (size < log->length + more + 1)
        size *= 2;
    if (size == log->size)
        return;
    text = realloc(log->text, size);
    if (!text)
        return;
    log->text = text;
    log->size = size;
}

static int print(enum libbpf_print_level level, const char *format, va_list arguments)
{
    struct ebpf_log *log = current_log;
    va_list again;
    int length;

    if (!log)
        return print_before ? print_before(level, format, arguments) : 0;
    if (level == LIBBPF_DEBUG || level == LIBBPF_INFO)
        return 0;
    va_copy(again, arguments);
    length = vsnprintf(NULL, 0, format, again);
    va_end(again);
    if (length <= 0)
        return 0;
    log_grow(log, (size_t)length);
    if (log->size < log->length + (size_t)length + 1)
        return 0;
    vsnprintf(log->text + log->length, (size_t)length + 1, format, arguments);
    log->length += (size_t)length;
    return length;
}

void ebpf_log_begin(struct ebpf_log *log)
{
    current_log = log;
}

void ebpf_log_end(void)
{
    current_log = NULL;
}

/* A log goes to people's terminals. */
static void make_printable(char *text)
{
    char shown[256];

    for (int i = 0; i < 256; i++)
        shown[i] = (i >= ' ' && i < 127) || i == '\n' || i == '\t' ? (char)i : '?';
    for (; *text; text++)
        *text = shown[(unsigned char)*text];
}

int ebpf_log_fail(lua_State *L, int error, struct ebpf_log *log, const char *operation, const char *subject)
{
    int results;

    if (log->text)
        make_printable(log->text);
    lua_pushstring(L, log->text);
    free(log->text);
    results = ebpf_fail_log(L, error, lua_tostring(L, -1), operation, "%s", subject);
    return results;
}

static atomic_int hooked;

void ebpf_log_hook(void)
{
    if (!atomic_exchange(&hooked, 1))
        print_before = libbpf_set_print(print);
}

/* Where the library is unmapped with its last Lua state (LuaRocks links it without -z nodelete), libbpf must not call it. */
__attribute__((destructor)) static void unhook_print(void)
{
    libbpf_print_fn_t current = atomic_load(&hooked) ? libbpf_set_print(print_before) : NULL;

    if (current && current != print)
        libbpf_set_print(current); /* somebody came after us */
}
