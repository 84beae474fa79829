/* Programs attached without a link, and the list of what is attached, on libbpf. */
#include "bench.h"

#include <bpf/bpf.h>
#include <linux/bpf.h>
#include <stdlib.h>
#include <unistd.h>

enum { MOST = 64 }; /* on one hook of a cgroup */

static int cgroup, program, entries;

static void attach(int fd)
{
    LIBBPF_OPTS(bpf_prog_attach_opts, options, .flags = BPF_F_ALLOW_MULTI);

    bench_check(bpf_prog_attach_opts(fd, cgroup, BPF_CGROUP_INET_EGRESS, &options), "attach");
}

/* attach N: among N programs that are attached already; default none, but one on another cgroup (see links.c). */
static void prepare_attach(int count, char **arguments)
{
    entries = bench_number(count, arguments, 0);
    program = bench_program(MOST);
    bench_link(program, bench_cgroup());
    cgroup = bench_cgroup();
    for (int i = 0; i < entries; i++)
        attach(bench_program(i));
}

static uint64_t attach_detach(uint64_t count)
{
    while (count--) {
        attach(program);
        bench_check(bpf_prog_detach2(program, cgroup, BPF_CGROUP_INET_EGRESS), "detach");
    }
    return 0;
}

static void prepare_query(int count, char **arguments)
{
    prepare_attach(count, arguments);
}

struct entry {
    uint32_t program_id, link_id;
};

static uint64_t query(uint64_t count)
{
    static struct entry list[MOST];

    while (count--) {
        uint32_t ids[MOST];
        LIBBPF_OPTS(bpf_prog_query_opts, options, .prog_ids = ids, .prog_cnt = MOST);

        bench_check(bpf_prog_query_opts(cgroup, BPF_CGROUP_INET_EGRESS, &options), "query");
        if ((int)options.prog_cnt != entries)
            bench_fail("%u entries, not %d", options.prog_cnt, entries);
        for (uint32_t i = 0; i < options.prog_cnt; i++)
            list[i] = (struct entry){.program_id = ids[i]};
        __asm__ volatile("" : : "r"(list) : "memory"); /* as if somebody read them */
    }
    return 0;
}

const struct bench_row bench_hooks[] = {
    {"attach_detach", prepare_attach, attach_detach},
    {"query", prepare_query, query},
    {NULL, NULL, NULL},
};
