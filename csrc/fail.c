/* Failures: errno -> nil, message, errno, and the table of errno names.
 * The words come from Lua: the explainer set by lua/ebpf/errors.lua, called only when something failed.
 * Nothing is owned but a reference to that function in the registry. */
#include "fail.h"
#include "modules.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#define EXPLAINER "ebpf.explainer"

static const struct {
    const char *name;
    int number;
} errors[] = {
#define E(name) {#name, name},
    /* clang-format off */
    E(EPERM) E(ENOENT) E(ESRCH) E(EINTR) E(EIO) E(ENXIO) E(E2BIG) E(ENOEXEC) E(EBADF) E(ECHILD)
    E(EAGAIN) E(ENOMEM) E(EACCES) E(EFAULT) E(ENOTBLK) E(EBUSY) E(EEXIST) E(EXDEV) E(ENODEV)
    E(ENOTDIR) E(EISDIR) E(EINVAL) E(ENFILE) E(EMFILE) E(ENOTTY) E(ETXTBSY) E(EFBIG) E(ENOSPC)
    E(ESPIPE) E(EROFS) E(EMLINK) E(EPIPE) E(EDOM) E(ERANGE) E(EDEADLK) E(ENAMETOOLONG) E(ENOLCK)
    E(ENOSYS) E(ENOTEMPTY) E(ELOOP) E(ENOMSG) E(EIDRM) E(ECHRNG) E(EL2NSYNC) E(EL3HLT) E(EL3RST)
    E(ELNRNG) E(EUNATCH) E(ENOCSI) E(EL2HLT) E(EBADE) E(EBADR) E(EXFULL) E(ENOANO) E(EBADRQC)
    E(EBADSLT) E(EBFONT) E(ENOSTR) E(ENODATA) E(ETIME) E(ENOSR) E(ENONET) E(ENOPKG) E(EREMOTE)
    E(ENOLINK) E(EADV) E(ESRMNT) E(ECOMM) E(EPROTO) E(EMULTIHOP) E(EDOTDOT) E(EBADMSG)
    E(EOVERFLOW) E(ENOTUNIQ) E(EBADFD) E(EREMCHG) E(ELIBACC) E(ELIBBAD) E(ELIBSCN) E(ELIBMAX)
    E(ELIBEXEC) E(EILSEQ) E(ERESTART) E(ESTRPIPE) E(EUSERS) E(ENOTSOCK) E(EDESTADDRREQ)
    E(EMSGSIZE) E(EPROTOTYPE) E(ENOPROTOOPT) E(EPROTONOSUPPORT) E(ESOCKTNOSUPPORT) E(EOPNOTSUPP)
    E(EPFNOSUPPORT) E(EAFNOSUPPORT) E(EADDRINUSE) E(EADDRNOTAVAIL) E(ENETDOWN) E(ENETUNREACH)
    E(ENETRESET) E(ECONNABORTED) E(ECONNRESET) E(ENOBUFS) E(EISCONN) E(ENOTCONN) E(ESHUTDOWN)
    E(ETOOMANYREFS) E(ETIMEDOUT) E(ECONNREFUSED) E(EHOSTDOWN) E(EHOSTUNREACH) E(EALREADY)
    E(EINPROGRESS) E(ESTALE) E(EUCLEAN) E(ENOTNAM) E(ENAVAIL) E(EISNAM) E(EREMOTEIO) E(EDQUOT)
    E(ENOMEDIUM) E(EMEDIUMTYPE) E(ECANCELED) E(ENOKEY) E(EKEYEXPIRED) E(EKEYREVOKED)
    E(EKEYREJECTED) E(EOWNERDEAD) E(ENOTRECOVERABLE) E(ERFKILL)
    {"ENOTSUPP", 524}, /* the kernel's own: some BPF operations let it through to user space */
#undef E
    /* clang-format on */
};

enum { ERRORS = sizeof(errors) / sizeof(*errors) };

const char *ebpf_errno_name(int error)
{
    for (int i = 0; i < ERRORS; i++)
        if (errors[i].number == error)
            return errors[i].name;
    return NULL;
}

static void push_plain(lua_State *L, int error, const char *operation, const char *subject)
{
    const char *name = ebpf_errno_name(error);

    lua_pushfstring(L, "%s%s%s: %s: %s", operation, *subject ? " " : "", subject, name ? name : "error",
                    strerror(error));
}

/* The explainer's words for it, or false: before lua/ebpf/errors.lua is loaded, or when it raises itself. */
static int push_explained(lua_State *L, int error, const char *why, const char *log, const char *operation,
                          const char *subject)
{
    int top = lua_gettop(L);

    lua_getfield(L, LUA_REGISTRYINDEX, EXPLAINER);
    lua_pushstring(L, operation);
    lua_pushstring(L, subject);
    lua_pushinteger(L, error);
    lua_pushstring(L, why);
    lua_pushstring(L, log);
    if (lua_isfunction(L, top + 1) && lua_pcall(L, 5, 1, 0) == 0 && lua_isstring(L, -1))
        return 1;
    lua_settop(L, top);
    return 0;
}

static int fail(lua_State *L, int error, const char *why, const char *log, const char *operation, const char *format,
                va_list arguments)
{
    char subject[512];

    vsnprintf(subject, sizeof(subject), format, arguments);
    lua_pushnil(L);
    if (!push_explained(L, error, why, log, operation, subject))
        push_plain(L, error, operation, subject);
    lua_pushinteger(L, error);
    return 3;
}

int ebpf_fail(lua_State *L, int error, const char *operation, const char *subject, ...)
{
    va_list arguments;
    int results;

    va_start(arguments, subject);
    results = fail(L, error, NULL, NULL, operation, subject, arguments);
    va_end(arguments);
    return results;
}

int ebpf_fail_log(lua_State *L, int error, const char *log, const char *operation, const char *subject, ...)
{
    va_list arguments;
    int results;

    if (error == EMFILE || error == ENFILE)
        log = NULL; /* the verifier was content: only the descriptor was missing */
    va_start(arguments, subject);
    results = fail(L, error, NULL, log, operation, subject, arguments);
    va_end(arguments);
    return results;
}

int ebpf_fail_why(lua_State *L, int error, const char *why, const char *operation, const char *subject, ...)
{
    va_list arguments;
    int results;

    va_start(arguments, subject);
    results = fail(L, error, why, NULL, operation, subject, arguments);
    va_end(arguments);
    return results;
}

static int set_explainer(lua_State *L)
{
    luaL_checktype(L, 1, LUA_TFUNCTION);
    lua_settop(L, 1);
    lua_setfield(L, LUA_REGISTRYINDEX, EXPLAINER);
    return 0;
}

static int lua_strerror(lua_State *L)
{
    int number = (int)luaL_checkinteger(L, 1);

    lua_pushstring(L, number == 524 ? "Operation is not supported" : strerror(number));
    return 1;
}

int ebpf_open_fail(lua_State *L)
{
    lua_newtable(L);
    lua_createtable(L, ERRORS, ERRORS + 2);
    for (int i = 0; i < ERRORS; i++) {
        lua_pushinteger(L, errors[i].number);
        lua_setfield(L, -2, errors[i].name);
        lua_pushstring(L, errors[i].name);
        lua_rawseti(L, -2, errors[i].number);
    }
    lua_pushinteger(L, ENOTSUP);
    lua_setfield(L, -2, "ENOTSUP");
    lua_pushinteger(L, EWOULDBLOCK);
    lua_setfield(L, -2, "EWOULDBLOCK");
    lua_setfield(L, -2, "errno");
    lua_pushcfunction(L, set_explainer);
    lua_setfield(L, -2, "set_explainer");
    lua_pushcfunction(L, lua_strerror);
    lua_setfield(L, -2, "strerror");
    return 1;
}
