// Running other programs to their end, one or several at once, with their output caught and a time limit.
#pragma once
#include <sys/types.h>

#include <cstdint>
#include <optional>
#include <string>
#include <utility>
#include <vector>

namespace assay {

using Environment = std::vector<std::pair<std::string, std::string>>;

struct ProcessResult {
  int exit_code = -1;      // 127 where the program could not be started
  int signal = 0;          // the signal that ended it, or 0
  bool timed_out = false;  // killed at the limit, with all its children
  std::string output;      // stdout and stderr together, at most 1 MB
};

/// Runs argv[0] found on PATH without a shell, standard input closed. Never throws for what the program does.
ProcessResult run_process(const std::vector<std::string>& argv, double limit_s);

/// Several programs at once without a thread: assay forks workers, so its own process must stay single-threaded.
class ProcessSet {
 public:
  ProcessSet() = default;
  ~ProcessSet();  // kills what still runs, with all its children
  ProcessSet(const ProcessSet&) = delete;
  ProcessSet& operator=(const ProcessSet&) = delete;

  /// Starts a program as run_process does; the ticket that wait() gives back with its result. `environment`: names and
  /// values that differ from this process's.
  size_t start(const std::vector<std::string>& argv, double limit_s, const Environment& environment = {});
  size_t running() const { return children_.size(); }

  /// The next program that ended. Nothing after `at_most_s`, when a signal handler ran meanwhile, or when none runs.
  std::optional<std::pair<size_t, ProcessResult>> wait(double at_most_s);

 private:
  struct Child {
    size_t ticket = 0;
    pid_t pid = -1;
    int output = -1;  // -1 once it is closed
    int64_t deadline_ns = 0;
    ProcessResult result;
  };
  void read_output(Child& child);
  bool ended(Child& child, int64_t now);
  int poll_ms(int64_t now, int64_t until) const;

  std::vector<Child> children_;
  size_t next_ticket_ = 0;
};

}  // namespace assay
