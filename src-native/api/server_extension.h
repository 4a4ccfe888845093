// What an interface puts in the place of the callbacks of polyraft.h, where those do not fit it.
#ifndef POLYRAFT_API_SERVER_EXTENSION_H_
#define POLYRAFT_API_SERVER_EXTENSION_H_

#include <cstdint>
#include <functional>
#include <memory>
#include <string>

namespace polyraft {

// Answers one request of the engine for a snapshot; once, from any thread.
class SnapshotAnswer {
 public:
  // Copies `count` bytes of the snapshot from offset `from`; false: they cannot be had, and the snapshot
  // fails.
  using Read = std::function<bool(uint64_t from, uint32_t count, uint8_t* target)>;

  virtual ~SnapshotAnswer() = default;
  // The snapshot has `size` bytes. Waits while the engine stores them. False: it did not get them all.
  virtual bool send(uint64_t size, const Read& read) = 0;
  // There is none; a code of enum RAFT_Error.
  virtual void refuse(int code) = 0;
};

// Lives at least as long as its server.
class ServerExtension {
 public:
  ServerExtension() = default;
  ServerExtension(const ServerExtension&) = delete;
  ServerExtension& operator=(const ServerExtension&) = delete;
  virtual ~ServerExtension() = default;

  // --- On the apply thread, in log order. Not 0: the server stops for good.
  // `sequence`: of this server's proposal that the entry is, else 0. Null data and no size: an entry without
  // data.
  virtual int apply(uint64_t sequence, uint64_t index, uint64_t term, const uint8_t* data, uint64_t size) = 0;
  // A snapshot of `size` bytes comes in pieces; restore_end hands it to the state machine. What was begun and
  // has not ended is given up by the next begin.
  virtual int restore_begin(uint64_t index, uint64_t size) = 0;
  virtual int restore_piece(const uint8_t* data, uint64_t size) = 0;
  virtual int restore_end() = 0;
  // The state as it is now is asked for.
  virtual void take_snapshot(uint64_t index, std::shared_ptr<SnapshotAnswer> answer) = 0;

  // --- On any thread, and not at length: nothing else of the server goes on meanwhile.
  // A proposal has ended otherwise than by being applied. A code of enum RAFT_Error.
  virtual void proposal_ended(uint64_t sequence, int code) = 0;
  // A proposal goes into the ring: from here on the engine may have it.
  virtual void proposal_sent(uint64_t sequence) = 0;
  // What was sent and has not ended never will be.
  virtual void engine_died() = 0;
  virtual void state_changed(int state) = 0;
  virtual void event(int event, uint64_t value, const std::string& text) = 0;
};

}  // namespace polyraft

#endif  // POLYRAFT_API_SERVER_EXTENSION_H_
