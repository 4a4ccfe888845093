/*
 * What the machine can do by itself, for the benchmark's results to stand beside: one line of JSON for each
 * limit.
 *
 *   limits DIRECTORY SECONDS BYTES...   the directory is where the logs of the benchmark are; SECONDS is for
 * each limit; BYTES are the sizes of batches that are made durable and sent
 */
#include <stdio.h>
#include <stdlib.h>

#include "measures.h"

int main(int count, char** arguments) {
  const double seconds = count > 3 ? strtod(arguments[2], NULL) : 0;
  if (seconds <= 0 || seconds > 3600) {
    fprintf(stderr, "limits DIRECTORY SECONDS BYTES...: seconds above 0, at least one size\n");
    return 2;
  }
  const uint64_t time_ns = (uint64_t)(seconds * 1e9);
  for (int i = 3; i < count; i++) {
    char* end;
    const uint64_t bytes = strtoull(arguments[i], &end, 10);
    if (*end != '\0' || bytes == 0) {
      fprintf(stderr, "limits: %s is no number of bytes\n", arguments[i]);
      return 2;
    }
    measure_sync(arguments[1], bytes, time_ns);
    measure_loopback(bytes, time_ns);
  }
  measure_wake(time_ns);
  measure_memcpy(time_ns);
  return 0;
}
