// What no launch may change.
#include "probe/surroundings.h"

#include <algorithm>

namespace assay {

Address Surroundings::allocate(int64_t bytes) {
  const int64_t padded = (bytes + 63) / 64 * 64;
  const Address block = device_.allocate(padded + 2 * kGuardBytes);
  device_.fill(block, kPoison, padded + 2 * kGuardBytes);
  guarded_.push_back({block + kGuardBytes, bytes, nullptr, nullptr});
  return guarded_.back().data;
}

void Surroundings::put(const Tensor& tensor, const HostTensor& host) {
  device_.write(tensor.data, host.bytes.data(), tensor.bytes);
  for (Guarded& g : guarded_)
    if (g.data == tensor.data) g.name = tensor.operand == Operand::bias ? "bias" : "C", g.content = &host.bytes;
}

std::string Surroundings::changed(const Tensor& a, const std::vector<std::byte>& host_a) {
  for (const Guarded& g : guarded_) {
    const std::vector<std::byte>* content = g.data == a.data ? &host_a : g.content;
    // An input comes with its bands in one read: each takes a GPU 10 us. Of what may hold anything, the bands alone.
    const int64_t inside = content ? g.bytes : 0;
    read_.resize(size_t(inside + 2 * kGuardBytes));
    if (content) {
      device_.read(read_.data(), g.data - kGuardBytes, int64_t(read_.size()));
    } else {
      device_.read(read_.data(), g.data - kGuardBytes, kGuardBytes);
      device_.read(read_.data() + kGuardBytes, g.data + g.bytes, kGuardBytes);
    }
    const std::span<const std::byte> all(read_), front = all.first(kGuardBytes), back = all.last(kGuardBytes);
    if (const int64_t at = broken_at(front); at >= 0)
      return fmt::format("wrote {} bytes before the start of a buffer", kGuardBytes - at);
    if (const int64_t at = broken_at(back); at >= 0)
      return fmt::format("wrote {} bytes behind the end of a buffer", at + 1);
    if (content && !std::equal(content->begin(), content->end(), read_.begin() + kGuardBytes))
      return fmt::format("wrote into its input {}", g.data == a.data ? "A" : g.name);
  }
  return "";
}

int64_t Surroundings::first_broken(Address band) const {
  std::byte bytes[kGuardBytes];
  device_.read(bytes, band, kGuardBytes);
  return broken_at(bytes);
}

int64_t Surroundings::broken_at(std::span<const std::byte> band) {
  const auto broken = std::find_if(band.begin(), band.end(), [](std::byte b) { return b != std::byte{kPoison}; });
  return broken == band.end() ? -1 : broken - band.begin();
}

}  // namespace assay
