// What of a process no signal, timer or limit shows: its memory's locks and pages, its end, who it may become.
#pragma once
#include <exception>
#include <new>
#include <string>

namespace assay {

/// As it was when this was made. A few microseconds.
class ProcessMarks {
 public:
  ProcessMarks();
  /// "" or the first thing that is another one now.
  std::string changed() const;

 private:
  struct Flags {  // as prctl() has them
    int huge_pages_off, dumpable, adopts_orphans;
    static Flags now();
  };
  const Flags flags_;
  const std::string out_of_memory_;  // oom_score_adj
  const std::terminate_handler terminate_;
  const std::new_handler new_handler_;
  void* const untouched_;  // a page that nobody wrote to
};

}  // namespace assay
