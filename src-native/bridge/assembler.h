// Puts the chunks of a ring's payloads together again: keyed by type and id, bounded in bytes and in number.
#ifndef POLYRAFT_BRIDGE_ASSEMBLER_H_
#define POLYRAFT_BRIDGE_ASSEMBLER_H_

#include <cstdint>
#include <map>
#include <string>
#include <utility>

#include "ring.h"

namespace polyraft::bridge {

class Assembler {
 public:
  enum class Result { kWhole, kUnfinished, kBroken };

  explicit Assembler(uint64_t payload_bytes_max) : payload_bytes_max_(payload_bytes_max) {}

  // kWhole: *payload points to a whole payload: into the ring, or into *storage when it came in chunks.
  Result add(const Record& record, std::string* storage, const uint8_t** payload, uint64_t* bytes) {
    if (!record.continues() && !record.has_more()) {
      *payload = record.data;
      *bytes = record.length;
      return Result::kWhole;
    }
    const std::pair<uint16_t, uint64_t> key{record.type, record.id};
    if (!record.continues()) {
      if (record.total > payload_bytes_max_) return Result::kBroken;
      if (unfinished_.size() >= kUnfinishedMax && unfinished_.count(key) == 0) return Result::kBroken;
      unfinished_[key].assign(reinterpret_cast<const char*>(record.data), record.length);
      return Result::kUnfinished;
    }
    const auto found = unfinished_.find(key);
    if (found == unfinished_.end()) return Result::kBroken;
    std::string& collected = found->second;
    if (collected.size() + record.length > record.total || record.total > payload_bytes_max_)
      return Result::kBroken;
    collected.append(reinterpret_cast<const char*>(record.data), record.length);
    if (record.has_more()) return Result::kUnfinished;
    if (collected.size() != record.total) return Result::kBroken;
    *storage = std::move(collected);
    unfinished_.erase(found);
    *payload = reinterpret_cast<const uint8_t*>(storage->data());
    *bytes = storage->size();
    return Result::kWhole;
  }

 private:
  static constexpr size_t kUnfinishedMax = 1024;
  uint64_t payload_bytes_max_;
  std::map<std::pair<uint16_t, uint64_t>, std::string> unfinished_;
};

}  // namespace polyraft::bridge

#endif  // POLYRAFT_BRIDGE_ASSEMBLER_H_
