/* Rootlet's program, made here: instructions and BTF of one XDP program and of what replaces its functions slot1 … slotN.
 * Commands: PROG_LOAD, BTF_LOAD, OBJ_GET_INFO_BY_FD; libbpf writes and reads the BTF.
 * The Programs made here own their descriptors. */
#include <bpf/bpf.h>
#include <bpf/btf.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "bpf_cmd.h"
#include "btf.h"
#include "fail.h"
#include "numbers.h"
#include "things.h"
#include "modules.h"

/* A program has 256 functions at most (BPF_MAX_SUBPROGS): one calls the others. */
enum { VERSION = 1, MAX_SLOTS = 255, CONTINUE = 31, CONTEXT_SIZE = 24, STUB_SIZE = 5 };

static const char root_name[] = "rootlet"; /* of the program and of its main function */
static const char mark_name[] = "ebpf_rootlet";

struct function { /* struct bpf_func_info */
    uint32_t offset;
    uint32_t type_id;
};

static struct bpf_insn insn(uint8_t code, uint8_t to, uint8_t from, int offset, int32_t immediate)
{
    struct bpf_insn result = {.code = code, .off = (int16_t)offset, .imm = immediate};

    result.dst_reg = to & 15;
    result.src_reg = from & 15;
    return result;
}

static uint32_t main_size(uint32_t slots)
{
    return 1 + 3 * slots + 2;
}

/* r6 = ctx; then for each slot: r0 = slot(r6), and out with it unless it is CONTINUE. */
static void write_main(struct bpf_insn *at, uint32_t slots)
{
    const struct bpf_insn *start = at;
    int size = (int)main_size(slots);

    *at++ = insn(BPF_ALU64 | BPF_MOV | BPF_X, 6, 1, 0, 0);
    for (int i = 0; i < (int)slots; i++) {
        int slot = size + STUB_SIZE * i;

        *at++ = insn(BPF_ALU64 | BPF_MOV | BPF_X, 1, 6, 0, 0);
        *at = insn(BPF_JMP | BPF_CALL, 0, BPF_PSEUDO_CALL, 0, slot - (int)(at + 1 - start));
        at++;
        *at = insn(BPF_JMP | BPF_JNE | BPF_K, 0, 0, size - 1 - (int)(at + 1 - start), CONTINUE);
        at++;
    }
    *at++ = insn(BPF_ALU64 | BPF_MOV | BPF_K, 0, 0, 0, XDP_PASS);
    *at = insn(BPF_JMP | BPF_EXIT, 0, 0, 0, 0);
}

/* A placeholder gives CONTINUE. The call in it is never made, and the kernel removes it; but a function without one that
 * may change the packet can't be replaced by a program that does (6.14, 81f6d0530ba0, and in stable kernels). */
static void write_stub(struct bpf_insn *at)
{
    *at++ = insn(BPF_ALU64 | BPF_MOV | BPF_K, 0, 0, 0, CONTINUE);
    *at++ = insn(BPF_JMP | BPF_JEQ | BPF_K, 0, 0, 2, CONTINUE);
    *at++ = insn(BPF_ALU64 | BPF_MOV | BPF_K, 2, 0, 0, 0);
    *at++ = insn(BPF_JMP | BPF_CALL, 0, 0, 0, BPF_FUNC_xdp_adjust_tail);
    *at = insn(BPF_JMP | BPF_EXIT, 0, 0, 0, 0);
}

/* int (struct xdp_md *ctx): the id of the prototype, or negative */
static int add_prototype(struct btf *btf)
{
    int integer = btf__add_int(btf, "int", 4, BTF_INT_SIGNED);
    int context = btf__add_struct(btf, "xdp_md", CONTEXT_SIZE);
    int pointer = btf__add_ptr(btf, context);
    int prototype = btf__add_func_proto(btf, integer);
    int result = btf__add_func_param(btf, "ctx", pointer);

    return result < 0 ? result : prototype;
}

/* enum ebpf_rootlet { version = 1, continue_ = 31 }: what tells our programs from others of the same name. */
static int add_mark(struct btf *btf)
{
    int mark = btf__add_enum(btf, mark_name, 4);
    int result = mark < 0 ? mark : btf__add_enum_value(btf, "version", VERSION);

    return result < 0 ? result : btf__add_enum_value(btf, "continue_", CONTINUE);
}

static void slot_name(char *name, size_t size, uint32_t slot)
{
    snprintf(name, size, "slot%u", slot);
}

static int add_functions(struct btf *btf, struct function *functions, uint32_t slots)
{
    int prototype = add_prototype(btf), result = prototype < 0 ? prototype : add_mark(btf);
    char name[16];

    for (uint32_t i = 0; result >= 0 && i <= slots; i++) {
        slot_name(name, sizeof(name), i);
        functions[i].offset = i == 0 ? 0 : main_size(slots) + STUB_SIZE * (i - 1);
        result = btf__add_func(btf, i == 0 ? root_name : name, BTF_FUNC_GLOBAL, prototype);
        functions[i].type_id = (uint32_t)result;
    }
    return result;
}

/* A program that replaces a slot has one function, of the same prototype. */
static int add_function(struct btf *btf, struct function *function, const char *name)
{
    int prototype = add_prototype(btf);
    int result = prototype < 0 ? prototype : btf__add_func(btf, name, BTF_FUNC_GLOBAL, prototype);

    function->offset = 0;
    function->type_id = (uint32_t)result;
    return result;
}

/* The descriptor of new BTF with these functions, or -1 with errno: a root's for slots > 0, else one of this name.
 * bpf_btf_load, since btf__load_into_kernel would print what it thinks of a failure. */
static int load_btf(struct function *functions, uint32_t slots, const char *name)
{
    struct btf *btf = btf__new_empty();
    int fd, result = btf ? 0 : -errno;
    const void *data;
    uint32_t size;

    if (btf)
        result = slots ? add_functions(btf, functions, slots) : add_function(btf, functions, name);
    data = result < 0 ? NULL : btf__raw_data(btf, &size);
    if (result >= 0 && !data)
        result = -ENOMEM;
    fd = data ? bpf_btf_load(data, size, NULL) : result;
    btf__free(btf);
    if (fd >= 0)
        return fd;
    errno = -fd;
    return -1;
}

/* Loads what attr says with BTF of these functions; a handle guards the BTF while an error may be raised. */
static int load_program(lua_State *L, struct abi_prog_load *attr, struct function *functions, uint32_t slots,
                        const char *name, const char **log)
{
    struct ebpf_handle *guard = ebpf_handle_new(L, &ebpf_program_class, 0);
    int fd = load_btf(functions, slots, name), error;

    if (fd < 0)
        return -1;
    ebpf_handle_own(guard, fd);
    strncpy(attr->prog_name, name, ABI_OBJ_NAME_LEN - 1);
    attr->prog_btf_fd = (uint32_t)fd;
    attr->func_info = (uint64_t)(uintptr_t)functions;
    attr->func_info_cnt = slots + 1;
    attr->func_info_rec_size = sizeof(*functions);
    fd = ebpf_program_load(L, attr, log);
    error = errno;
    ebpf_handle_close(guard);
    errno = error;
    return fd;
}

/* load(slots) -> program */
static int load(lua_State *L)
{
    uint32_t slots = ebpf_check_u32(L, 1), size = main_size(slots) + STUB_SIZE * slots;
    struct abi_prog_load attr = {.prog_type = ABI_PROG_TYPE_XDP, .insn_cnt = size};
    struct function functions[MAX_SLOTS + 1];
    struct ebpf_handle *handle;
    struct bpf_insn *insns;
    const char *log = NULL;
    int fd;

    luaL_argcheck(L, slots >= 1 && slots <= MAX_SLOTS, 1, "a rootlet has 1 to 255 slots");
    lua_settop(L, 1);
    insns = compat_newuserdata(L, size * sizeof(*insns));
    write_main(insns, slots);
    for (uint32_t i = 0; i < slots; i++)
        write_stub(insns + main_size(slots) + STUB_SIZE * i);
    attr.insns = (uint64_t)(uintptr_t)insns;
    attr.license = (uint64_t)(uintptr_t) "MIT";
    handle = ebpf_handle_new(L, &ebpf_program_class, 0);
    fd = load_program(L, &attr, functions, slots, root_name, &log);
    if (fd < 0)
        return ebpf_fail_log(L, errno, log, "program load", "%s", root_name);
    ebpf_handle_own(handle, fd);
    lua_pushvalue(L, 3);
    return 1;
}

/* load_for(target, btf_id, insns, name, license, flags, subject) -> program, to replace that function of the target's */
static int load_for(lua_State *L)
{
    struct ebpf_handle *target = ebpf_handle_check(L, 1, &ebpf_program_class);
    size_t size, name_length;
    const char *insns = luaL_checklstring(L, 3, &size);
    const char *name = luaL_checklstring(L, 4, &name_length);
    const char *subject = luaL_checkstring(L, 7);
    struct abi_prog_load attr = {
        .prog_type = ABI_PROG_TYPE_EXT,
        .insn_cnt = (uint32_t)(size / sizeof(struct bpf_insn)),
        .insns = (uint64_t)(uintptr_t)insns,
        .license = (uint64_t)(uintptr_t)luaL_checkstring(L, 5),
        .prog_flags = ebpf_opt_u32(L, 6, 0),
        .attach_btf_id = ebpf_check_u32(L, 2),
        .attach_prog_fd = (uint32_t)target->fd,
    };
    struct function function;
    struct ebpf_handle *handle;
    const char *log = NULL;
    int fd;

    luaL_argcheck(L, name_length < ABI_OBJ_NAME_LEN, 4, "a program's name has at most 15 bytes");
    lua_settop(L, 7);
    handle = ebpf_handle_new(L, &ebpf_program_class, 0);
    fd = load_program(L, &attr, &function, 0, name, &log);
    if (fd < 0)
        return ebpf_fail_log(L, errno, log, "rootlet load", "%s", subject);
    ebpf_handle_own(handle, fd);
    lua_pushvalue(L, 8);
    return 1;
}

/* Recognizing. */

/* The functions of a program that has the name, the type and the number of functions of a rootlet: how many slots.
 * 0: it is none; -1 with errno. */
static int read_functions(int fd, struct function *functions, uint32_t *btf_id)
{
    struct abi_prog_info info = {0}, again = {.func_info_rec_size = sizeof(*functions)};
    uint32_t length = sizeof(info), count;

    if (bpf_cmd_info(fd, &info, &length) < 0)
        return -1;
    count = info.nr_func_info;
    if (info.type != ABI_PROG_TYPE_XDP || strncmp(info.name, root_name, sizeof(info.name)) != 0 || count < 2 ||
        count > MAX_SLOTS + 1)
        return 0;
    memset(functions, 0, count * sizeof(*functions)); /* for valgrind, which does not know that they are written */
    again.nr_func_info = count;
    again.func_info = (uint64_t)(uintptr_t)functions;
    length = sizeof(again);
    if (bpf_cmd_info(fd, &again, &length) < 0)
        return -1;
    *btf_id = info.btf_id;
    return (int)count - 1;
}

static bool function_is(const struct btf *btf, const struct function *function, const char *name)
{
    const struct btf_type *type = btf__type_by_id(btf, function->type_id);
    const char *found = type && btf_is_func(type) ? btf__name_by_offset(btf, type->name_off) : NULL;

    return found && strcmp(found, name) == 0;
}

/* The version of the mark, if there is one and the functions have the names of ours; else 0. */
static int version_of(const struct btf *btf, const struct function *functions, int slots)
{
    int mark = btf__find_by_name_kind(btf, mark_name, BTF_KIND_ENUM);
    const struct btf_type *type = mark > 0 ? btf__type_by_id(btf, (uint32_t)mark) : NULL;
    char name[16];

    if (!type || btf_vlen(type) < 1 || !function_is(btf, &functions[0], root_name))
        return 0;
    for (int i = 1; i <= slots; i++) {
        slot_name(name, sizeof(name), (uint32_t)i);
        if (!function_is(btf, &functions[i], name))
            return 0;
    }
    return btf_enum(type)->val;
}

/* version(program) -> of a rootlet; or false: it is none. The names are in its BTF, which takes CAP_SYS_ADMIN. */
static int version(lua_State *L)
{
    struct ebpf_handle *program = ebpf_handle_check(L, 1, &ebpf_program_class);
    struct function functions[MAX_SLOTS + 1];
    uint32_t btf_id = 0;
    int slots = read_functions(program->fd, functions, &btf_id), found = 0;
    struct btf *btf;

    if (slots < 0)
        return ebpf_fail(L, errno, "program info", "fd %d", program->fd);
    if (slots > 0) {
        btf = ebpf_btf_load(btf_id);
        if (!btf)
            return ebpf_fail(L, errno, "from_id", "BTF %u", btf_id);
        found = version_of(btf, functions, slots);
        btf__free(btf);
    }
    if (found)
        lua_pushinteger(L, found);
    else
        lua_pushboolean(L, 0);
    return 1;
}

/* slots(program) -> {BTF id of slot1, …}, of a rootlet; any process with CAP_BPF is told */
static int slots(lua_State *L)
{
    struct ebpf_handle *program = ebpf_handle_check(L, 1, &ebpf_program_class);
    struct function functions[MAX_SLOTS + 1];
    uint32_t btf_id;
    int count = read_functions(program->fd, functions, &btf_id);

    if (count < 0)
        return ebpf_fail(L, errno, "program info", "fd %d", program->fd);
    lua_createtable(L, count, 0);
    for (int i = 1; i <= count; i++) {
        lua_pushinteger(L, (lua_Integer)functions[i].type_id);
        lua_rawseti(L, -2, i);
    }
    return 1;
}

static const luaL_Reg functions[] = {
    {"load", load}, {"load_for", load_for}, {"version", version}, {"slots", slots}, {NULL, NULL},
};

int ebpf_open_rootlet_program(lua_State *L)
{
    lua_newtable(L);
    compat_setfuncs(L, functions);
    lua_pushinteger(L, VERSION);
    lua_setfield(L, -2, "own_version");
    lua_pushinteger(L, MAX_SLOTS);
    lua_setfield(L, -2, "max_slots");
    lua_pushinteger(L, CONTINUE);
    lua_setfield(L, -2, "continue");
    return 1;
}
