/* Time: for what has to be waited for.
 * No bpf(2) command; nothing is owned. */
#include "clock.h"

#include <time.h>

#include "compat.h"
#include "modules.h"

double ebpf_now(void)
{
    struct timespec time;

    clock_gettime(CLOCK_MONOTONIC, &time);
    return (double)time.tv_sec + (double)time.tv_nsec / 1e9;
}

/* A signal ends the nap early: those who nap look again anyway. */
void ebpf_nap(double seconds)
{
    struct timespec time = {.tv_sec = (time_t)seconds};

    time.tv_nsec = (long)((seconds - (double)time.tv_sec) * 1e9);
    nanosleep(&time, NULL);
}

/* nap(seconds) */
static int clock_nap(lua_State *L)
{
    ebpf_nap(luaL_checknumber(L, 1));
    return 0;
}

/* now() -> seconds, since some instant in the past */
static int clock_now(lua_State *L)
{
    lua_pushnumber(L, ebpf_now());
    return 1;
}

int ebpf_open_clock(lua_State *L)
{
    lua_newtable(L);
    lua_pushcfunction(L, clock_now);
    lua_setfield(L, -2, "now");
    lua_pushcfunction(L, clock_nap);
    lua_setfield(L, -2, "nap");
    return 1;
}
