/* How long each of many repetitions took. */
#ifndef BENCH_LIMITS_SAMPLES_H
#define BENCH_LIMITS_SAMPLES_H

#include <stdint.h>

struct samples {
  uint64_t* times_ns;
  uint64_t count;
  uint64_t capacity;
};

uint64_t now_ns(void);

/* Room for as many; ends the program without memory. */
struct samples samples_open(uint64_t capacity);

void samples_add(struct samples* samples, uint64_t time_ns);

/* Prints `,"count":..,"perSecond":..,"p50Us":..,"p90Us":..,"p99Us":..,"maxUs":..` and releases the samples.
 */
void samples_print(struct samples* samples);

/* Ends the program with what failed and errno. */
_Noreturn void fail(const char* what);

#endif
