/* Numbers that depend on a seed only (splitmix64). */
#ifndef POLYRAFT_CRAFT_CLUSTER_RANDOM_H
#define POLYRAFT_CRAFT_CLUSTER_RANDOM_H

#include <stdbool.h>
#include <stdint.h>

struct random {
  uint64_t state;
};

static inline uint64_t mix64(uint64_t value) {
  value = (value ^ (value >> 30)) * 0xbf58476d1ce4e5b9u;
  value = (value ^ (value >> 27)) * 0x94d049bb133111ebu;
  return value ^ (value >> 31);
}

static inline uint64_t random_next(struct random* random) {
  random->state += 0x9e3779b97f4a7c15u;
  return mix64(random->state);
}

/** 0 to n - 1; 0 for n 0. */
static inline unsigned random_below(struct random* random, unsigned n) {
  return n == 0 ? 0 : (unsigned)(random_next(random) % n);
}

static inline unsigned random_between(struct random* random, unsigned first, unsigned last) {
  return first + random_below(random, last - first + 1);
}

static inline bool random_chance(struct random* random, unsigned per_mille) {
  return random_below(random, 1000) < per_mille;
}

#endif
