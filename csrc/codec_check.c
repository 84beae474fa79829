/* Codec: Lua values as bytes: tables, read raw so that no Lua runs meanwhile, and the path to what is wrong in them.
 * No bpf(2) command. What is no table is checked in codec_scalar.c.
 * Nothing is owned. Nothing is allocated, unless to say what is wrong. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "codec_check.h"

static void add_path(luaL_Buffer *buffer, const struct ebpf_place *place)
{
    char element[16];

    if (place->parent)
        add_path(buffer, place->parent);
    if (!place->name) {
        snprintf(element, sizeof(element), "[%u]", (unsigned)place->element);
        luaL_addstring(buffer, element);
        return;
    }
    if (place->parent)
        luaL_addchar(buffer, '.');
    luaL_addstring(buffer, place->name);
}

void ebpf_check_fail(const struct ebpf_check *check, const struct ebpf_place *place)
{
    lua_State *L = check->L;
    int why = lua_gettop(L);
    luaL_Buffer buffer;

    luaL_checkstack(L, LUA_MINSTACK, NULL);
    luaL_buffinit(L, &buffer);
    add_path(&buffer, place);
    luaL_pushresult(&buffer);
    luaL_argerror(L, check->argument, lua_pushfstring(L, "%s: %s", lua_tostring(L, -1), lua_tostring(L, why)));
}

const char *ebpf_check_shown(lua_State *L, int index)
{
    char digits[32];
    size_t length;

    switch (lua_type(L, index)) {
    case LUA_TNUMBER:
        snprintf(digits, sizeof(digits), "%.0f", (double)lua_tonumber(L, index));
        lua_pushvalue(L, index);
        if (strpbrk(lua_tostring(L, -1), ".e") && strtod(digits, NULL) == (double)lua_tonumber(L, index))
            lua_pushstring(L, digits); /* 2^64, and not 1.844674407371e+19 */
        return lua_tostring(L, -1);
    case LUA_TSTRING:
        lua_tolstring(L, index, &length);
        if (length <= 40)
            return lua_pushfstring(L, "'%s'", lua_tostring(L, index));
        return lua_pushfstring(L, "a string of %d bytes", (int)length);
    case LUA_TBOOLEAN:
        return lua_toboolean(L, index) ? "true" : "false";
    default:
        return luaL_typename(L, index);
    }
}

void ebpf_check_fail_type(const struct ebpf_check *check, const struct ebpf_place *place, int index, const char *wanted)
{
    lua_pushfstring(check->L, "%s expected, got %s", wanted, ebpf_check_shown(check->L, index));
    ebpf_check_fail(check, place);
}

static void check_value(struct ebpf_check *check, const struct ebpf_place *place, const struct ebpf_node *node,
                        char *to);

static int count_keys(lua_State *L, int table)
{
    int count = 0;

    lua_pushnil(L);
    while (lua_next(L, table)) {
        lua_pop(L, 1);
        count++;
    }
    return count;
}

/* Raises for the first key that is no element. */
static void fail_elements(const struct ebpf_check *check, const struct ebpf_place *place, const struct ebpf_node *node,
                          int table)
{
    lua_State *L = check->L;

    lua_pushnil(L);
    while (lua_next(L, table)) {
        lua_Number key = lua_type(L, -2) == LUA_TNUMBER ? lua_tonumber(L, -2) : 0;

        lua_pop(L, 1);
        if (!(key >= 1 && key <= node->count) || key != (lua_Number)(uint32_t)key)
            break;
    }
    lua_pushfstring(L, "a list of %d expected, and %s is beyond it", (int)node->count, ebpf_check_shown(L, -1));
    ebpf_check_fail(check, place);
}

static void check_array(struct ebpf_check *check, const struct ebpf_place *place, const struct ebpf_node *node,
                        char *to)
{
    const struct ebpf_node *element = &check->codec->nodes[node->first];
    struct ebpf_place here = {.parent = place};
    lua_State *L = check->L;
    int table = lua_gettop(L);

    if (!lua_istable(L, table))
        ebpf_check_fail_type(check, place, table, node->kind == EBPF_BYTES ? "a string or a list" : "a list");
    for (uint32_t i = 0; i < node->count; i++) {
        here.element = i + 1;
        lua_rawgeti(L, table, (int)i + 1);
        if (lua_isnil(L, -1)) {
            lua_pushfstring(L, "missing: a list of %d expected", (int)node->count);
            ebpf_check_fail(check, &here);
        }
        check_value(check, &here, element, to + (size_t)i * element->size);
        lua_pop(L, 1);
    }
    if (count_keys(L, table) != (int)node->count)
        fail_elements(check, place, node, table);
}

static void check_bytes(struct ebpf_check *check, const struct ebpf_place *place, const struct ebpf_node *node,
                        char *to)
{
    lua_State *L = check->L;

    if (node->first && lua_istable(L, -1)) {
        check_array(check, place, node, to);
        return;
    }
    if (lua_type(L, -1) != LUA_TSTRING)
        ebpf_check_fail_type(check, place, lua_gettop(L), node->first ? "a string or a list" : "a string");
    if (compat_rawlen(L, -1) != node->size) {
        lua_pushfstring(L, "%d bytes expected, got %d", (int)node->size, (int)compat_rawlen(L, -1));
        ebpf_check_fail(check, place);
    }
    ebpf_check_store(check, place, to, lua_tostring(L, -1), node->size);
}

/* Whether the table has any of the fields. */
static bool has_any(const struct ebpf_check *check, const struct ebpf_node *node, int table)
{
    const struct ebpf_node *child = check->codec->nodes + node->first;
    lua_State *L = check->L;
    bool found = false;

    for (const struct ebpf_node *end = child + node->count; child < end && !found; child++) {
        if (child->flags & EBPF_NAMELESS) {
            found = has_any(check, child, table);
            continue;
        }
        lua_rawgeti(L, check->names, (int)child->name);
        lua_rawget(L, table);
        found = !lua_isnil(L, -1);
        lua_pop(L, 1);
    }
    return found;
}

static int check_fields(struct ebpf_check *check, const struct ebpf_place *place, const struct ebpf_node *node,
                        int table, char *to);

/* One member, from the table: how many keys it took. */
static int check_member(struct ebpf_check *check, const struct ebpf_place *place, const struct ebpf_node *child,
                        int table, char *to, bool required)
{
    struct ebpf_place here = {.parent = place, .name = ebpf_codec_name(check->codec, child->name)};
    lua_State *L = check->L;

    if (child->flags & EBPF_NAMELESS) {
        if (!required && !has_any(check, child, table))
            return 0;
        return check_fields(check, place, child, table, to + child->offset);
    }
    lua_rawgeti(L, check->names, (int)child->name);
    lua_rawget(L, table);
    if (lua_isnil(L, -1)) {
        if (required && !(child->flags & EBPF_OPTIONAL)) {
            lua_pushliteral(L, "missing");
            ebpf_check_fail(check, &here);
        }
        lua_pop(L, 1);
        return 0;
    }
    check_value(check, &here, child, to + child->offset);
    lua_pop(L, 1);
    return 1;
}

static void add_names(const struct ebpf_check *check, luaL_Buffer *buffer, const struct ebpf_node *node, bool *first)
{
    const struct ebpf_node *child = check->codec->nodes + node->first;

    for (const struct ebpf_node *end = child + node->count; child < end; child++) {
        if (child->flags & EBPF_NAMELESS) {
            add_names(check, buffer, child, first);
            continue;
        }
        luaL_addstring(buffer, *first ? "" : ", ");
        luaL_addstring(buffer, ebpf_codec_name(check->codec, child->name));
        *first = false;
    }
}

/* Pushes "start a, b, c". */
static void push_names(const struct ebpf_check *check, const struct ebpf_node *node, const char *start)
{
    luaL_Buffer buffer;
    bool first = true;

    luaL_buffinit(check->L, &buffer);
    luaL_addstring(&buffer, start);
    add_names(check, &buffer, node, &first);
    luaL_pushresult(&buffer);
}

static int check_fields(struct ebpf_check *check, const struct ebpf_place *place, const struct ebpf_node *node,
                        int table, char *to)
{
    const struct ebpf_node *child = check->codec->nodes + node->first;
    bool is_union = node->kind == EBPF_UNION;
    int found = 0;

    check->unions += is_union;
    for (const struct ebpf_node *end = child + node->count; child < end; child++)
        found += check_member(check, place, child, table, to, !is_union);
    check->unions -= is_union;
    if (is_union && found == 0 && node->size) {
        push_names(check, node, "missing: one of ");
        ebpf_check_fail(check, place);
    }
    return found;
}

static bool has_name(const struct ebpf_check *check, const struct ebpf_node *node, const char *name)
{
    const struct ebpf_node *child = check->codec->nodes + node->first;

    for (const struct ebpf_node *end = child + node->count; child < end; child++)
        if (child->flags & EBPF_NAMELESS ? has_name(check, child, name)
                                         : strcmp(ebpf_codec_name(check->codec, child->name), name) == 0)
            return true;
    return false;
}

/* Raises for the first key that is no field's name. */
static void fail_keys(const struct ebpf_check *check, const struct ebpf_place *place, const struct ebpf_node *node,
                      int table)
{
    struct ebpf_place here = {.parent = place};
    lua_State *L = check->L;

    lua_pushnil(L);
    while (lua_next(L, table)) {
        lua_pop(L, 1);
        if (lua_type(L, -1) != LUA_TSTRING || !has_name(check, node, lua_tostring(L, -1)))
            break;
    }
    here.name =
        lua_type(L, -1) == LUA_TSTRING ? lua_tostring(L, -1) : lua_pushfstring(L, "[%s]", ebpf_check_shown(L, -1));
    push_names(check, node, "unknown field (known: ");
    lua_pushliteral(L, ")");
    lua_concat(L, 2);
    ebpf_check_fail(check, &here);
}

static void check_table(struct ebpf_check *check, const struct ebpf_place *place, const struct ebpf_node *node,
                        char *to)
{
    lua_State *L = check->L;
    int table = lua_gettop(L);

    if (!lua_istable(L, table))
        ebpf_check_fail_type(check, place, table, "a table");
    if (check_fields(check, place, node, table, to) != count_keys(L, table))
        fail_keys(check, place, node, table);
}

/* The value on the top of the stack. */
static void check_value(struct ebpf_check *check, const struct ebpf_place *place, const struct ebpf_node *node,
                        char *to)
{
    switch (node->kind) {
    case EBPF_BYTES:
        check_bytes(check, place, node, to);
        break;
    case EBPF_ARRAY:
        check_array(check, place, node, to);
        break;
    case EBPF_STRUCT:
    case EBPF_UNION:
        check_table(check, place, node, to);
        break;
    default:
        ebpf_check_scalar(check, place, node, lua_gettop(check->L), to);
    }
}

/* A string of the very size is the bytes themselves, unless it is what such values are written as. */
static bool takes_bytes(const struct ebpf_node *root)
{
    return root->kind != EBPF_ENUM && root->kind != EBPF_ADDRESS;
}

void ebpf_codec_check(lua_State *L, int index, const struct ebpf_codec *codec, char *bytes, char *mask,
                      const char *what, int argument)
{
    struct ebpf_check check;
    struct ebpf_place root = {.name = what};

    ebpf_codec_expect(L, codec);
    if (codec->nodes->kind == EBPF_INTEGER && ebpf_check_number(L, index, codec->nodes, bytes))
        return;
    if (takes_bytes(codec->nodes) && lua_type(L, index) == LUA_TSTRING && compat_rawlen(L, index) == codec->size) {
        memcpy(bytes, lua_tostring(L, index), codec->size);
        return;
    }
    check = (struct ebpf_check){.L = L, .codec = codec, .bytes = bytes, .mask = mask, .argument = argument};
    if (codec->nodes->kind == EBPF_INTEGER) {
        ebpf_check_scalar(&check, &root, codec->nodes, index, bytes);
        return;
    }
    if (codec->unions)
        memset(mask, 0, codec->size);
    luaL_checkstack(L, (int)codec->depth * 3 + LUA_MINSTACK, "a value that nests too deep");
    lua_pushvalue(L, index);
    lua_rawgeti(L, LUA_REGISTRYINDEX, codec->names_ref);
    lua_insert(L, -2);
    check.names = lua_gettop(L) - 1;
    check_value(&check, &root, codec->nodes, bytes);
    lua_pop(L, 2);
}
