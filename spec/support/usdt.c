/* For spec/usdt_spec.lua: a program with two USDT probes, "hit" at two places and "miss" at none that runs. It passes "hit"
 * once for each line that it reads, at the other place for a second line, and answers it.
 * A probe is a nop, and a note of where that is; <sys/sdt.h> writes the like.
 * @see https://sourceware.org/systemtap/wiki/UserSpaceProbeImplementation */
#include <stdio.h>

/* Of the note: sizes of name and description, type 3; then the nop's address, that of a section .stapsdt.base (none here),
 * a semaphore's (none), provider, name and arguments, as "bytes@operand": here a constant. */
#define PROBE(name, argument)                                       \
    __asm__ volatile("990: nop\n"                                   \
                     ".pushsection .note.stapsdt, \"\", \"note\"\n" \
                     ".balign 4\n"                                  \
                     ".4byte 992f-991f, 994f-993f, 3\n"             \
                     "991: .asciz \"stapsdt\"\n"                    \
                     "992: .balign 4\n"                             \
                     "993: .8byte 990b, 0, 0\n"                     \
                     ".asciz \"lua_ebpf\"\n"                        \
                     ".asciz \"" name "\"\n"                        \
                     ".asciz \"4@$" argument "\"\n"                 \
                     "994: .balign 4\n"                             \
                     ".popsection\n")

int main(int count, char **arguments)
{
    char line[64];
    int lines = 0;

    (void)arguments;
    if (count > 1)
        PROBE("miss", "1");
    while (fgets(line, sizeof(line), stdin)) {
        if (++lines % 2)
            PROBE("hit", "40");
        else
            PROBE("hit", "2");
        puts(line);
        fflush(stdout);
    }
    return 0;
}
