/* What the C side of the benchmark has in common: its rows, and what they are measured on. */
#ifndef BENCH_H
#define BENCH_H

#include <stdint.h>

/* Prepares with the arguments after the row's name; then does it `count` times, and gives back the nanoseconds that
 * were spent on what isn't measured. Neither returns when something fails. */
struct bench_row {
    const char *name;
    void (*prepare)(int count, char **arguments);
    uint64_t (*run)(uint64_t count);
};

extern const struct bench_row bench_links[], bench_hooks[], bench_maps[], bench_rings[];

uint64_t bench_now(void); /* ns */
__attribute__((noreturn, format(printf, 1, 2))) void bench_fail(const char *format, ...);
int bench_check(int result, const char *what); /* the result, which is no error */

int bench_cgroup(void);                  /* a new one below EBPF_TEST_CGROUP: a descriptor of its directory */
int bench_program(int salt);             /* cgroup_skb, lets everything pass */
int bench_link(int program, int cgroup); /* on cgroup_inet_egress */
int bench_number(int count, char **arguments, int fallback); /* the first argument */

struct bpf_object *bench_object(void); /* bench.bpf.c, opened */

#endif
