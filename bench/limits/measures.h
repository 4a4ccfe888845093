/* The measurements. Each prints one line of JSON and takes about the given time at most. */
#ifndef BENCH_LIMITS_MEASURES_H
#define BENCH_LIMITS_MEASURES_H

#include <stdint.h>

/* Writes of that many bytes, one after the other into a zero-filled file of the directory, each durable
   before the next: by write and fdatasync, and by one call (pwritev2 with RWF_DSYNC). */
void measure_sync(const char* directory, uint64_t bytes, uint64_t time_ns);

/* That many bytes to another process over TCP on the loopback device, and one byte back. */
void measure_loopback(uint64_t bytes, uint64_t time_ns);

/* Two threads that sleep and wake each other by futex. */
void measure_wake(uint64_t time_ns);

/* Copies within memory that does not fit into the caches. */
void measure_memcpy(uint64_t time_ns);

#endif
