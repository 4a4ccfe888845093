#include "engine/direct_file.h"

#include <fcntl.h>
#include <gtest/gtest.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <cerrno>
#include <csignal>
#include <cstdlib>
#include <cstring>
#include <random>
#include <string>
#include <thread>
#include <vector>

namespace polyraft::engine {
namespace {

using Bytes = std::vector<uint8_t>;

Bytes contents(int fd) {
  struct stat info {};
  fstat(fd, &info);
  Bytes all(static_cast<size_t>(info.st_size));
  EXPECT_EQ(pread(fd, all.data(), all.size(), 0), info.st_size);
  return all;
}

// The file begins with `expected`, and holds nothing but zeros behind.
void expect_contents(int fd, const Bytes& expected) {
  const Bytes all = contents(fd);
  ASSERT_GE(all.size(), expected.size());
  ASSERT_TRUE(std::equal(expected.begin(), expected.end(), all.begin()));
  ASSERT_TRUE(std::all_of(all.begin() + static_cast<ptrdiff_t>(expected.size()), all.end(),
                          [](uint8_t byte) { return byte == 0; }));
}

class DirectFiles : public ::testing::Test {
 protected:
  void SetUp() override {
    // The working directory is on a disk; /tmp may be memory.
    char name[] = "./polyraft-direct-XXXXXX";
    fd_ = mkstemp(name);
    ASSERT_GE(fd_, 0);
    path_ = name;
    file_ = DirectFile::open(fd_);
    if (file_ == nullptr) GTEST_SKIP() << "this file system has no direct writes";
  }
  void TearDown() override {
    file_.reset();
    close(fd_);
    unlink(path_.c_str());
  }

  Bytes random_bytes(size_t count) {
    Bytes bytes(count);
    for (uint8_t& byte : bytes) byte = static_cast<uint8_t>(1 + random_() % 255);
    return bytes;
  }
  // Every other time from memory where the bytes lie as in the file.
  WriteResult write(const Bytes& bytes, off_t position, bool sync) {
    const size_t place = (writes_++ % 2 == 0 ? 0 : 1) + static_cast<size_t>(position) % 4096;
    Bytes memory(bytes.size() + 4 * 4096, 0xee);
    const size_t before = -reinterpret_cast<uintptr_t>(memory.data()) % 4096 + place;
    std::copy(bytes.begin(), bytes.end(), memory.begin() + static_cast<ptrdiff_t>(before));
    return file_->write({memory.data() + before, bytes.size(), before, memory.size() - before - bytes.size()},
                        position, sync);
  }
  void append(Bytes& expected, size_t count, bool sync) {
    const Bytes bytes = random_bytes(count);
    const WriteResult result = write(bytes, static_cast<off_t>(expected.size()), sync);
    ASSERT_EQ(result.error, 0) << result.syscall;
    expected.insert(expected.end(), bytes.begin(), bytes.end());
  }

  int fd_ = -1;
  std::string path_;
  std::shared_ptr<DirectFile> file_;
  std::mt19937 random_{1};
  unsigned writes_ = 0;
};

TEST_F(DirectFiles, AppendsOfAnySizeHoldWhatWasWritten) {
  Bytes expected;
  const size_t sizes[] = {1, 7, 4088, 4096, 4097, 1 << 20, (1 << 20) - 3, (3 << 20) + 11};
  for (const size_t size : sizes) append(expected, size, true);
  expect_contents(fd_, expected);
  for (int i = 0; i < 400; ++i) {
    const size_t most = i % 20 == 0 ? 300'000 : 900;
    append(expected, 1 + random_() % most, i % 3 == 0);
  }
  expect_contents(fd_, expected);
}

TEST_F(DirectFiles, GoesOnBehindWhatAnotherOpenFileHasWritten) {
  Bytes expected;
  append(expected, 5000, true);
  for (int i = 0; i < 20; ++i) {
    file_ = DirectFile::open(fd_);
    append(expected, 1 + random_() % 6000, true);
  }
  expect_contents(fd_, expected);
}

TEST_F(DirectFiles, GoesOnWhereTheFileWasCut) {
  Bytes expected;
  append(expected, 10'000, true);
  expected.resize(9001);
  ASSERT_EQ(ftruncate(fd_, 9001), 0);
  append(expected, 50, true);
  expected.resize(4096);
  ASSERT_EQ(ftruncate(fd_, 4096), 0);
  append(expected, 3, true);
  expect_contents(fd_, expected);
}

TEST_F(DirectFiles, AGapReadsAsZeros) {
  EXPECT_EQ(write({9}, 5000, true).error, 0);
  Bytes expected(5000);
  expected.push_back(9);
  expect_contents(fd_, expected);
}

TEST_F(DirectFiles, PreallocatesZerosWithBlocks) {
  Bytes expected;
  append(expected, 100, true);
  constexpr off_t kSize = (3 << 20) + 5;
  EXPECT_EQ(file_->preallocate(kSize).error, 0);
  struct stat info {};
  fstat(fd_, &info);
  EXPECT_GE(info.st_size, kSize);
  EXPECT_GE(info.st_blocks * 512, kSize);
  expect_contents(fd_, expected);
  append(expected, 200'000, true);
  expect_contents(fd_, expected);
  EXPECT_EQ(file_->preallocate(10).error, 0);
  EXPECT_EQ(contents(fd_).size(), static_cast<size_t>(info.st_size));
}

TEST_F(DirectFiles, AppendsBesideAPreallocationKeepTheirBytes) {
  Bytes expected;
  append(expected, 700, true);
  std::atomic<off_t> allocated{4096};
  std::thread other([&] {
    for (int step = 1; step <= 24; ++step) {
      const off_t size = step * (1 << 20) + step;
      EXPECT_EQ(file_->preallocate(size).error, 0);
      allocated.store(size);
    }
  });
  while (allocated.load() < 24 * (1 << 20)) {
    const auto room = static_cast<size_t>(allocated.load()) - expected.size();
    if (room > 0) append(expected, std::min<size_t>(room, 1 + random_() % 9000), true);
  }
  other.join();
  append(expected, 5000, true);
  expect_contents(fd_, expected);
}

TEST_F(DirectFiles, AWriteBeyondTheLimitFails) {
  const pid_t child = fork();
  if (child == 0) {
    signal(SIGXFSZ, SIG_IGN);
    const rlimit limit{10'000, 10'000};
    setrlimit(RLIMIT_FSIZE, &limit);
    const bool fits = write(Bytes(4000, 1), 0, true).error == 0;
    const bool fails = write(Bytes(20'000, 1), 4000, true).error == EFBIG &&
                       write(Bytes(20'000, 1), 4000, true).error == EFBIG;
    const bool has_no_room = file_->preallocate(1 << 20).error == EFBIG;
    _exit(fits && fails && has_no_room ? 0 : 1);
  }
  int status = -1;
  waitpid(child, &status, 0);
  EXPECT_EQ(status, 0);
}

TEST(DirectFileFallback, ASystemThatRefusesIsWrittenThroughTheCache) {
  const int memory = memfd_create("polyraft-direct", MFD_CLOEXEC);
  ASSERT_GE(memory, 0);
  // Systems differ in when they refuse memory: at once, at the write, or not at all.
  const std::shared_ptr<DirectFile> file = DirectFile::open(memory);
  if (file != nullptr) {
    Bytes bytes(5000, 3);
    EXPECT_EQ(file->preallocate(10'000).error, 0);
    EXPECT_EQ(file->write({bytes.data(), bytes.size()}, 10, true).error, 0);
    EXPECT_EQ(file->write({bytes.data(), bytes.size()}, 5010, true).error, 0);
    Bytes expected(10);
    expected.insert(expected.end(), 10'000, 3);
    expect_contents(memory, expected);
  }
  close(memory);
}

TEST(DirectFileFallback, WhatCannotBeOpenedIsNotDirect) {
  EXPECT_EQ(DirectFile::open(-1), nullptr);
  EXPECT_EQ(DirectFile::open(open("/dev/null", O_RDWR)), nullptr);
}

}  // namespace
}  // namespace polyraft::engine
