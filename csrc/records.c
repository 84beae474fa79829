/* Records: lists, calls and waits over what programs send, whatever it comes through (ringbuf.c, perfbuf.c).
 * No bpf(2) command.
 * Nothing is owned. A record is consumed once Lua has it: a list, when it is complete; what a function is called with,
 * when that returns. All that must outlast an error is in the source's position, so that any call may raise. */
#include "records.h"

#include <errno.h>
#include <limits.h>
#include <math.h>
#include <poll.h>
#include <string.h>

#include "clock.h"
#include "fail.h"
#include "numbers.h"

enum { ROOM = 4096 };

static const double stall_nap = 0.0001; /* seconds: a program writes a record in microseconds */

enum { CODEC = 1, TABLE }; /* what a userdata keeps */

void ebpf_records_keep(lua_State *L, struct ebpf_records *records, int codec)
{
    if (lua_isnoneornil(L, codec))
        return;
    records->codec = ebpf_codec_at(L, codec);
    records->reuse = lua_toboolean(L, codec + 1) && ebpf_codec_has_table(records->codec);
    lua_createtable(L, TABLE, 0);
    lua_pushvalue(L, codec);
    lua_rawseti(L, -2, CODEC);
    if (records->reuse) {
        lua_newtable(L);
        lua_rawseti(L, -2, TABLE);
    }
    compat_keep(L, -2);
}

static const char *word_of(const struct ebpf_records *records)
{
    return ebpf_class_word(records->handle.class);
}

static void expect_open(lua_State *L, const struct ebpf_records *records)
{
    if (!records->handle.open)
        luaL_error(L, "%s is closed", word_of(records));
}

static int fail_begin(lua_State *L, const struct ebpf_records *records, int error)
{
    const char *why = error == ESTALE ? records->source->stale : NULL;

    if (error == EBUSY) {
        lua_pushfstring(L, "process %d opened it, and reads it: open it in this process", records->owner.pid);
        why = lua_tostring(L, -1);
    }
    if (why)
        return ebpf_fail_why(L, error, why, word_of(records), "%u", records->map_id);
    return ebpf_fail(L, error, word_of(records), "%u", records->map_id);
}

static int begin(struct ebpf_records *records)
{
    return ebpf_owner_here(&records->owner) ? records->source->begin(records) : EBUSY;
}

/* The userdata is at 1. */
static void push_value(lua_State *L, const struct ebpf_records *records, const char *bytes, uint32_t length)
{
    if (records->reuse && length >= records->codec->size) {
        compat_kept(L, 1);
        lua_rawgeti(L, -1, TABLE);
        lua_remove(L, -2);
        ebpf_codec_fill(L, records->codec, bytes, length);
    } else if (records->codec && length >= records->codec->size)
        ebpf_codec_push_all(L, records->codec, bytes, length);
    else
        lua_pushlstring(L, bytes, length);
}

/* Pushes the record at the cursor, from a copy: pushing may run finalizers, and these may close what the bytes are in. */
static bool push_record(lua_State *L, struct ebpf_records *records)
{
    const struct ebpf_source *source = records->source;
    char room[ROOM], *copy = room;
    const char *bytes;
    uint32_t length, size = sizeof(room);
    int top = lua_gettop(L);

    while (source->peek(records, &bytes, &length)) {
        if (length <= size) {
            memcpy(copy, bytes, length);
            push_value(L, records, copy, length);
            if (copy != room)
                lua_remove(L, top + 1);
            expect_open(L, records);
            return true;
        }
        lua_settop(L, top);
        size = length;
        copy = compat_newuserdata(L, size);
        expect_open(L, records);
    }
    lua_settop(L, top);
    return false;
}

static int consume_list(lua_State *L, struct ebpf_records *records, uint64_t max)
{
    const struct ebpf_source *source = records->source;
    int count = 0;

    lua_newtable(L);
    expect_open(L, records);
    source->rewind(records);
    while ((uint64_t)count < max && push_record(L, records)) {
        source->pass(records);
        lua_rawseti(L, -2, ++count);
    }
    source->commit(records);
    return 1;
}

/* The function may consume too, or close: then what it was called with is consumed, or left to whoever opens next. */
static bool call_with_record(lua_State *L, struct ebpf_records *records)
{
    const struct ebpf_source *source = records->source;
    uint64_t before = records->consumed;
    const char *bytes;
    uint32_t length;

    source->rewind(records);
    lua_pushvalue(L, 3);
    if (!push_record(L, records)) {
        lua_pop(L, 1);
        source->commit(records);
        return false;
    }
    lua_call(L, 1, 0);
    if (!records->handle.open || records->consumed != before)
        return true;
    source->rewind(records);
    source->peek(records, &bytes, &length);
    source->pass(records);
    source->commit(records);
    return true;
}

static int consume_each(lua_State *L, struct ebpf_records *records, uint64_t max)
{
    uint64_t count = 0;

    while (count < max && records->handle.open && call_with_record(L, records))
        count++;
    ebpf_push_u64(L, count);
    return 1;
}

/* consume(max | nil, function | nil) -> list, or how many times it was called */
int ebpf_records_consume(lua_State *L, struct ebpf_records *records)
{
    uint64_t max = INT_MAX;
    int error;

    lua_settop(L, 3);
    if (!lua_isnil(L, 2))
        max = ebpf_check_u64(L, 2);
    luaL_argcheck(L, max <= INT_MAX, 2, "a count is expected");
    if (!lua_isnil(L, 3))
        luaL_checktype(L, 3, LUA_TFUNCTION);
    else
        luaL_argcheck(L, !records->reuse, 3, "a function is expected: with reuse there is one table for all records");
    error = begin(records);
    if (error)
        return fail_begin(L, records, error);
    return lua_isnil(L, 3) ? consume_list(L, records, max) : consume_each(L, records, max);
}

/* step(records) -> record; nothing at the end: what `for` calls, so it raises. Consumed as soon as the loop's body has
 * it: a `break` says that it was enough, not that it was too much. */
int ebpf_records_step(lua_State *L, struct ebpf_records *records)
{
    int error = begin(records);

    if (error) {
        fail_begin(L, records, error);
        return luaL_error(L, "%s", lua_tostring(L, -2));
    }
    if (push_record(L, records))
        records->source->pass(records);
    else
        lua_pushnil(L);
    records->source->commit(records);
    return 1;
}

/* The first record is there; discarded ones before it are passed. */
static bool ready(struct ebpf_records *records)
{
    const char *bytes;
    uint32_t length;
    bool found = records->source->peek(records, &bytes, &length);

    records->source->commit(records);
    return found;
}

/* False: a signal came. */
static bool sleep_on(const struct ebpf_records *records, double seconds)
{
    struct pollfd poll_one = {.fd = records->source->pollfd(records), .events = POLLIN};
    double milliseconds = ceil(seconds * 1000);

    if (records->source->stalled(records)) {
        ebpf_nap(fmin(seconds, stall_nap));
        return true;
    }
    return poll(&poll_one, 1, milliseconds < INT_MAX ? (int)milliseconds : -1) >= 0 || errno != EINTR;
}

/* wait(milliseconds) -> true: a record is there; false: none came; or, where a signal came, the milliseconds left */
int ebpf_records_wait(lua_State *L, struct ebpf_records *records)
{
    double left = luaL_checknumber(L, 2) / 1000, until = ebpf_now() + left;
    bool undisturbed = true;
    int error;

    for (;;) {
        error = begin(records);
        if (error)
            return fail_begin(L, records, error);
        if (ready(records)) {
            lua_pushboolean(L, 1);
            return 1;
        }
        left = until - ebpf_now();
        if (left <= 0 || !undisturbed)
            break;
        undisturbed = sleep_on(records, left);
    }
    if (left > 0)
        lua_pushnumber(L, left * 1000);
    else
        lua_pushboolean(L, 0);
    return 1;
}

/* pollfd() -> what to poll for reading */
int ebpf_records_pollfd(lua_State *L, struct ebpf_records *records)
{
    lua_pushinteger(L, records->source->pollfd(records));
    return 1;
}

/* timeout() -> 0 while there is something that waiting for the descriptor may not tell; else nil */
int ebpf_records_timeout(lua_State *L, struct ebpf_records *records)
{
    if (begin(records) == 0 && ready(records))
        lua_pushinteger(L, 0);
    else
        lua_pushnil(L);
    return 1;
}

/* reuses() -> boolean: one table for all records */
int ebpf_records_reuses(lua_State *L, const struct ebpf_records *records)
{
    lua_pushboolean(L, records->reuse);
    return 1;
}

static void set_count(lua_State *L, const char *name, uint64_t count)
{
    ebpf_push_u64(L, count);
    lua_setfield(L, -2, name);
}

/* counts() -> {consumed=, discarded=, dropped=} */
int ebpf_records_counts(lua_State *L, struct ebpf_records *records)
{
    lua_createtable(L, 0, 3);
    set_count(L, "consumed", records->consumed);
    set_count(L, "discarded", records->discarded);
    set_count(L, "dropped", records->dropped);
    return 1;
}
