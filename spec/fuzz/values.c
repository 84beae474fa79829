/* Fuzzer: Lua values, made of the input by values.lua, as values of the types in FUZZ_BTF. */
#include <bpf/btf.h>
#include <stdint.h>

#include "../../csrc/codec.h"
#include "lua.h"

static lua_State *L;
static struct btf *btf;

/* codec(name) -> codec */
static int make_codec(lua_State *state)
{
    struct ebpf_codec *codec = ebpf_codec_new(state);
    const char *name = luaL_checkstring(state, 1), *why;
    int id = btf__find_by_name(btf, name);

    if (id <= 0 || ebpf_layout(codec, btf, (uint32_t)id, &why) != 0)
        return luaL_error(state, "%s: no such type", name);
    ebpf_codec_make_names(state, codec);
    return 1;
}

int LLVMFuzzerInitialize(int *count, char ***arguments)
{
    (void)count;
    (void)arguments;
    btf = btf__parse(getenv("FUZZ_BTF"), NULL);
    if (!btf)
        abort();
    L = fuzz_open("spec/fuzz/values.lua");
    lua_pushcfunction(L, make_codec);
    if (lua_pcall(L, 1, 1, 0))
        fuzz_die(L, "setup");
    return 0;
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size)
{
    lua_pushvalue(L, 1);
    lua_pushlstring(L, (const char *)bytes, size);
    if (lua_pcall(L, 1, 0, 0))
        fuzz_die(L, "try");
    return 0;
}
