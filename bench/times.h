/* The clock of the benchmark's host programs, and how they tell the times of a run. */
#ifndef BENCH_TIMES_H
#define BENCH_TIMES_H

#include <stdint.h>

/* Monotonic, in nanoseconds. */
uint64_t now_ns(void);

/* One line of JSON on standard output. `times` are nanoseconds, at least one, and are sorted in place;
 * `took_ns` is the time of all of them together. */
void tell_times(uint64_t* times, uint64_t count, uint64_t took_ns);

#endif
