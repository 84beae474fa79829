/* usage: userns DIR COMMAND [ARGUMENT...]
 *
 * For spec/token_spec.lua: runs a command as root of a user namespace of its own, with a bpffs mounted on DIR that was
 * made there and delegates everything (or nothing, with DELEGATE= in the environment; or what that names). The mount's
 * options need privileges, its superblock the new namespace: so the file system's descriptor is opened in there and
 * configured out here. Both have one table of descriptors until the command starts. No bpf(2) command. */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

enum { SET_STRING = 1, CREATE = 6, MOVE_EMPTY_PATH = 4 }; /* include/uapi/linux/mount.h */

static void die(const char *what)
{
    fprintf(stderr, "userns: %s: %s\n", what, strerror(errno));
    _exit(125);
}

static void must(long result, const char *what)
{
    if (result < 0)
        die(what);
}

static void tell(const int *pipe, int value)
{
    must(write(pipe[1], &value, sizeof(value)), "write");
}

static int hear(const int *pipe)
{
    int value;

    if (read(pipe[0], &value, sizeof(value)) != sizeof(value))
        _exit(125); /* the other one said why */
    return value;
}

static void write_map(int pid, const char *name)
{
    char path[64];
    int fd;

    snprintf(path, sizeof(path), "/proc/%d/%s", pid, name);
    fd = open(path, O_WRONLY | O_CLOEXEC);
    must(fd, path);
    must(write(fd, "0 0 1", 5), path);
    close(fd);
}

static void inside(char **arguments, const int *up, const int *down)
{
    int fs, mount_fd;

    must(unshare(CLONE_NEWUSER | CLONE_NEWNS), "unshare");
    tell(up, 0);
    hear(down); /* the ids are mapped */
    fs = (int)syscall(SYS_fsopen, "bpf", 1);
    must(fs, "fsopen");
    tell(up, fs);
    hear(down); /* it is configured */
    mount_fd = (int)syscall(SYS_fsmount, fs, 1, 0);
    must(mount_fd, "fsmount");
    must(syscall(SYS_move_mount, mount_fd, "", AT_FDCWD, arguments[0], MOVE_EMPTY_PATH), "move_mount");
    must(unshare(CLONE_FILES), "unshare");
    close(fs);
    close(mount_fd);
    execvp(arguments[1], arguments + 1);
    die(arguments[1]);
}

static void configure(int fs)
{
    static const char *const options[] = {"delegate_cmds", "delegate_maps", "delegate_progs", "delegate_attachs"};
    const char *what = getenv("DELEGATE");

    for (int i = 0; i < 4; i++)
        if (!what || strstr(what, options[i]))
            must(syscall(SYS_fsconfig, fs, SET_STRING, options[i], "any", 0), options[i]);
    must(syscall(SYS_fsconfig, fs, CREATE, NULL, NULL, 0), "fsconfig");
}

int main(int count, char **arguments)
{
    int up[2], down[2], status;
    pid_t child;

    if (count < 3)
        return 2;
    must(pipe2(up, O_CLOEXEC), "pipe");
    must(pipe2(down, O_CLOEXEC), "pipe");
    child = (pid_t)syscall(SYS_clone, CLONE_FILES | SIGCHLD, 0, 0, 0, 0);
    must(child, "clone");
    if (child == 0)
        inside(arguments + 1, up, down);
    hear(up);
    write_map(child, "uid_map");
    write_map(child, "gid_map");
    tell(down, 0);
    configure(hear(up));
    tell(down, 0);
    must(waitpid(child, &status, 0), "waitpid");
    return WIFEXITED(status) ? WEXITSTATUS(status) : 125;
}
