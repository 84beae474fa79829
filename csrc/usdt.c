/* Link of USDT probes: one program at every place in a binary file where a probe of some name is, and an element of the
 * Object's maps for each, which says where its arguments are.
 * No bpf(2) command of ours but OBJ_GET_INFO_BY_FD, for the program's id.
 * The Link owns libbpf's link, which owns the descriptors, and a share in the Object's memory: taking it apart frees the
 * elements for other probes. */
#include "usdt.h"

#include <bpf/libbpf.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "bpf_cmd.h"
#include "fail.h"
#include "log.h"
#include "object.h"
#include "things.h"

struct ebpf_usdt {
    struct bpf_link *link;
    struct ebpf_elf *elf;
    pid_t maker;
    uint32_t program_id;
    char section[]; /* "usdt/path:provider:name" */
};

bool ebpf_usdt_ours(const struct ebpf_usdt *usdt)
{
    return usdt->maker == getpid();
}

const char *ebpf_usdt_section(const struct ebpf_usdt *usdt)
{
    return usdt->section;
}

/* Taking it apart switches the perf events off and may empty the maps: for the process that forked this one, too. So here
 * it's left to the end of the process, which closes the descriptors. */
void ebpf_usdt_free(struct ebpf_usdt *usdt)
{
    if (!usdt)
        return;
    if (ebpf_usdt_ours(usdt)) {
        struct ebpf_log log = {0};

        ebpf_log_begin(&log);
        bpf_link__destroy(usdt->link);
        ebpf_log_end();
        free(log.text);
        ebpf_elf_drop(usdt->elf);
    }
    free(usdt);
}

static uint32_t id_of(const struct bpf_program *program)
{
    uint32_t words[2] = {0, 0}, length = sizeof(words); /* type, id */

    return bpf_cmd_info(bpf_program__fd(program), words, &length) < 0 ? 0 : words[1];
}

int ebpf_usdt_attach(lua_State *L, struct ebpf_object *object, struct bpf_program *program)
{
    static const char operation[] = "link usdt";
    const char *section = bpf_program__section_name(program);
    struct ebpf_link *link = ebpf_handle_new(L, &ebpf_link_class, 0);
    struct ebpf_log log = {0};
    struct ebpf_usdt *usdt;
    int error;

    usdt = calloc(1, sizeof(*usdt) + strlen(section) + 1);
    if (!usdt)
        return ebpf_fail(L, ENOMEM, operation, "%s", section);
    ebpf_log_begin(&log);
    usdt->link = bpf_program__attach(program);
    error = errno;
    ebpf_log_end();
    if (!usdt->link) {
        free(usdt);
        return ebpf_log_fail(L, error, &log, operation, section);
    }
    free(log.text);
    usdt->elf = ebpf_elf_keep(object->elf);
    usdt->maker = getpid();
    usdt->program_id = id_of(program);
    strcpy(usdt->section, section);
    link->usdt = usdt;
    link->created = true;
    ebpf_handle_own(link, -1);
    return 1;
}

static const char *push_part(lua_State *L, const char *part, char end, const char *field)
{
    const char *stop = strchr(part, end);

    stop = stop ? stop : part + strlen(part);
    lua_pushlstring(L, part, (size_t)(stop - part));
    lua_setfield(L, -2, field);
    return *stop ? stop + 1 : stop;
}

/* {type = "usdt", program_id=, path=, provider=, name=}: what the section says; the kernel knows nothing of the whole */
void ebpf_usdt_push_info(lua_State *L, const struct ebpf_usdt *usdt)
{
    const char *part = usdt->section + strlen("usdt/");

    lua_createtable(L, 0, 5);
    lua_pushliteral(L, "usdt");
    lua_setfield(L, -2, "type");
    lua_pushinteger(L, (lua_Integer)usdt->program_id);
    lua_setfield(L, -2, "program_id");
    part = push_part(L, part, ':', "path");
    part = push_part(L, part, ':', "provider");
    push_part(L, part, '\0', "name");
}
