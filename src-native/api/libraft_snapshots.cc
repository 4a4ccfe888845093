#include "api/libraft_snapshots.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>

#include "api/callback_guard.h"
#include "api/log.h"

namespace polyraft::libraft {

namespace {

void log_failure(const char* doing, const std::string& path) {
  POLYRAFT_LOG(RAFT_LOG_ERROR, std::string(doing) + " " + path + ": " + std::strerror(errno));
}

}  // namespace

bool Snapshots::start() {
  return worker_.start("polyraft-snap", false, [this] { run(); });
}

void Snapshots::stop() {
  {
    const std::lock_guard<std::mutex> lock(mutex_);
    stopping_ = true;
    changed_.notify_all();
  }
  worker_.join();
  const std::lock_guard<std::mutex> lock(mutex_);
  if (open_ != nullptr) unlink(open_->path.c_str());
  open_.reset();
  restore_over();
}

void Snapshots::take(uint64_t index, std::shared_ptr<SnapshotAnswer> answer,
                     const std::function<void(const char*, raft_snapshot_req)>& begin) {
  const auto request = std::make_shared<Request>();
  {
    const std::lock_guard<std::mutex> lock(mutex_);
    if (open_ == nullptr && !stopping_) {
      request->number = next_number_++;
      request->path =
          directory_ + "/snapshot-" + std::to_string(index) + "-" + std::to_string(request->number);
      request->answer = answer;
      open_ = request;
    }
  }
  if (request->number == 0) {
    answer->refuse(RAFT_ERR_BUSY);
    return;
  }
  begin(request->path.c_str(), reinterpret_cast<raft_snapshot_req>(request->number));
}

bool Snapshots::tell(raft_snapshot_req request, bool success, raft_fsm_snapshot_handle handle,
                     raft_fsm_snapshot_func write) {
  const std::lock_guard<std::mutex> lock(mutex_);
  if (open_ == nullptr || open_->told || reinterpret_cast<uint64_t>(request) != open_->number) return false;
  open_->told = true;
  open_->success = success;
  open_->handle = handle;
  open_->write = write;
  changed_.notify_all();
  return true;
}

bool Snapshots::complete(raft_snapshot_req request, bool success) {
  return tell(request, success, nullptr, nullptr);
}

bool Snapshots::write_later(raft_snapshot_req request, raft_fsm_snapshot_handle handle,
                            raft_fsm_snapshot_func write) {
  return tell(request, true, handle, write);
}

void Snapshots::run() {
  std::unique_lock<std::mutex> lock(mutex_);
  for (;;) {
    changed_.wait(lock, [this] { return stopping_ || (open_ != nullptr && open_->told); });
    if (open_ == nullptr || !open_->told) return;
    const std::shared_ptr<Request> request = open_;
    lock.unlock();
    // Also while stopping: the handle is the function's to free.
    if (request->write != nullptr) request->success = write_file(*request);
    if (request->success) {
      send(*request);
    } else {
      request->answer->refuse(RAFT_ERR_CALLBACK_FAILED);
    }
    unlink(request->path.c_str());
    lock.lock();
    open_.reset();
  }
}

bool Snapshots::write_file(const Request& request) {
  std::FILE* const sink = std::fopen(request.path.c_str(), "we");
  if (sink == nullptr) {
    log_failure("a snapshot cannot be written to", request.path);
    return false;
  }
  const int code = call_host("snapshot function", [&] { return request.write(request.handle, sink); });
  const bool failed = std::ferror(sink) != 0;
  if (std::fclose(sink) != 0 || failed) {
    log_failure("a snapshot cannot be written to", request.path);
    return false;
  }
  return code == 0;
}

void Snapshots::send(const Request& request) {
  const int fd = open(request.path.c_str(), O_RDONLY | O_CLOEXEC);
  struct stat info {};
  if (fd < 0 || fstat(fd, &info) != 0) {
    log_failure("the state machine's snapshot cannot be read from", request.path);
    if (fd >= 0) close(fd);
    request.answer->refuse(RAFT_ERR_IO);
    return;
  }
  request.answer->send(static_cast<uint64_t>(info.st_size),
                       [fd](uint64_t from, uint32_t count, uint8_t* target) {
                         while (count > 0) {
                           const ssize_t got = pread(fd, target, count, static_cast<off_t>(from));
                           if (got < 0 && errno == EINTR) continue;
                           if (got <= 0) return false;
                           from += static_cast<uint64_t>(got);
                           target += got;
                           count -= static_cast<uint32_t>(got);
                         }
                         return true;
                       });
  close(fd);
}

int Snapshots::restore_begin(uint64_t index) {
  restore_over();
  restore_path_ = directory_ + "/restore-" + std::to_string(index);
  restoring_ = std::fopen(restore_path_.c_str(), "we");
  if (restoring_ != nullptr) return RAFT_OK;
  log_failure("a snapshot cannot be written to", restore_path_);
  return RAFT_ERR_IO;
}

int Snapshots::restore_piece(const uint8_t* data, uint64_t size) {
  if (std::fwrite(data, 1, size, restoring_) == size) return RAFT_OK;
  log_failure("a snapshot cannot be written to", restore_path_);
  return RAFT_ERR_IO;
}

int Snapshots::restore_finish(std::string* path) {
  std::FILE* const file = restoring_;
  restoring_ = nullptr;
  *path = restore_path_;
  if (std::fclose(file) == 0) return RAFT_OK;
  log_failure("a snapshot cannot be written to", restore_path_);
  return RAFT_ERR_IO;
}

void Snapshots::restore_over() {
  if (restoring_ != nullptr) std::fclose(restoring_);
  restoring_ = nullptr;
  if (!restore_path_.empty()) unlink(restore_path_.c_str());
  restore_path_.clear();
}

}  // namespace polyraft::libraft
