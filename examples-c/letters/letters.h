/* A state machine that counts letters. It knows nothing of raft. */
#ifndef LETTERS_H
#define LETTERS_H

#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

enum { LETTER_KINDS = 26 };

struct letters {
  /* a to z, capitals among them. */
  uint64_t counts[LETTER_KINDS];
  /* Commands, however many letters they had. */
  uint64_t commands;
  /* Of all commands in their order: state machines that have the same have seen the same. */
  uint64_t digest;
};

void letters_clear(struct letters* letters);
/* Counts one command's letters. How many letters there have been in all commands so far. */
uint64_t letters_count(struct letters* letters, const char* text, size_t size);
/* Text, a line a number. 0, or 1 when it could not be written. */
int letters_write(const struct letters* letters, FILE* file);
/* What letters_write wrote. 0, or 1 when it is something else, and then *letters is as before. */
int letters_read(struct letters* letters, FILE* file);
/* For people: "a 3, h 1; 4 letters in 2 commands, digest 0123456789abcdef". */
void letters_print(const struct letters* letters, FILE* file);

#endif
