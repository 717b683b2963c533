// A regular file mapped for reading; one that shrinks meanwhile becomes an Error, not a crash.
#include "base/mapped_file.h"

#include <signal.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include <array>
#include <atomic>
#include <cerrno>
#include <cstring>
#include <mutex>

#include "base/error.h"
#include "base/file.h"

namespace assay {
namespace {

/// What the signal handler knows of a mapping: it may allocate nothing and take no lock.
struct Slot {
  std::atomic<uintptr_t> begin{0}, end{0};
  std::atomic<bool> lost{false};
};
std::array<Slot, 64> slots;
std::mutex slot_mutex;
struct sigaction previous_action {};

/// Pages beyond the end of a file that shrank: zeros take their place, so that the reader goes on to where it asks.
void replace_lost_pages(int signal, siginfo_t* info, void*) {
  const int error = errno;
  const auto at = reinterpret_cast<uintptr_t>(info->si_addr);
  for (Slot& slot : slots) {
    const uintptr_t begin = slot.begin.load(), end = slot.end.load();
    if (at < begin || at >= end) continue;
    const uintptr_t page = at & ~(uintptr_t(sysconf(_SC_PAGESIZE)) - 1);
    void* zeros = mmap(reinterpret_cast<void*>(page), end - page, PROT_READ,
                       MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED | MAP_NORESERVE, -1, 0);
    if (zeros == MAP_FAILED) break;
    slot.lost.store(true);
    errno = error;
    return;
  }
  sigaction(signal, &previous_action, nullptr);  // none of ours: on return it happens again, to whom it concerns
  errno = error;
}

void handle_lost_pages() {
  static std::once_flag once;
  std::call_once(once, [] {
    struct sigaction action {};
    action.sa_sigaction = replace_lost_pages;
    action.sa_flags = SA_SIGINFO;
    sigaction(SIGBUS, &action, &previous_action);
  });
}

int claim_slot(uintptr_t begin, uintptr_t end) {
  const std::lock_guard lock(slot_mutex);
  for (size_t i = 0; i < slots.size(); ++i)
    if (slots[i].end.load() == 0) {
      slots[i].lost.store(false);
      slots[i].begin.store(begin);
      slots[i].end.store(end);
      return int(i);
    }
  return -1;
}

}  // namespace

MappedFile::MappedFile(const std::filesystem::path& path) : name_(path.string()), descriptor_(open_input(path)) {
  const auto give_up = [&](const std::string& why) {
    close(descriptor_);
    fail("{}: {}", name_, why);
  };
  struct stat status {};
  if (fstat(descriptor_, &status) != 0) give_up(fmt::format("cannot be read ({})", std::strerror(errno)));
  if (!S_ISREG(status.st_mode)) give_up("is a pipe; only a regular file can be mapped: write it to one first");
  size_ = size_t(status.st_size);
  if (size_ == 0) return;
  handle_lost_pages();
  void* data = mmap(nullptr, size_, PROT_READ, MAP_PRIVATE, descriptor_, 0);
  if (data == MAP_FAILED)
    give_up(fmt::format("its {} bytes cannot be mapped ({}); is there a limit on address space (ulimit -v)?", size_,
                        std::strerror(errno)));
  data_ = data;
  const auto begin = reinterpret_cast<uintptr_t>(data), page = uintptr_t(sysconf(_SC_PAGESIZE));
  slot_ = claim_slot(begin, (begin + size_ + page - 1) / page * page);
  if (slot_ < 0) {
    munmap(data, size_);
    give_up(fmt::format("{} files are mapped already; give fewer at once", slots.size()));
  }
}

MappedFile::~MappedFile() {
  if (slot_ >= 0) {
    const std::lock_guard lock(slot_mutex);
    slots[size_t(slot_)].begin.store(0);
    slots[size_t(slot_)].end.store(0);
  }
  if (data_) munmap(const_cast<void*>(data_), size_);
  close(descriptor_);
}

void MappedFile::check_whole() const {
  struct stat status {};
  const bool known = fstat(descriptor_, &status) == 0;
  if (known && size_t(status.st_size) < size_)
    fail("{}: became shorter while it was read, from {} to {} bytes; wait until nobody writes it, then try again",
         name_, size_, status.st_size);
  if (slot_ >= 0 && slots[size_t(slot_)].lost.load())
    fail(
        "{}: bytes of it could not be read (it was cut, or its disk failed); wait until nobody writes it, then try "
        "again",
        name_);
}

void MappedFile::give_back(std::string_view piece) {
  const auto page = uintptr_t(sysconf(_SC_PAGESIZE)), from = reinterpret_cast<uintptr_t>(piece.data());
  const uintptr_t begin = (from + page - 1) / page * page, end = (from + piece.size()) / page * page;
  if (begin < end) madvise(reinterpret_cast<void*>(begin), end - begin, MADV_DONTNEED);
}

}  // namespace assay
