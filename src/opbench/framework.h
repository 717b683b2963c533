// What a framework's module gives: a way to compute rows of the table in memory that is there already. A module is a
// shared library, loaded by the worker that measures it; the program itself links none of them.
#pragma once
#include <cstddef>
#include <memory>
#include <string>
#include <vector>

#include "opbench/operations.h"

namespace assay {

/// Of this header; a module of another one is not used.
inline constexpr int kFrameworkInterface = 2;

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

/// Memory of this process that operands lie in.
struct MemoryBlock {
  const std::byte* data = nullptr;
  int64_t bytes = 0;
};

/// A row made ready. Its inputs and its output lie where bind() says, 64-byte aligned, and may move between two runs.
class PreparedOperation {
 public:
  virtual ~PreparedOperation() = default;
  /// Once, not timed: the blocks that every input will lie in, which stay as they are, and that of the output.
  virtual void see(const std::vector<MemoryBlock>& /*inputs*/, MemoryBlock /*output*/) {}
  /// Not timed: only what an engine would do once for fixed memory. A device of its own poisons its output here.
  virtual void bind(const void* const* inputs, void* output) = 0;
  /// Timed: all of the result is in the output when it returns, or, of a device with a queue, after wait().
  virtual void run() = 0;
  /// Timed: returns when all that was run since bind() is done.
  virtual void wait() {}
  /// By the device's own clock, what ran from the first run() after bind() until wait(), µs; 0: it has none.
  virtual double device_us() { return 0; }
  /// Not timed: brings words of four bytes of the output (null: all of it) from the device to where bind() said.
  virtual void fetch(const int64_t* /*words*/, size_t /*count*/) {}
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
