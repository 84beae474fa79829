/* Links that libbpf makes, where a program's ELF section says what it is attached to.
 * No bpf(2) command of ours.
 * The Link owns a descriptor of its own; nothing of libbpf's link is kept, so the Object may go. USDT is in usdt.c. */
#define _GNU_SOURCE
#include <bpf/libbpf.h>
#include <errno.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "bpf_cmd.h"
#include "fail.h"
#include "log.h"
#include "object.h"
#include "things.h"
#include "usdt.h"
#include "modules.h"

struct job {
    struct bpf_program *program;
    struct ebpf_log log;
    int error;
    int sockets[2];
};

/* Closing libbpf's link closes a descriptor, and the duplicate goes on holding the kernel's. */
static int attach_plain(struct job *job)
{
    struct bpf_link *link;
    int fd;

    ebpf_log_begin(&job->log);
    link = bpf_program__attach(job->program);
    ebpf_log_end();
    if (!link) {
        job->error = errno;
        return -1;
    }
    fd = bpf_cmd_dup(bpf_link__fd(link));
    job->error = errno;
    bpf_link__destroy(link);
    return fd;
}

static int send_fd(int socket, int fd)
{
    char byte = 0;
    struct iovec data = {.iov_base = &byte, .iov_len = 1};
    union {
        char room[CMSG_SPACE(sizeof(int))];
        struct cmsghdr align;
    } control = {0};
    struct msghdr message = {
        .msg_iov = &data, .msg_iovlen = 1, .msg_control = &control, .msg_controllen = sizeof(control.room)};
    struct cmsghdr *header = CMSG_FIRSTHDR(&message);

    header->cmsg_level = SOL_SOCKET;
    header->cmsg_type = SCM_RIGHTS;
    header->cmsg_len = CMSG_LEN(sizeof(int));
    memcpy(CMSG_DATA(header), &fd, sizeof(fd));
    return sendmsg(socket, &message, MSG_NOSIGNAL) == 1 ? 0 : -1;
}

static int receive_fd(int socket)
{
    char byte;
    struct iovec data = {.iov_base = &byte, .iov_len = 1};
    union {
        char room[CMSG_SPACE(sizeof(int))];
        struct cmsghdr align;
    } control = {0};
    struct msghdr message = {
        .msg_iov = &data, .msg_iovlen = 1, .msg_control = &control, .msg_controllen = sizeof(control.room)};
    struct cmsghdr *header;
    int fd;

    if (recvmsg(socket, &message, MSG_CMSG_CLOEXEC | MSG_DONTWAIT) != 1)
        return -1;
    header = CMSG_FIRSTHDR(&message);
    if (!header || header->cmsg_type != SCM_RIGHTS) {
        errno = EBADMSG;
        return -1;
    }
    memcpy(&fd, CMSG_DATA(header), sizeof(fd));
    return fd;
}

static void *attach_apart(void *data)
{
    struct job *job = data;
    struct bpf_link *link;

    if (unshare(CLONE_FILES) < 0) {
        job->error = errno;
        return NULL;
    }
    ebpf_log_begin(&job->log);
    link = bpf_program__attach(job->program);
    job->error = link ? 0 : errno;
    ebpf_log_end();
    if (!link)
        return NULL;
    if (send_fd(job->sockets[1], bpf_link__fd(link)) < 0)
        job->error = errno;
    bpf_link__disconnect(link);
    bpf_link__destroy(link);
    return NULL;
}

/* Destroying a link on a perf event switches the event off, for others who hold the link too; disconnecting it leaks the
 * event's descriptor, which libbpf shows to nobody. So libbpf works in a thread with descriptors of its own, which go with
 * the thread; the link's is sent over. */
static int attach_perf_event(struct job *job)
{
    sigset_t all, before;
    pthread_t thread;
    int created, fd = -1, moved;

    if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, job->sockets) < 0) {
        job->error = errno;
        return -1;
    }
    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all, &before);
    created = pthread_create(&thread, NULL, attach_apart, job); /* which may have run to its end, and set job->error */
    pthread_sigmask(SIG_SETMASK, &before, NULL);
    if (created == 0)
        pthread_join(thread, NULL);
    else
        job->error = created;
    if (!job->error) {
        fd = receive_fd(job->sockets[0]);
        job->error = errno;
    }
    close(job->sockets[0]);
    close(job->sockets[1]);
    if (fd < 0 || fd > 2)
        return fd;
    moved = bpf_cmd_dup(fd);
    job->error = errno;
    close(fd);
    return moved;
}

static bool on_perf_event(const struct bpf_program *program)
{
    enum bpf_prog_type type = bpf_program__type(program);

    return type == BPF_PROG_TYPE_KPROBE || type == BPF_PROG_TYPE_TRACEPOINT;
}

/* attach(object, name) -> link, by what the section of the named program says */
static int auto_attach(lua_State *L)
{
    struct ebpf_object *object = ebpf_handle_check(L, 1, &ebpf_object_class);
    const char *name = luaL_checkstring(L, 2);
    struct job job = {.program = bpf_object__find_program_by_name(object->object, name)};
    struct abi_link_info info = {0};
    uint32_t length = sizeof(info);
    struct ebpf_link *link;
    int fd;

    if (!job.program)
        return ebpf_fail_why(L, ENOENT, "there is no program of this name", "link auto", "%s: %s", object->name, name);
    if (strncmp(bpf_program__section_name(job.program), "usdt", 4) == 0)
        return ebpf_usdt_attach(L, object, job.program);
    link = ebpf_handle_new(L, &ebpf_link_class, 0);
    fd = on_perf_event(job.program) ? attach_perf_event(&job) : attach_plain(&job);
    if (fd < 0)
        return ebpf_log_fail(L, job.error, &job.log, "link auto", bpf_program__section_name(job.program));
    ebpf_handle_own(link, fd);
    free(job.log.text);
    if (bpf_cmd_info(fd, &info, &length) < 0) {
        ebpf_handle_close(link);
        return ebpf_fail_why(L, EOPNOTSUPP, "links on perf events need Linux 5.15", "link auto", "%s",
                             bpf_program__section_name(job.program));
    }
    link->created = true;
    return 1;
}

/* section(object, name) -> the named program's */
static int auto_section(lua_State *L)
{
    struct ebpf_object *object = ebpf_handle_check(L, 1, &ebpf_object_class);
    const struct bpf_program *program = bpf_object__find_program_by_name(object->object, luaL_checkstring(L, 2));

    lua_pushstring(L, program ? bpf_program__section_name(program) : NULL);
    return 1;
}

int ebpf_open_auto(lua_State *L)
{
    lua_newtable(L);
    lua_pushcfunction(L, auto_attach);
    lua_setfield(L, -2, "attach");
    lua_pushcfunction(L, auto_section);
    lua_setfield(L, -2, "section");
    return 1;
}
