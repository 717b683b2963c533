// What of a process no signal, timer or limit shows: its memory's locks and pages, its end, who it may become.
#include "backend/cpu/process_marks.h"

#include <fcntl.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <unistd.h>

namespace assay {
namespace {

constexpr size_t kPage = 4096;

std::string out_of_memory_score() {
  const int file = open("/proc/self/oom_score_adj", O_RDONLY | O_CLOEXEC);
  if (file < 0) return "";
  char text[16];
  const ssize_t count = read(file, text, sizeof text);
  close(file);
  return {text, size_t(count > 0 ? count : 0)};
}

/// Where huge pages are always given, memory of a kernel's that lies beside it must not bring it in.
void* new_page() {
  void* const page = mmap(nullptr, kPage, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  if (page == MAP_FAILED) return nullptr;
  madvise(page, kPage, MADV_NOHUGEPAGE);
  return page;
}

/// Of one that nobody wrote to: it is where all of a process's memory is locked.
bool is_there(void* page) {
  unsigned char there = 0;
  return page && mincore(page, kPage, &there) == 0 && (there & 1) != 0;
}

}  // namespace

ProcessMarks::Flags ProcessMarks::Flags::now() {
  Flags flags{prctl(PR_GET_THP_DISABLE, 0, 0, 0, 0), prctl(PR_GET_DUMPABLE, 0, 0, 0, 0), 0};
  prctl(PR_GET_CHILD_SUBREAPER, &flags.adopts_orphans, 0, 0, 0);
  return flags;
}

ProcessMarks::ProcessMarks()
    : flags_(Flags::now()),
      out_of_memory_(out_of_memory_score()),
      terminate_(std::get_terminate()),
      new_handler_(std::get_new_handler()),
      untouched_(new_page()) {}

std::string ProcessMarks::changed() const {
  const Flags now = Flags::now();
  if (now.huge_pages_off != flags_.huge_pages_off)
    return "left its process without huge pages (PR_SET_THP_DISABLE), or with them";
  if (now.dumpable != flags_.dumpable) return "left PR_SET_DUMPABLE of its process changed";
  if (now.adopts_orphans != flags_.adopts_orphans) return "left PR_SET_CHILD_SUBREAPER of its process changed";
  if (out_of_memory_score() != out_of_memory_) return "left oom_score_adj of its process changed";
  if (std::get_terminate() != terminate_) return "left the handler of std::terminate (std::set_terminate) changed";
  if (std::get_new_handler() != new_handler_) return "left the handler of operator new (std::set_new_handler) changed";
  void* const page = new_page();
  const bool is_locked = is_there(page) || is_there(untouched_);
  if (page) munmap(page, kPage);
  return is_locked ? "left all memory of its process locked (mlockall)" : "";
}

}  // namespace assay
