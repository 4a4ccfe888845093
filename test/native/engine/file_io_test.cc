#include "engine/file_io.h"

#include <fcntl.h>
#include <gtest/gtest.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cerrno>
#include <cstdlib>
#include <cstring>
#include <string>
#include <vector>

namespace polyraft::engine {
namespace {

class FileIo : public ::testing::Test {
 protected:
  void SetUp() override {
    char name[] = "/tmp/polyraft-file-XXXXXX";
    fd_ = mkstemp(name);
    ASSERT_GE(fd_, 0);
    path_ = name;
  }
  void TearDown() override {
    close(fd_);
    unlink(path_.c_str());
  }
  off_t size() const {
    struct stat info {};
    fstat(fd_, &info);
    return info.st_size;
  }

  int fd_ = -1;
  std::string path_;
};

TEST_F(FileIo, WritesAtAPosition) {
  const auto* const text = reinterpret_cast<const uint8_t*>("polyraft");
  const WriteResult result = write_file(fd_, text, 8, 100, true);
  EXPECT_EQ(result.error, 0);
  EXPECT_STREQ(result.syscall, "");
  char read_back[8];
  EXPECT_EQ(pread(fd_, read_back, 8, 100), 8);
  EXPECT_EQ(memcmp(read_back, text, 8), 0);
}

TEST_F(FileIo, NamesTheCallThatFailed) {
  const uint8_t byte = 1;
  EXPECT_EQ(write_file(-1, &byte, 1, 0, true).error, EBADF);
  EXPECT_STREQ(write_file(-1, &byte, 1, 0, true).syscall, "pwrite");
  EXPECT_STREQ(write_file(-1, &byte, 0, 0, true).syscall, "fdatasync");
  const int read_only = open(path_.c_str(), O_RDONLY);
  EXPECT_EQ(write_file(read_only, &byte, 1, 0, false).error, EBADF);
  close(read_only);
}

TEST_F(FileIo, ReportsAFullDisk) {
  const int full = open("/dev/full", O_WRONLY);
  if (full < 0) GTEST_SKIP() << "no /dev/full here";
  const uint8_t byte = 1;
  EXPECT_EQ(write_file(full, &byte, 1, 0, false).error, ENOSPC);
  close(full);
}

TEST_F(FileIo, ALockKeepsOtherOpenFilesOut) {
  const int other = open(path_.c_str(), O_RDWR);
  EXPECT_EQ(lock_file(fd_), 0);
  EXPECT_EQ(lock_file(fd_), 0);
  EXPECT_EQ(lock_file(other), EAGAIN);
  const pid_t child = fork();
  if (child == 0) {
    const int own = open(path_.c_str(), O_RDWR);
    _exit(lock_file(own) == EAGAIN ? 0 : 1);
  }
  int status = -1;
  waitpid(child, &status, 0);
  EXPECT_EQ(status, 0);
  close(fd_);
  EXPECT_EQ(lock_file(other), 0);
  fd_ = other;
}

TEST_F(FileIo, PreallocatesZerosAndKeepsWhatIsThere) {
  const std::string text = "kept";
  ASSERT_EQ(pwrite(fd_, text.data(), text.size(), 0), 4);
  constexpr off_t kSize = (3 << 20) + 5;
  EXPECT_EQ(preallocate_zeros(fd_, kSize), 0);
  EXPECT_EQ(size(), kSize);
  std::vector<char> all(kSize);
  EXPECT_EQ(pread(fd_, all.data(), all.size(), 0), kSize);
  EXPECT_EQ(std::string(all.data(), 4), text);
  for (size_t i = 4; i < all.size(); ++i) ASSERT_EQ(all[i], 0) << i;
  struct stat info {};
  fstat(fd_, &info);
  EXPECT_GE(info.st_blocks * 512, kSize);
  EXPECT_EQ(preallocate_zeros(fd_, 10), 0);
  EXPECT_EQ(size(), kSize);
}

TEST_F(FileIo, PreallocationThatDoesNotFitFails) {
  const pid_t child = fork();
  if (child == 0) {
    signal(SIGXFSZ, SIG_IGN);
    const rlimit limit{1 << 20, 1 << 20};
    setrlimit(RLIMIT_FSIZE, &limit);
    _exit(preallocate_zeros(fd_, 2 << 20) == EFBIG ? 0 : 1);
  }
  int status = -1;
  waitpid(child, &status, 0);
  EXPECT_EQ(status, 0);
  EXPECT_NE(preallocate_zeros(-1, 10), 0);
}

}  // namespace
}  // namespace polyraft::engine
