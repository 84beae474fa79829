/* Fuzzer: any bytes as BTF, and as values of its types. Nothing may be read or written out of bounds, and nothing lost. */
#include <bpf/btf.h>
#include <bpf/libbpf.h>
#include <stdint.h>
#include <string.h>

#include "../../csrc/codec.h"
#include "lua.h"

enum { TYPES = 64, BYTES = 1 << 16 };

static lua_State *L;
static const struct btf *btf;
static uint32_t type;
static const uint8_t *input;
static size_t input_size;

static int quiet(enum libbpf_print_level level, const char *format, va_list arguments)
{
    (void)level;
    (void)format;
    (void)arguments;
    return 0;
}

int LLVMFuzzerInitialize(int *count, char ***arguments)
{
    (void)count;
    (void)arguments;
    libbpf_set_print(quiet);
    L = fuzz_open("spec/fuzz/btf.lua");
    return 0;
}

/* try(script) -> what it gives for the codec and some bytes, or nothing where there is no codec */
static int try_type(lua_State *state)
{
    struct ebpf_codec *codec = ebpf_codec_new(state);
    const char *why;
    luaL_Buffer buffer;

    if (ebpf_layout(codec, btf, type, &why) != 0 || codec->size > BYTES)
        return 0;
    ebpf_codec_make_names(state, codec);
    lua_pushvalue(state, 1);
    lua_insert(state, -2);
    luaL_buffinit(state, &buffer);
    for (size_t length = 0; input_size && length < codec->size; length += input_size)
        luaL_addlstring(&buffer, (const char *)input, input_size);
    luaL_pushresult(&buffer);
    lua_call(state, 2, 0);
    return 0;
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size)
{
    struct btf *parsed = btf__new(bytes, (uint32_t)size);

    if (!parsed)
        return 0;
    btf = parsed;
    input = bytes;
    input_size = size;
    for (type = 0; type < btf__type_cnt(parsed) + 1 && type < TYPES; type++) {
        lua_pushcfunction(L, try_type);
        lua_pushvalue(L, 1);
        if (lua_pcall(L, 1, 0, 0))
            fuzz_die(L, "try");
    }
    btf__free(parsed);
    lua_gc(L, LUA_GCCOLLECT, 0);
    return 0;
}
