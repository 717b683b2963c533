// Thousands of launches more of what may win: a kernel may err late, as one whose counter runs over does.
#pragma once
#include <memory>
#include <string>
#include <vector>

#include "measure/binding.h"

namespace assay {

inline constexpr const char* kChangedLater = "D changed after the kernel had returned: something still writes to it";

/// All of a run have the same inputs, and outputs of their own: what the first gives is compared with the right answer,
/// and the others' bytes with that. Their memory stays until the process ends: a kernel that returned may yet write
/// there.
class LateLaunches {
 public:
  LateLaunches(MeasuredDevice& device, const Launch& launch, Judge& judge);

  /// Launches until there were `most` in all, or the time is over, with the inputs in place that `inputs` says. "" or
  /// what is wrong.
  std::string run(const LaunchInputs& inputs, int64_t most, double time_us);
  int64_t launches() const { return launches_; }
  /// "" or that the outputs of the last program have changed since.
  std::string changed();

 private:
  struct Output {
    size_t tensor;
    Address memory;
    int64_t bytes, step;
    std::vector<std::byte> host;  // of the launches that were bound last
  };
  void bind(int64_t count);
  void read();
  void join(int64_t slot);
  bool is_right(int64_t slot) const;

  MeasuredDevice& device_;
  const Launch launch_;
  Judge& judge_;
  int64_t slots_ = 1, launches_ = 0, bound_ = 0;
  std::vector<Output> outputs_;
  std::unique_ptr<Program> program_;
  std::vector<std::byte> right_, joined_;  // of a run's first launch; of one slot
};

}  // namespace assay
