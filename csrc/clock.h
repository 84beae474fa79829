/* Time: for what has to be waited for. */
#ifndef EBPF_CLOCK_H
#define EBPF_CLOCK_H

#pragma GCC visibility push(hidden)

double ebpf_now(void); /* seconds, of the monotonic clock */
void ebpf_nap(double seconds);

#pragma GCC visibility pop

#endif
