#include "letters.h"

#include <inttypes.h>
#include <string.h>

static const uint64_t fnv_start = 0xcbf29ce484222325;
static const uint64_t fnv_prime = 0x100000001b3;

static uint64_t total(const struct letters* letters) {
  uint64_t sum = 0;
  for (int i = 0; i < LETTER_KINDS; i++) sum += letters->counts[i];
  return sum;
}

void letters_clear(struct letters* letters) {
  memset(letters, 0, sizeof *letters);
  letters->digest = fnv_start;
}

uint64_t letters_count(struct letters* letters, const char* text, size_t size) {
  uint64_t digest = letters->digest;
  for (size_t i = 0; i < size; i++) {
    /* Not isalpha, which is another one in another locale. */
    const int letter = (unsigned char)text[i] | 0x20;
    if (letter >= 'a' && letter <= 'z') letters->counts[letter - 'a']++;
    digest = (digest ^ (unsigned char)text[i]) * fnv_prime;
  }
  /* The end counts, too: "ab" and "a", "b" are not the same. */
  letters->digest = (digest ^ size) * fnv_prime;
  letters->commands++;
  return total(letters);
}

int letters_write(const struct letters* letters, FILE* file) {
  fprintf(file, "letters 1\ncommands %" PRIu64 "\ndigest %" PRIx64 "\n", letters->commands, letters->digest);
  for (int i = 0; i < LETTER_KINDS; i++) fprintf(file, "%c %" PRIu64 "\n", 'a' + i, letters->counts[i]);
  return fflush(file) == 0 && ferror(file) == 0 ? 0 : 1;
}

int letters_read(struct letters* letters, FILE* file) {
  struct letters read;
  int version = 0;
  if (fscanf(file, "letters %d commands %" SCNu64 " digest %" SCNx64, &version, &read.commands,
             &read.digest) != 3 ||
      version != 1)
    return 1;
  for (int i = 0; i < LETTER_KINDS; i++) {
    char letter = 0;
    if (fscanf(file, " %c %" SCNu64, &letter, &read.counts[i]) != 2 || letter != 'a' + i) return 1;
  }
  *letters = read;
  return 0;
}

void letters_print(const struct letters* letters, FILE* file) {
  const char* between = "";
  for (int i = 0; i < LETTER_KINDS; i++) {
    if (letters->counts[i] == 0) continue;
    fprintf(file, "%s%c %" PRIu64, between, 'a' + i, letters->counts[i]);
    between = ", ";
  }
  fprintf(file, "%s%" PRIu64 " letters in %" PRIu64 " commands, digest %016" PRIx64 "\n",
          *between == '\0' ? "" : "; ", total(letters), letters->commands, letters->digest);
}
