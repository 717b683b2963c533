// What no launch may change.
#include "probe/surroundings.h"

#include <algorithm>

namespace assay {

Address Surroundings::allocate(int64_t bytes) {
  const int64_t padded = (bytes + 63) / 64 * 64;
  const Address block = device_.allocate(padded + 2 * kGuardBytes);
  device_.fill(block, kPoison, padded + 2 * kGuardBytes);
  guarded_.push_back({block + kGuardBytes, bytes});
  return guarded_.back().data;
}

void Surroundings::put(const Tensor& tensor, const HostTensor& host) {
  device_.write(tensor.data, host.bytes.data(), tensor.bytes);
  fixed_.push_back({tensor, &host});
}

std::string Surroundings::changed(const Tensor& a, const std::vector<std::byte>& host_a) {
  for (const Guarded& g : guarded_) {
    if (const int64_t at = first_broken(g.data - kGuardBytes); at >= 0)
      return fmt::format("wrote {} bytes before the start of a buffer", kGuardBytes - at);
    if (const int64_t at = first_broken(g.data + g.bytes); at >= 0)
      return fmt::format("wrote {} bytes behind the end of a buffer", at + 1);
  }
  read_.resize(size_t(a.bytes));
  device_.read(read_.data(), a.data, a.bytes);
  if (read_ != host_a) return "wrote into its input A";
  for (const auto& [tensor, host] : fixed_) {
    read_.resize(size_t(tensor.bytes));
    device_.read(read_.data(), tensor.data, tensor.bytes);
    if (read_ != host->bytes)
      return fmt::format("wrote into its input {}", tensor.operand == Operand::bias ? "bias" : "C");
  }
  return "";
}

int64_t Surroundings::first_broken(Address band) const {
  std::byte bytes[kGuardBytes];
  device_.read(bytes, band, kGuardBytes);
  const auto broken =
      std::find_if(std::begin(bytes), std::end(bytes), [](std::byte b) { return b != std::byte{kPoison}; });
  return broken == std::end(bytes) ? -1 : broken - std::begin(bytes);
}

}  // namespace assay
