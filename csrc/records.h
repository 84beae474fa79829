/* Records: what programs send to user space, in order. What Ringbuf and Perfbuf have in common. */
#ifndef EBPF_RECORDS_H
#define EBPF_RECORDS_H

#include "codec.h"
#include "handle.h"
#include "owner.h"

#pragma GCC visibility push(hidden)

struct ebpf_records;

/* Where records come from. The cursor goes over them; what it has passed is consumed at commit. */
struct ebpf_source {
    int (*begin)(struct ebpf_records *records);   /* the cursor to the first one that isn't consumed; 0, or an errno */
    void (*rewind)(struct ebpf_records *records); /* the same, among those that were there at begin */
    bool (*peek)(struct ebpf_records *records, const char **bytes, uint32_t *length); /* at the cursor; false: none */
    void (*pass)(struct ebpf_records *records);                                       /* after a peek that found one */
    void (*commit)(struct ebpf_records *records);
    bool (*stalled)(const struct ebpf_records *records); /* after a peek that found none: one is being written */
    int (*pollfd)(const struct ebpf_records *records);
    const char *stale; /* why begin gives ESTALE */
};

struct ebpf_records {
    struct ebpf_handle handle; /* its descriptor is the map's */
    const struct ebpf_source *source;
    const struct ebpf_codec *codec; /* kept by the userdata; NULL: bytes */
    bool reuse;                     /* the userdata keeps a table for all of them */
    struct ebpf_owner owner;
    uint32_t map_id;
    uint64_t consumed, discarded, dropped;
};

/* The userdata on top keeps the Codec at index, or none for nil; and what is at the next says whether it has one table for
 * all records. */
void ebpf_records_keep(lua_State *L, struct ebpf_records *records, int codec);

int ebpf_records_consume(lua_State *L, struct ebpf_records *records);
int ebpf_records_step(lua_State *L, struct ebpf_records *records);
int ebpf_records_wait(lua_State *L, struct ebpf_records *records);
int ebpf_records_pollfd(lua_State *L, struct ebpf_records *records);
int ebpf_records_timeout(lua_State *L, struct ebpf_records *records);
int ebpf_records_reuses(lua_State *L, const struct ebpf_records *records);
int ebpf_records_counts(lua_State *L, struct ebpf_records *records);

#pragma GCC visibility pop

#endif
