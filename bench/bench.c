/* The C side of the benchmark, on libbpf: each row as a careful C programmer would write it, without the comforts.
 * usage: libbpf ROW [ARGUMENT...]
 * Says "ready" when it is; then, for each "N" on its input, does the row's operation N times and says how many
 * nanoseconds that took. bench/worker.lua is its twin. */
#include "bench.h"

#include <bpf/bpf.h>
#include <bpf/libbpf.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/bpf.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

uint64_t bench_now(void)
{
    struct timespec time;

    clock_gettime(CLOCK_MONOTONIC, &time);
    return (uint64_t)time.tv_sec * 1000000000 + (uint64_t)time.tv_nsec;
}

void bench_fail(const char *format, ...)
{
    va_list arguments;

    va_start(arguments, format);
    vfprintf(stderr, format, arguments);
    va_end(arguments);
    fprintf(stderr, ": %s\n", strerror(errno));
    exit(1);
}

int bench_check(int result, const char *what)
{
    if (result < 0)
        bench_fail("%s", what);
    return result;
}

int bench_cgroup(void)
{
    static int serial;
    const char *root = getenv("EBPF_TEST_CGROUP");
    char path[512];

    if (!root)
        bench_fail("EBPF_TEST_CGROUP is not set");
    snprintf(path, sizeof(path), "%s/c%d-%d", root, (int)getpid(), ++serial);
    bench_check(mkdir(path, 0755), path);
    return bench_check(open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC), path);
}

/* r1 = salt; r0 = 1; exit: programs of other bytes have other tags */
int bench_program(int salt)
{
    const struct bpf_insn insns[] = {
        {.code = BPF_ALU64 | BPF_MOV | BPF_K, .dst_reg = 1, .imm = salt},
        {.code = BPF_ALU64 | BPF_MOV | BPF_K, .dst_reg = 0, .imm = 1},
        {.code = BPF_JMP | BPF_EXIT},
    };

    return bench_check(bpf_prog_load(BPF_PROG_TYPE_CGROUP_SKB, "bench", "GPL", insns, 3, NULL), "program");
}

int bench_link(int program, int cgroup)
{
    return bench_check(bpf_link_create(program, cgroup, BPF_CGROUP_INET_EGRESS, NULL), "link");
}

int bench_number(int count, char **arguments, int fallback)
{
    return count > 0 ? atoi(arguments[0]) : fallback;
}

struct bpf_object *bench_object(void)
{
    struct bpf_object *object = bpf_object__open_file("build/bench/bench.bpf.o", NULL);

    if (!object)
        bench_fail("build/bench/bench.bpf.o");
    return object;
}

static const struct bench_row *find(const char *name)
{
    static const struct bench_row *const subjects[] = {bench_links, bench_hooks, bench_maps, bench_rings};

    for (size_t i = 0; i < sizeof(subjects) / sizeof(*subjects); i++)
        for (const struct bench_row *row = subjects[i]; row->name; row++)
            if (strcmp(row->name, name) == 0)
                return row;
    return NULL;
}

int main(int count, char **arguments)
{
    struct rlimit files = {20000, 20000};
    const struct bench_row *row = count > 1 ? find(arguments[1]) : NULL;
    unsigned long long wanted;

    if (!row) {
        puts("absent");
        return 0;
    }
    setrlimit(RLIMIT_NOFILE, &files);
    row->prepare(count - 2, arguments + 2);
    puts("ready");
    fflush(stdout);
    while (scanf("%llu", &wanted) == 1) {
        uint64_t started = bench_now();
        uint64_t apart = row->run(wanted);

        printf("%llu\n", (unsigned long long)(bench_now() - started - apart));
        fflush(stdout);
    }
    return 0;
}
