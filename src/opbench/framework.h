// What a framework's module gives: a way to compute rows of the table in memory that is there already. A module is a
// shared library, loaded by the worker that measures it; the program itself links none of them.
#pragma once
#include <memory>
#include <string>

#include "opbench/operations.h"

namespace assay {

/// Of this header; a module of another one is not used.
inline constexpr int kFrameworkInterface = 1;

/// Pinned threads of the process that a module of assay's own may run on: work(index, count, argument) on each.
struct ThreadTeam {
  int count = 1;
  void* state = nullptr;
  void (*start)(void* state, void (*work)(int index, int count, void* argument), void* argument) = nullptr;

  void run(void (*work)(int index, int count, void* argument), void* argument) const {
    if (start)
      start(state, work, argument);
    else
      work(0, 1, argument);
  }
};

/// A row made ready. Its inputs and its output lie where bind() says, 64-byte aligned, and may move between two runs.
class PreparedOperation {
 public:
  virtual ~PreparedOperation() = default;
  /// Not timed: only what an engine would do once for fixed memory.
  virtual void bind(const void* const* inputs, void* output) = 0;
  /// Timed: all of the result is in the output when it returns.
  virtual void run() = 0;
  /// How it is computed, for the report: the primitive, or "copies: …" where the framework cannot write in place.
  virtual std::string how() const { return ""; }
};

class Framework {
 public:
  virtual ~Framework() = default;
  /// Called before each timed run: its threads are to be awake. Not timed.
  virtual void wake() {}
  /// Part of every result's key: library, version, BLAS, threads, instruction set.
  virtual std::string version() = 0;
  /// Null where it lacks the operation, and why in `why_not`.
  virtual std::unique_ptr<PreparedOperation> prepare(const OperationRow& row, std::string& why_not) = 0;
};

/// Every module exports these two, by these names.
using FrameworkInterface = int();
using MakeFramework = Framework*(const ThreadTeam& team);
inline constexpr char kFrameworkInterfaceName[] = "assay_framework_interface";
inline constexpr char kMakeFrameworkName[] = "assay_make_framework";

}  // namespace assay

#define ASSAY_FRAMEWORK(TYPE)                                                               \
  extern "C" __attribute__((visibility("default"))) int assay_framework_interface() {       \
    return assay::kFrameworkInterface;                                                      \
  }                                                                                         \
  extern "C" __attribute__((visibility("default"))) assay::Framework* assay_make_framework( \
      const assay::ThreadTeam& team) {                                                      \
    return new TYPE(team);                                                                  \
  }
