/* Layout: the members of a type that have no value for us: the kernel keeps them for itself, or they are padding.
 * No bpf(2) command.
 * Nothing is owned. */
#include <bpf/btf.h>
#include <string.h>

#include "layout.h"

/* What the kernel keeps in values for itself: it gives them as zero and ignores what is written. */
static bool kernels_own(const char *name)
{
    static const char *const names[] = {
        "bpf_spin_lock", "bpf_res_spin_lock", "bpf_timer",   "bpf_wq",      "bpf_task_work",
        "bpf_list_head", "bpf_list_node",     "bpf_rb_root", "bpf_rb_node", "bpf_refcount",
    };

    for (size_t i = 0; i < sizeof(names) / sizeof(*names); i++)
        if (strcmp(name, names[i]) == 0)
            return true;
    return false;
}

static bool starts_with(const char *text, const char *start)
{
    return strncmp(text, start, strlen(start)) == 0;
}

/* Pointers to kernel objects are the kernel's too: tagged "kptr", "kptr_untrusted", "percpu_kptr". */
static bool is_kptr(const struct btf *btf, const struct btf_type *type)
{
    const struct btf_type *to = btf_is_ptr(type) ? btf__type_by_id(btf, type->type) : NULL;
    const char *tag = to && btf_is_type_tag(to) ? btf__name_by_offset(btf, to->name_off) : NULL;

    return tag && (starts_with(tag, "kptr") || starts_with(tag, "percpu_kptr"));
}

/* Members without a name are their parent's own, if they are structs or unions; else they are only padding. */
bool ebpf_layout_valueless(const struct btf *btf, const struct btf_type *type, bool named)
{
    const char *own = btf__name_by_offset(btf, type->name_off);

    if (btf_is_composite(type))
        return own && kernels_own(own);
    return !named || is_kptr(btf, type);
}
