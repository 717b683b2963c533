// What no launch may change: guard bands around the buffers of a case, and the inputs in them.
#pragma once
#include <string>
#include <utility>
#include <vector>

#include "backend/device.h"
#include "probe/inputs.h"

namespace assay {

class Surroundings {
 public:
  explicit Surroundings(Device& device) : device_(device) {}

  /// Poisoned memory with a guard band on both sides.
  Address allocate(int64_t bytes);
  /// Writes an input that stays what it is, where tensor.data says.
  void put(const Tensor& tensor, const HostTensor& host);
  /// "" or which of them was changed. A, which is written anew before each launch, must hold host_a.
  std::string changed(const Tensor& a, const std::vector<std::byte>& host_a);
  /// Where the first byte of a guard band lies that is no poison any more; -1 if the band is whole.
  int64_t first_broken(Address band) const;

 private:
  struct Guarded {
    Address data;
    int64_t bytes;
  };

  Device& device_;
  std::vector<Guarded> guarded_;
  std::vector<std::pair<Tensor, const HostTensor*>> fixed_;
  std::vector<std::byte> read_;
};

}  // namespace assay
