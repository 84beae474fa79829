/* usage: stranger CGROUP|IFINDEX ATTACH_TYPE PROGRAM_ID...
 *
 * Another implementation than ours, libbpf, at work on a hook behind our back: attaches the programs without links and
 * by links, at the end as libbpf 1.1 does, and takes them off again, until its input ends. Prints how often. */
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <bpf/bpf.h>

enum { MOST = 16 };

static int told_to_stop(void)
{
    struct pollfd input = {.fd = STDIN_FILENO, .events = POLLIN};

    return poll(&input, 1, 0) > 0;
}

static void must(int result, const char *what)
{
    if (result < 0) {
        fprintf(stderr, "stranger: %s: %s\n", what, strerror(errno));
        exit(1);
    }
}

/* A link that somebody walking over all links holds for a moment is still there: then once more. */
static int there_still(int result, int *tries)
{
    if (result >= 0 || errno != EEXIST || --*tries == 0)
        return 0;
    usleep(1000);
    return 1;
}

static int attach(int program, int target, int type, unsigned int flags)
{
    int result, tries = 1000;

    do
        result = bpf_prog_attach(program, target, (enum bpf_attach_type)type, flags);
    while (there_still(result, &tries));
    return result;
}

static int make_link(int program, int target, int type)
{
    int result, tries = 1000;

    do
        result = bpf_link_create(program, target, (enum bpf_attach_type)type, NULL);
    while (there_still(result, &tries));
    return result;
}

int main(int argc, char **argv)
{
    int programs[MOST], links[MOST], count = argc - 3, target, type;
    unsigned int flags = 0;
    long rounds = 0;

    if (count < 1 || count > MOST)
        return 2;
    type = atoi(argv[2]);
    target = atoi(argv[1]);
    if (!target) {
        target = open(argv[1], O_RDONLY | O_DIRECTORY | O_CLOEXEC);
        must(target, argv[1]);
        flags = BPF_F_ALLOW_MULTI;
    }
    for (int i = 0; i < count; i++)
        must(programs[i] = bpf_prog_get_fd_by_id((unsigned int)atoi(argv[i + 3])), "program");
    puts("ready");
    fflush(stdout);
    for (; !told_to_stop(); rounds++) {
        for (int i = 0; i < count; i++) {
            links[i] = -1;
            if ((rounds + i) % 2)
                must(attach(programs[i], target, type, flags), "attach");
            else
                must(links[i] = make_link(programs[i], target, type), "link");
        }
        for (int i = 0; i < count; i++)
            if (links[i] < 0)
                must(bpf_prog_detach2(programs[i], target, (enum bpf_attach_type)type), "detach");
            else
                close(links[i]);
    }
    printf("%ld\n", rounds);
    return 0;
}
