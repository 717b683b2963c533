// What no launch may change: guard bands around the buffers of a case, and the inputs in them.
#pragma once
#include <span>
#include <string>
#include <vector>

#include "backend/device.h"
#include "probe/inputs.h"

namespace assay {

class Surroundings {
 public:
  explicit Surroundings(Device& device) : device_(device) {}

  /// Poisoned memory with a guard band on both sides. The address names it to the functions below.
  Address allocate(int64_t bytes);
  /// Writes an input that stays what it is, where tensor.data says.
  void put(const Tensor& tensor, const HostTensor& host);
  /// "" or which of them was changed. A, which is written anew before each launch, must hold host_a.
  std::string changed(const Tensor& a, const std::vector<std::byte>& host_a);
  /// Where the first byte of a guard band lies that is no poison any more; -1 if the band is whole.
  int64_t first_broken(Address band) const;

 private:
  static int64_t broken_at(std::span<const std::byte> band);

  struct Guarded {
    Address data;
    int64_t bytes;
    const char* name;                       // of an input: "C", "bias"
    const std::vector<std::byte>* content;  // what it must hold; null: anything
  };

  Device& device_;
  std::vector<Guarded> guarded_;
  std::vector<std::byte> read_;
};

}  // namespace assay
