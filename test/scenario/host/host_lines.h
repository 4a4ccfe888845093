/*
 * What host programs have in common that are driven over their standard input: one command a line, one answer
 * a line, "answer ..." or "error CODE text". The process ends with its standard input.
 */
#ifndef HOST_LINES_H
#define HOST_LINES_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "machine.h"

enum { HOST_WORDS_MAX = 8 };

/* The words of `load FIRST_WRITER THREADS WINDOW BYTES PAUSE`. */
struct load_plan {
  /* Thread t writes as writer first_writer + t. */
  uint64_t first_writer;
  size_t threads;
  /* Open proposals of one thread. */
  size_t window;
  size_t bytes;
  /* Pause of a thread after each proposal, in microseconds; 0 none. */
  unsigned pause_us;
};

/* One line, whole also when several threads tell. Ends with a newline in `format`. */
__attribute__((format(printf, 1, 2))) void tell(const char* format, ...);

/* Numbers from `count` words; or false, when an error has been told. */
bool read_numbers(char** words, uint64_t* numbers, int count);
/* The same for a plan with at most `threads_max` threads, each with a window of 1 to `window_max`. */
bool read_load_plan(char** words, size_t threads_max, size_t window_max, struct load_plan* plan);

/* The file, with a NUL behind it that is not counted; free() it. NULL: it cannot be read. */
char* read_file(const char* path, size_t* size);

/* How many proposals of a file (32 bytes each: u64 writer, u64 sequence, ...) the machine has, or has not. */
void tell_held(struct machine* machine, const char* path, bool is_wanted);

/* Runs commands, `words` ended by NULL, until the end of standard input. */
void serve_lines(void (*run)(char** words));

#endif
