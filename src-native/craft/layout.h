// The words of the buffer that a raft shares with the engine, doubles. src-ts/facade/craft/layout.ts has the
// same numbers, and a test compares them.
#ifndef POLYRAFT_CRAFT_LAYOUT_H_
#define POLYRAFT_CRAFT_LAYOUT_H_

#include <cstddef>

namespace polyraft::craft {

// What a step gets.
namespace in {
inline constexpr size_t kEvent = 0;
inline constexpr size_t kTime = 1;
inline constexpr size_t kArguments = 2;
inline constexpr size_t kRuns = 14;
inline constexpr size_t kChanges = 15;
// Pairs (term, count), then configurations (index, members, members times (id, role)).
inline constexpr size_t kLists = 16;
}  // namespace in

// What it answers.
namespace out {
inline constexpr size_t kFlags = 0;
inline constexpr size_t kTerm = 1;
inline constexpr size_t kVote = 2;
inline constexpr size_t kState = 3;
inline constexpr size_t kCommit = 4;
inline constexpr size_t kTimeout = 5;
inline constexpr size_t kLastIndex = 6;
inline constexpr size_t kLead = 7;
inline constexpr size_t kTransferee = 8;
inline constexpr size_t kEntriesFirst = 9;
inline constexpr size_t kEntriesCount = 10;
inline constexpr size_t kBarrierTerm = 11;
inline constexpr size_t kHasSnapshot = 12;
inline constexpr size_t kMessages = 13;
inline constexpr size_t kMembers = 14;
inline constexpr size_t kConfiguration = 15;
inline constexpr size_t kLists = 16;
}  // namespace out

inline constexpr size_t kMessageWords = 8;
inline constexpr size_t kMemberWords = 3;
inline constexpr int kSettingsEvent = 100;
// Bits of `features` in messages. The second is not the original's, and therefore far from the ones it may
// come to use.
inline constexpr unsigned short kFeatureCapacity = 1;
inline constexpr unsigned short kFeatureOwnTerm = 1 << 15;
inline constexpr unsigned long long kNumberMax = (1ull << 53) - 1;

}  // namespace polyraft::craft

#endif  // POLYRAFT_CRAFT_LAYOUT_H_
