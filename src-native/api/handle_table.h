// Servers by handle. A handle is an index and a generation, so a stale one never reaches another server.
#ifndef POLYRAFT_API_HANDLE_TABLE_H_
#define POLYRAFT_API_HANDLE_TABLE_H_

#include <array>
#include <cstdint>
#include <memory>
#include <mutex>

namespace polyraft {

template <typename Object, uint32_t kCapacity>
class HandleTable {
 public:
  // 0 when the table is full.
  uint64_t add(std::shared_ptr<Object> object) {
    for (uint32_t index = 0; index < kCapacity; index++) {
      Place& place = places_[index];
      const std::lock_guard<std::mutex> lock(place.mutex);
      if (place.object != nullptr) continue;
      place.object = std::move(object);
      place.generation++;
      return (place.generation << kIndexBits) | index;
    }
    return 0;
  }

  // Null when there is no such handle (any more).
  std::shared_ptr<Object> find(uint64_t handle) {
    Place* const place = place_of(handle);
    if (place == nullptr) return nullptr;
    const std::lock_guard<std::mutex> lock(place->mutex);
    return place->generation == handle >> kIndexBits ? place->object : nullptr;
  }

  // Of several callers, one gets the object.
  std::shared_ptr<Object> remove(uint64_t handle) {
    Place* const place = place_of(handle);
    if (place == nullptr) return nullptr;
    const std::lock_guard<std::mutex> lock(place->mutex);
    if (place->generation != handle >> kIndexBits) return nullptr;
    return std::move(place->object);
  }

 private:
  static constexpr uint32_t kIndexBits = 10;
  static_assert(kCapacity <= (1u << kIndexBits));

  struct Place {
    std::mutex mutex;
    std::shared_ptr<Object> object;
    // 0: never used, so no handle is 0.
    uint64_t generation = 0;
  };

  Place* place_of(uint64_t handle) {
    const uint64_t index = handle & ((1u << kIndexBits) - 1);
    return index < kCapacity ? &places_[index] : nullptr;
  }

  std::array<Place, kCapacity> places_;
};

}  // namespace polyraft

#endif  // POLYRAFT_API_HANDLE_TABLE_H_
