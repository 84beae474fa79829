/* Maps, on libbpf. */
#include "bench.h"

#include <bpf/bpf.h>
#include <bpf/libbpf.h>
#include <errno.h>
#include <linux/bpf.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <unistd.h>

struct traffic { /* as in bench.bpf.c */
    uint64_t packets, bytes;
    uint32_t ifindex, mark;
};

static int map, entries;
static uint32_t *keys;
static struct traffic *values; /* room for either kind of value */
static volatile uint64_t sum;

static void fill(uint32_t value_size, int wanted)
{
    entries = wanted;
    map = bench_check(bpf_map_create(BPF_MAP_TYPE_HASH, "bench", 4, value_size, (uint32_t)entries, NULL), "map");
    for (uint32_t key = 0; key < (uint32_t)entries; key++) {
        struct traffic value = {.packets = key, .bytes = key * 100, .ifindex = 1, .mark = key};

        bench_check(bpf_map_update_elem(map, &key, &value, BPF_ANY), "fill");
    }
    keys = calloc((size_t)entries, sizeof(*keys));
    values = calloc((size_t)entries, sizeof(*values));
    if (!keys || !values)
        bench_fail("room");
}

static void prepare_numbers(int count, char **arguments)
{
    fill(sizeof(uint64_t), bench_number(count, arguments, 10000));
}

static void prepare_structs(int count, char **arguments)
{
    fill(sizeof(struct traffic), bench_number(count, arguments, 10000));
}

static uint64_t get(uint64_t count)
{
    uint32_t key = 1;
    uint64_t value;

    while (count--) {
        bench_check(bpf_map_lookup_elem(map, &key, &value), "get");
        sum += value;
    }
    return 0;
}

static uint64_t set(uint64_t count)
{
    uint32_t key = 1;

    for (uint64_t value = 0; value < count; value++)
        bench_check(bpf_map_update_elem(map, &key, &value, BPF_ANY), "set");
    return 0;
}

/* The walk that every tutorial has: two system calls an entry. */
static void walk(void *value, const uint64_t *packets)
{
    uint32_t key, *from = NULL;
    int seen = 0;

    while (bpf_map_get_next_key(map, from, &key) == 0) {
        from = &key;
        bench_check(bpf_map_lookup_elem(map, &key, value), "get");
        sum += *packets;
        seen++;
    }
    if (errno != ENOENT || seen != entries)
        bench_fail("%d entries, not %d", seen, entries);
}

static uint64_t next_key_numbers(uint64_t count)
{
    uint64_t value;

    while (count--)
        walk(&value, &value);
    return 0;
}

static uint64_t next_key_structs(uint64_t count)
{
    struct traffic value;

    while (count--)
        walk(&value, &value.packets);
    return 0;
}

/* All of it into two arrays, in calls of as many entries as there are. The cursor is a bucket's number. */
static uint64_t batch(uint64_t count)
{
    while (count--) {
        uint32_t cursor, read = 0;
        int result = 0;

        for (void *from = NULL; result == 0; from = &cursor) {
            uint32_t room = (uint32_t)entries - read;

            result = bpf_map_lookup_batch(map, from, &cursor, keys + read, (uint64_t *)values + read, &room, NULL);
            read += result == 0 || errno == ENOENT ? room : 0;
            if (read == (uint32_t)entries)
                break;
        }
        if (read != (uint32_t)entries)
            bench_fail("%u entries, not %d", read, entries);
    }
    return 0;
}

/* The object's .bss, mapped: what a program counts is read without a system call. */
static const volatile uint64_t *counter;

static void prepare_counter(int count, char **arguments)
{
    struct bpf_object *object = bench_object();
    size_t size;

    (void)count;
    (void)arguments;
    bench_check(bpf_object__load(object), "load");
    counter = bpf_map__initial_value(bpf_object__find_map_by_name(object, ".bss"), &size);
    if (!counter || size != sizeof(*counter))
        bench_fail("the counter is not all of .bss");
}

static uint64_t read_counter(uint64_t count)
{
    while (count--)
        sum += *counter;
    return 0;
}

const struct bench_row bench_maps[] = {
    {"map_get", prepare_numbers, get},
    {"map_set", prepare_numbers, set},
    {"read_numbers.next_key", prepare_numbers, next_key_numbers},
    {"read_numbers.batch", prepare_numbers, batch},
    {"read_structs.next_key", prepare_structs, next_key_structs},
    {"counter", prepare_counter, read_counter},
    {NULL, NULL, NULL},
};
