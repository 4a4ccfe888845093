#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "measures.h"
#include "samples.h"

enum { BYTES = 64 << 20, COPIES_MAX = 200 };

void measure_memcpy(uint64_t time_ns) {
  char* const from = malloc(BYTES);
  char* const to = malloc(BYTES);
  if (from == NULL || to == NULL) fail("memory");
  /* All pages are there before the first copy. */
  memset(from, 1, BYTES);
  memset(to, 2, BYTES);
  struct samples samples = samples_open(COPIES_MAX);
  const uint64_t until = now_ns() + time_ns;
  for (int i = 0; i < COPIES_MAX; i++) {
    const uint64_t began = now_ns();
    if (began > until) break;
    from[i] = (char)i;
    memcpy(to, from, BYTES);
    samples_add(&samples, now_ns() - began);
    /* The compiler must not see that nobody reads the copy. */
    __asm__ volatile("" : : "r"(to) : "memory");
  }
  printf("{\"limit\":\"memcpy\",\"bytes\":%d", (int)BYTES);
  samples_print(&samples);
  printf("}\n");
  free(from);
  free(to);
}
