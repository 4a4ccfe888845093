#include "engine/entry_runs.h"

#include <gtest/gtest.h>

#include <cstring>
#include <random>
#include <string>
#include <vector>

namespace polyraft::engine {
namespace {

using Bytes = std::vector<uint8_t>;
using Words = std::vector<uint32_t>;

struct Entries {
  Bytes payloads;
  Words starts;
  Words ends;
  Bytes encoded;
  Words entry_ends;
  Words data_starts;
};

constexpr uint64_t kTerm = 300;
constexpr uint64_t kFirst = (uint64_t{1} << 53) - 500;

ReadBytes readable(const Bytes& bytes) {
  return {bytes.data(), bytes.size()};
}
WriteBytes writable(Bytes& bytes) {
  return {bytes.data(), bytes.size()};
}

Entries entries_of(const std::vector<size_t>& sizes) {
  std::mt19937 random(static_cast<unsigned>(sizes.size()));
  Entries all;
  for (const size_t size : sizes) {
    // Payloads need not be neighbours.
    all.payloads.resize(all.payloads.size() + random() % 9);
    all.starts.push_back(static_cast<uint32_t>(all.payloads.size()));
    for (size_t i = 0; i < size; ++i) all.payloads.push_back(static_cast<uint8_t>(random()));
    all.ends.push_back(static_cast<uint32_t>(all.payloads.size()));
  }
  all.encoded.resize(all.payloads.size() + 40 * sizes.size());
  all.entry_ends.resize(sizes.size());
  all.data_starts.resize(sizes.size());
  const size_t end =
      encode_entries(writable(all.encoded), 0, readable(all.payloads), all.starts.data(), all.ends.data(),
                     sizes.size(), kFirst, kTerm, all.entry_ends.data(), all.data_starts.data());
  EXPECT_NE(end, kDoesNotFit);
  all.encoded.resize(end);
  return all;
}

Bytes prefixed(const Entries& all) {
  Bytes frame(all.encoded.size() + 8 * all.ends.size());
  EXPECT_EQ(prefix_entries(writable(frame), 0, readable(all.encoded), 0, all.entry_ends.data(),
                           all.entry_ends.size()),
            frame.size());
  return frame;
}

TEST(EntryRuns, EncodesAsProtobufDoes) {
  const Entries all = entries_of({3, 0, 200});
  ASSERT_EQ(all.entry_ends.size(), 3U);
  const uint8_t head[] = {0x08, 0x00, 0x10, 0xac, 0x02, 0x18};
  EXPECT_EQ(std::memcmp(all.encoded.data(), head, sizeof head), 0);
  for (size_t i = 0; i < 3; ++i) {
    const size_t size = all.ends[i] - all.starts[i];
    EXPECT_EQ(all.entry_ends[i] - all.data_starts[i], size);
    EXPECT_EQ(std::memcmp(all.encoded.data() + all.data_starts[i], all.payloads.data() + all.starts[i], size),
              0);
  }
  // An empty payload has no field.
  EXPECT_EQ(all.data_starts[1], all.entry_ends[1]);
  EXPECT_EQ(all.entry_ends[1] - all.entry_ends[0], 5U + 1 + 8);
}

TEST(EntryRuns, TakesFromAFrameWhatWasPutIntoIt) {
  const Entries all = entries_of({1, 0, 127, 128, 5000, 70'000});
  const Bytes frame = prefixed(all);
  Bytes taken(all.encoded.size());
  Words ends(6);
  Words data_starts(6);
  EXPECT_EQ(take_prefixed(writable(taken), 0, readable(frame), 0, 6, kFirst, kTerm, ends.data(),
                          data_starts.data()),
            6U);
  EXPECT_EQ(taken, all.encoded);
  EXPECT_EQ(ends, all.entry_ends);
  EXPECT_EQ(data_starts, all.data_starts);
}

TEST(EntryRuns, StopsBeforeWhatIsOfAnotherKind) {
  const Entries all = entries_of({10, 20, 30, 40});
  const Bytes frame = prefixed(all);
  Bytes taken(all.encoded.size());
  Words ends(4);
  Words data_starts(4);
  const auto take = [&](const Bytes& bytes, uint64_t first = kFirst, uint64_t term = kTerm) {
    return take_prefixed(writable(taken), 0, readable(bytes), 0, 4, first, term, ends.data(),
                         data_starts.data());
  };
  EXPECT_EQ(take(frame, kFirst + 1), 0U);
  EXPECT_EQ(take(frame, kFirst, kTerm + 1), 0U);
  const size_t third = 2 * 8 + all.entry_ends[1];
  for (const size_t at : {size_t{1}, size_t{2}, size_t{3}, size_t{5}, size_t{6}, size_t{15}}) {
    Bytes changed = frame;
    changed[third + 8 + at] ^= 1;
    EXPECT_EQ(take(changed), 2U) << at;
  }
  Bytes longer = frame;
  longer[third + 7]++;
  EXPECT_EQ(take(longer), 2U);
  Bytes huge = frame;
  huge[third] = 0xff;
  EXPECT_EQ(take(huge), 2U);
  for (size_t length = 0; length < frame.size(); ++length) {
    const Bytes cut(frame.begin(), frame.begin() + static_cast<ptrdiff_t>(length));
    size_t whole = 0;
    while (whole < 4 && 8 * (whole + 1) + all.entry_ends[whole] <= length) ++whole;
    EXPECT_EQ(take(cut), whole) << length;
  }
}

TEST(EntryRuns, AnyBytesAreReadWithinTheirEnds) {
  std::mt19937 random(7);
  const Bytes frame = prefixed(entries_of({10, 0, 300}));
  Words ends(8);
  Words data_starts(8);
  for (int round = 0; round < 20'000; ++round) {
    Bytes changed = frame;
    for (int i = 0; i < 4; ++i) changed[random() % changed.size()] = static_cast<uint8_t>(random());
    changed.resize(random() % (changed.size() + 1));
    changed.shrink_to_fit();
    Bytes taken(random() % 400);
    const size_t count = take_prefixed(writable(taken), 0, readable(changed), 0, 8, kFirst, kTerm,
                                       ends.data(), data_starts.data());
    ASSERT_LE(count, 3U);
    if (count > 0) {
      ASSERT_LE(ends[count - 1], taken.size());
    }
  }
}

TEST(EntryRuns, WritesPayloadsAsTheBridgeHasThem) {
  const Entries all = entries_of({3, 0, 16});
  Bytes record(100, 0xee);
  EXPECT_EQ(write_payloads(writable(record), 8, readable(all.encoded), all.data_starts.data(),
                           all.entry_ends.data(), 3),
            8U + 16 + 8 + 24);
  const auto word = [&record](size_t at) {
    uint32_t value = 0;
    std::memcpy(&value, record.data() + at, sizeof value);
    return value;
  };
  EXPECT_EQ(word(8), 3U);
  EXPECT_EQ(word(12), 0U);
  EXPECT_EQ(std::memcmp(record.data() + 16, all.payloads.data() + all.starts[0], 3), 0);
  EXPECT_EQ(word(24), 0U);
  EXPECT_EQ(word(28), 1U);
  EXPECT_EQ(word(32), 16U);
  EXPECT_EQ(std::memcmp(record.data() + 40, all.payloads.data() + all.starts[2], 16), 0);
  EXPECT_EQ(record[56], 0xee);
}

TEST(EntryRuns, WhatDoesNotFitIsRefused) {
  const Entries all = entries_of({50, 60});
  Words ends(2);
  Words data_starts(2);
  Bytes small(all.encoded.size() - 1);
  EXPECT_EQ(encode_entries(writable(small), 0, readable(all.payloads), all.starts.data(), all.ends.data(), 2,
                           kFirst, kTerm, ends.data(), data_starts.data()),
            kDoesNotFit);
  EXPECT_EQ(prefix_entries(writable(small), 0, readable(all.encoded), 0, all.entry_ends.data(), 2),
            kDoesNotFit);
  EXPECT_EQ(write_payloads(writable(small), small.size() - 20, readable(all.encoded), all.data_starts.data(),
                           all.entry_ends.data(), 2),
            kDoesNotFit);
  const Words beyond{1, 1'000'000};
  Bytes large(2'000'000);
  const Words none{0, 0};
  EXPECT_EQ(encode_entries(writable(large), 0, readable(all.payloads), none.data(), beyond.data(), 2, kFirst,
                           kTerm, ends.data(), data_starts.data()),
            kDoesNotFit);
  EXPECT_EQ(prefix_entries(writable(large), 0, readable(all.encoded), 2, beyond.data(), 2), kDoesNotFit);
  EXPECT_EQ(write_payloads(writable(large), 0, readable(all.encoded), none.data(), beyond.data(), 2),
            kDoesNotFit);
}

}  // namespace
}  // namespace polyraft::engine
