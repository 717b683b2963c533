// What SIGINT, SIGTERM and SIGHUP do to this program: end it at once with nothing left behind, or be caught.
#pragma once
#include <sys/types.h>

#include <filesystem>
#include <initializer_list>

#include "base/error.h"

namespace assay {

constexpr int kInterruptedExit = 130;

/// From now on each of the three ends this process with exit code 130 and one line on stderr, unless it is caught:
/// started programs are killed, files that are half made are taken away. A process that it forks ignores them until it
/// says otherwise. Call it on the first thread.
void end_when_interrupted();

/// Set by a signal while a CatchInterrupt of it lives; waits end early then.
bool interrupted();

/// Work was left because of interrupted(). What it was for stays as it was before: who makes the CatchInterrupt may
/// catch this and go on.
class Interrupted : public Error {
 public:
  using Error::Error;
};

/// While it lives these signals only set interrupted(): who makes it looks at that, stops at a whole step and tells.
class CatchInterrupt {
 public:
  CatchInterrupt();  // all three
  explicit CatchInterrupt(std::initializer_list<int> signals);
  ~CatchInterrupt();
  CatchInterrupt(const CatchInterrupt&) = delete;
  CatchInterrupt& operator=(const CatchInterrupt&) = delete;

 private:
  int before_;
};

/// A file or a folder that must not outlive this process: the end by a signal takes it away with all in it. Its owner
/// does so at any other. Make it together with the file, under DeferredSignals.
class HalfMade {
 public:
  explicit HalfMade(const std::filesystem::path& path);
  ~HalfMade();
  HalfMade(const HalfMade&) = delete;
  HalfMade& operator=(const HalfMade&) = delete;

 private:
  int place_;
};

/// Process groups that the end by a signal kills.
void add_started_group(pid_t group);
void remove_started_group(pid_t group);

}  // namespace assay
