#include "api/libraft_arena.h"

#include <fcntl.h>
#include <sys/mman.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>

#include "bridge/protocol_generated.h"

namespace polyraft::libraft {

const uint32_t Arena::kClassBytes[kClasses] = {64,  96,   128,  192,  256,  384, 512,
                                               768, 1024, 1536, 2048, 3072, 4096};

Arena::~Arena() {
  if (base_ != nullptr) munmap(base_, shared_bytes_);
  if (fd_ >= 0) close(fd_);
}

int Arena::create(uint64_t bytes) {
  const auto pages = static_cast<uint32_t>((bytes + kPageBytes - 1) / kPageBytes);
  const uint64_t shared = protocol::kARENA_TICKETS_BYTES + uint64_t{pages} * kPageBytes;
  const int fd = memfd_create("polyraft-arena", MFD_CLOEXEC | MFD_ALLOW_SEALING);
  if (fd < 0) return errno;
  void* mapped = MAP_FAILED;
  // Sealed: a dying child cannot truncate it under us.
  if (ftruncate(fd, static_cast<off_t>(shared)) == 0 &&
      fcntl(fd, F_ADD_SEALS, F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_SEAL) == 0) {
    mapped = mmap(nullptr, shared, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_NORESERVE, fd, 0);
  }
  if (mapped == MAP_FAILED) {
    const int error = errno;
    close(fd);
    return error;
  }
  fd_ = fd;
  base_ = static_cast<uint8_t*>(mapped);
  blocks_ = base_ + protocol::kARENA_TICKETS_BYTES;
  shared_bytes_ = shared;
  pages_ = pages;
  run_of_page_.assign(pages, kNone);
  runs_.resize(pages);
  std::fill(std::begin(slabs_), std::end(slabs_), kNone);
  return 0;
}

void* Arena::allocate(uint64_t bytes) {
  bytes = std::max<uint64_t>(bytes, 1);
  const std::lock_guard<std::mutex> lock(mutex_);
  if (bytes > uint64_t{pages_} * kPageBytes) return nullptr;
  const auto* const fits = std::lower_bound(std::begin(kClassBytes), std::end(kClassBytes), bytes);
  if (fits == std::end(kClassBytes)) return allocate_large(bytes);
  void* const small = allocate_small(static_cast<uint32_t>(fits - std::begin(kClassBytes)));
  // What is left may be too scattered for a slab, and still have a page.
  return small != nullptr ? small : allocate_large(bytes);
}

void* Arena::allocate_small(uint32_t size_class) {
  uint32_t page = slabs_[size_class];
  if (page == kNone && (page = new_slab(size_class)) == kNone) return nullptr;
  Run& run = *runs_[page];
  const uint32_t place = run.free_places.back();
  run.free_places.pop_back();
  run.used++;
  run.states[place] = State{true, false, 0};
  if (run.free_places.empty()) unlink(page);
  return page_address(page) + place * run.block_bytes;
}

void* Arena::allocate_large(uint64_t bytes) {
  const auto count = static_cast<uint32_t>((bytes + kPageBytes - 1) / kPageBytes);
  const uint32_t page = take_pages(count);
  if (page == kNone) return nullptr;
  Run& run = *runs_[page];
  run.block_bytes = bytes;
  run.used = 1;
  run.states.assign(1, State{true, false, 0});
  return page_address(page);
}

uint32_t Arena::new_slab(uint32_t size_class) {
  const uint32_t page = take_pages(kSlabPages);
  if (page == kNone) return kNone;
  Run& run = *runs_[page];
  run.size_class = size_class;
  run.block_bytes = kClassBytes[size_class];
  const uint32_t blocks = kSlabPages * kPageBytes / kClassBytes[size_class];
  run.states.resize(blocks);
  for (uint32_t place = blocks; place-- > 0;) run.free_places.push_back(static_cast<uint16_t>(place));
  link(page);
  return page;
}

uint32_t Arena::take_pages(uint32_t count) {
  uint32_t page = search(search_from_, pages_, count);
  if (page == kNone) page = search(0, std::min(pages_, search_from_ + count - 1), count);
  if (page == kNone) return kNone;
  search_from_ = page + count;
  used_pages_ += count;
  std::fill_n(run_of_page_.begin() + page, count, page);
  runs_[page] = std::make_unique<Run>();
  runs_[page]->pages = count;
  return page;
}

uint32_t Arena::search(uint32_t from, uint32_t to, uint32_t count) const {
  uint32_t free = 0;
  for (uint32_t page = from; page < to; page++) {
    if (run_of_page_[page] != kNone) {
      // The rest of that run is skipped.
      page = run_of_page_[page] + runs_[run_of_page_[page]]->pages - 1;
      free = 0;
    } else if (++free == count) {
      return page + 1 - count;
    }
  }
  return kNone;
}

void Arena::give_back(uint32_t first_page) {
  const uint32_t count = runs_[first_page]->pages;
  std::fill_n(run_of_page_.begin() + first_page, count, kNone);
  runs_[first_page].reset();
  used_pages_ -= count;
  search_from_ = std::min(search_from_, first_page);
}

void Arena::link(uint32_t first_page) {
  Run& run = *runs_[first_page];
  uint32_t& head = slabs_[run.size_class];
  run.previous = kNone;
  run.next = head;
  if (head != kNone) runs_[head]->previous = first_page;
  head = first_page;
}

void Arena::unlink(uint32_t first_page) {
  Run& run = *runs_[first_page];
  if (run.previous != kNone) runs_[run.previous]->next = run.next;
  if (run.next != kNone) runs_[run.next]->previous = run.previous;
  if (slabs_[run.size_class] == first_page) slabs_[run.size_class] = run.next;
}

Arena::Run* Arena::find(const void* address, uint32_t* first_page, uint32_t* place) {
  // As numbers: the address may be any.
  const auto at = reinterpret_cast<uintptr_t>(address);
  const auto begin = reinterpret_cast<uintptr_t>(blocks_);
  if (at < begin || at - begin >= uint64_t{pages_} * kPageBytes) return nullptr;
  *first_page = run_of_page_[(at - begin) / kPageBytes];
  if (*first_page == kNone) return nullptr;
  Run* const run = runs_[*first_page].get();
  const uint64_t offset = at - reinterpret_cast<uintptr_t>(page_address(*first_page));
  *place = run->size_class == kNone ? 0 : static_cast<uint32_t>(offset / run->block_bytes);
  return *place < run->states.size() ? run : nullptr;
}

bool Arena::free(const void* address) {
  const std::lock_guard<std::mutex> lock(mutex_);
  uint32_t page = 0;
  uint32_t place = 0;
  Run* const run = find(address, &page, &place);
  if (run == nullptr || address != page_address(page) + place * run->block_bytes) return false;
  State& state = run->states[place];
  if (!state.in_use || state.freed) return false;
  state.freed = true;
  if (state.pins == 0) release(page, place);
  return true;
}

bool Arena::pin(const void* address, uint64_t bytes, Block* block, uint64_t* offset) {
  const std::lock_guard<std::mutex> lock(mutex_);
  uint32_t page = 0;
  uint32_t place = 0;
  Run* const run = find(address, &page, &place);
  if (run == nullptr) return false;
  State& state = run->states[place];
  const uint8_t* const begin = page_address(page) + place * run->block_bytes;
  const uint64_t skipped = static_cast<uint64_t>(static_cast<const uint8_t*>(address) - begin);
  if (!state.in_use || state.freed || skipped > run->block_bytes || bytes > run->block_bytes - skipped)
    return false;
  state.pins++;
  *block = uint64_t{page} << 32 | place;
  *offset = static_cast<uint64_t>(static_cast<const uint8_t*>(address) - base_);
  return true;
}

void Arena::unpin(Block block) {
  const std::lock_guard<std::mutex> lock(mutex_);
  const auto page = static_cast<uint32_t>(block >> 32);
  const auto place = static_cast<uint32_t>(block);
  State& state = runs_[page]->states[place];
  if (--state.pins == 0 && state.freed) release(page, place);
}

void Arena::release(uint32_t first_page, uint32_t place) {
  Run& run = *runs_[first_page];
  run.states[place] = State{};
  run.used--;
  if (run.size_class == kNone) {
    give_back(first_page);
    return;
  }
  const bool was_full = run.free_places.empty();
  run.free_places.push_back(static_cast<uint16_t>(place));
  if (was_full) link(first_page);
  // The last slab of a class stays, so that one block that comes and goes costs no new slab each time.
  if (run.used == 0 && (run.previous != kNone || run.next != kNone)) {
    unlink(first_page);
    give_back(first_page);
  }
}

uint64_t Arena::used_bytes() {
  const std::lock_guard<std::mutex> lock(mutex_);
  return uint64_t{used_pages_} * kPageBytes;
}

}  // namespace polyraft::libraft
