/* Memory: values where programs read and write them meanwhile. An integer is read and written whole; of anything larger a
 * program may be half way through, as it is for other CPUs.
 * No bpf(2) command.
 * Nothing is owned. */
#include "memory.h"

#include <string.h>

#include "numbers.h"

void ebpf_memory_describe(struct ebpf_memory *memory, uint32_t offset, uint32_t size, const struct ebpf_codec *codec)
{
    const struct ebpf_node *root = codec && codec->nodes && codec->size == size ? codec->nodes : NULL;

    memory->offset = offset;
    memory->size = size;
    memory->codec = root ? codec : NULL;
    memory->plain = ebpf_integer_size(size) && offset % size == 0 &&
                    (!root || (root->kind == EBPF_INTEGER && !root->bit_size && !(root->flags & EBPF_NETWORK)));
    memory->is_signed = root && root->flags & EBPF_SIGNED;
}

char *ebpf_memory_room(lua_State *L, const struct ebpf_memory *memory, char *room)
{
    size_t size = memory->codec && memory->codec->unions ? (size_t)memory->size * 2 : memory->size;

    return size <= EBPF_MEMORY_ROOM ? room : compat_newuserdata(L, size);
}

static void push_plain(lua_State *L, const struct ebpf_memory *memory, const char *bytes)
{
    uint64_t value;

    switch (memory->size) {
    case 1:
        value = *(const volatile uint8_t *)bytes;
        lua_pushinteger(L, memory->is_signed ? (int8_t)value : (lua_Integer)value);
        break;
    case 2:
        value = *(const volatile uint16_t *)bytes;
        lua_pushinteger(L, memory->is_signed ? (int16_t)value : (lua_Integer)value);
        break;
    case 4:
        value = *(const volatile uint32_t *)bytes;
        lua_pushinteger(L, memory->is_signed ? (int32_t)value : (lua_Integer)value);
        break;
    default:
        value = *(const volatile uint64_t *)bytes;
        if (memory->is_signed)
            ebpf_push_s64(L, (int64_t)value);
        else
            ebpf_push_u64(L, value);
    }
}

void ebpf_memory_push(lua_State *L, const struct ebpf_memory *memory, const char *bytes, char *room)
{
    if (memory->plain) {
        push_plain(L, memory, bytes);
        return;
    }
    memcpy(room, bytes, memory->size);
    if (memory->codec)
        ebpf_codec_push(L, memory->codec, room);
    else if (ebpf_integer_size(memory->size))
        ebpf_push_integer(L, room, memory->size);
    else
        lua_pushlstring(L, room, memory->size);
}

static void check_bytes(lua_State *L, int index, const struct ebpf_memory *memory, const char *what, char *room)
{
    struct ebpf_integer integer;
    enum ebpf_read read;

    if (lua_type(L, index) == LUA_TSTRING && compat_rawlen(L, index) == memory->size) {
        memcpy(room, lua_tostring(L, index), memory->size);
        return;
    }
    read = ebpf_integer_size(memory->size) ? ebpf_read_integer(L, index, &integer) : EBPF_NO_INTEGER;
    if (read == EBPF_NO_INTEGER)
        luaL_argerror(L, index,
                      lua_pushfstring(L, "%s: %s of %d bytes expected, got %s", what,
                                      ebpf_integer_size(memory->size) ? "integer" : "string", (int)memory->size,
                                      luaL_typename(L, index)));
    if (read == EBPF_TOO_LARGE || !ebpf_store_integer(room, &integer, memory->size))
        luaL_argerror(L, index, lua_pushfstring(L, "%s: does not fit %d bytes", what, (int)memory->size));
}

void ebpf_memory_check(lua_State *L, int index, const struct ebpf_memory *memory, const char *what, char *room)
{
    if (!memory->codec) {
        check_bytes(L, index, memory, what, room);
        return;
    }
    memset(room, 0, memory->size);
    ebpf_codec_check(L, index, memory->codec, room, room + memory->size, what, index);
}

void ebpf_memory_store(const struct ebpf_memory *memory, char *bytes, const char *room)
{
    uint16_t two;
    uint32_t four;
    uint64_t eight;

    switch (memory->plain ? memory->size : 0) {
    case 1:
        *(volatile char *)bytes = *room;
        break;
    case 2:
        memcpy(&two, room, sizeof(two));
        *(volatile uint16_t *)bytes = two;
        break;
    case 4:
        memcpy(&four, room, sizeof(four));
        *(volatile uint32_t *)bytes = four;
        break;
    case 8:
        memcpy(&eight, room, sizeof(eight));
        *(volatile uint64_t *)bytes = eight;
        break;
    default:
        memcpy(bytes, room, memory->size);
    }
}
