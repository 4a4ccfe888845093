// Sleeping on a 32-bit word that another process may share: futexes without FUTEX_PRIVATE_FLAG.
#ifndef POLYRAFT_BRIDGE_FUTEX_H_
#define POLYRAFT_BRIDGE_FUTEX_H_

#include <linux/futex.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <atomic>
#include <cerrno>
#include <chrono>
#include <climits>
#include <cstdint>
#include <optional>

namespace polyraft::bridge {

using Clock = std::chrono::steady_clock;

// A moment until which a call waits; std::nullopt: no limit.
class Deadline {
 public:
  Deadline(Clock::time_point at) : at_(at) {}
  Deadline(std::nullopt_t) {}
  explicit operator bool() const { return at_ != Clock::time_point::max(); }
  Clock::time_point operator*() const { return at_; }

 private:
  Clock::time_point at_ = Clock::time_point::max();
};

inline Deadline deadline_after_ms(int64_t milliseconds) {
  if (milliseconds < 0) return std::nullopt;
  return Clock::now() + std::chrono::milliseconds(milliseconds);
}

inline bool has_passed(const Deadline& deadline) {
  return deadline && Clock::now() >= *deadline;
}

// Sleeps while *word == expected; returns on a wake, a changed word, a signal or the deadline. The caller
// looks again.
inline void futex_wait(std::atomic<uint32_t>* word, uint32_t expected, const Deadline& deadline) {
  timespec timeout{};
  timespec* timeout_or_null = nullptr;
  if (deadline) {
    const auto left = std::chrono::duration_cast<std::chrono::nanoseconds>(*deadline - Clock::now()).count();
    if (left <= 0) return;
    timeout.tv_sec = left / 1'000'000'000;
    timeout.tv_nsec = left % 1'000'000'000;
    timeout_or_null = &timeout;
  }
  syscall(SYS_futex, reinterpret_cast<uint32_t*>(word), FUTEX_WAIT, expected, timeout_or_null, nullptr, 0);
}

inline void futex_wake_all(std::atomic<uint32_t>* word) {
  syscall(SYS_futex, reinterpret_cast<uint32_t*>(word), FUTEX_WAKE, INT_MAX, nullptr, nullptr, 0);
}

// A hint to the processor inside a spin.
inline void spin_pause() {
#if defined(__x86_64__)
  __builtin_ia32_pause();
#elif defined(__aarch64__)
  asm volatile("yield" ::: "memory");
#endif
}

}  // namespace polyraft::bridge

#endif  // POLYRAFT_BRIDGE_FUTEX_H_
