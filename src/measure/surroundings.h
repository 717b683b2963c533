// What no launch may change: guard bands around the buffers of a case, and the inputs in them.
#pragma once
#include <span>
#include <string>
#include <vector>

#include "backend/measured_device.h"
#include "proof/inputs.h"

namespace assay {

class Surroundings {
 public:
  explicit Surroundings(MeasuredDevice& device) : device_(device) {}

  /// Poisoned memory with a guard band on both sides. The address names it to the functions below.
  Address allocate(int64_t bytes);
  /// Writes an input that stays what it is, where tensor.data says.
  void put(const Tensor& tensor, const HostTensor& host);
  /// Adds what brings them to the host, for changed(): all, or A alone, which is written anew where a change of the
  /// others would stay.
  void add_to(Look& look, const Tensor& a, bool all = true);
  /// "" or which of them was changed. A, which is written anew before each launch, must hold host_a.
  std::string changed(const Tensor& a, const std::vector<std::byte>& host_a) const;
  /// Whether so many guard bands, `step` apart from the first on, are whole.
  bool bands_are_whole(Address first, int64_t step, int64_t count);

 private:
  static int64_t broken_at(std::span<const std::byte> band);

  struct Guarded {
    Address data;
    int64_t bytes;
    const char* name;                       // of an input: "C", "bias"
    const std::vector<std::byte>* content;  // what it must hold; null: anything
  };
  static int64_t inside_bytes(const Guarded& g, const Tensor& a);

  MeasuredDevice& device_;
  std::vector<Guarded> guarded_;
  std::vector<std::byte> read_;
  bool all_ = true;  // what it holds
};

}  // namespace assay
