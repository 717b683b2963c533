// What no launch may change.
#include "measure/surroundings.h"

#include <algorithm>

#include "base/error.h"
#include "base/round_up.h"

namespace assay {

Address Surroundings::allocate(int64_t bytes) {
  const int64_t padded = round_up(bytes, 64);
  const Address block = device_.allocate(padded + 2 * kGuardBytes);
  device_.fill(block, kPoison, padded + 2 * kGuardBytes);
  guarded_.push_back({block + kGuardBytes, bytes, "", nullptr});
  return guarded_.back().data;
}

Surroundings::Guarded& Surroundings::find(Address data) {
  const auto found = std::find_if(guarded_.begin(), guarded_.end(), [&](const Guarded& g) { return g.data == data; });
  ASSAY_CHECK(found != guarded_.end());
  return *found;
}

void Surroundings::put(const Tensor& tensor, const HostTensor& host, const std::string& name) {
  device_.write(tensor.data, host.bytes.data(), tensor.bytes);
  Guarded& g = find(tensor.data);
  g.name = name, g.content = &host.bytes;
}

void Surroundings::add_varied(const Tensor& tensor, const std::string& name) {
  Guarded& g = find(tensor.data);
  g.name = name, g.number = varied_++;
}

/// Of what may hold anything, the bands alone.
int64_t Surroundings::inside_bytes(const Guarded& g) { return g.name.empty() ? 0 : g.bytes; }

void Surroundings::add_to(Look& look, bool all) {
  all_ = all;
  int64_t bytes = 0;
  for (const Guarded& g : guarded_)
    if (all || g.is_varied()) bytes += 2 * kGuardBytes + inside_bytes(g);
  read_.resize(size_t(bytes));
  std::byte* next = read_.data();
  const auto add = [&](Address from, int64_t count) {
    look.ranges.push_back({next, from, count});
    next += count;
  };
  for (const Guarded& g : guarded_) {
    if (!all && !g.is_varied()) continue;
    if (const int64_t inside = inside_bytes(g); inside > 0) {
      add(g.data - kGuardBytes, inside + 2 * kGuardBytes);
    } else {
      add(g.data - kGuardBytes, kGuardBytes);
      add(g.data + g.bytes, kGuardBytes);
    }
  }
}

std::string Surroundings::changed(const std::vector<std::vector<std::byte>>& varied) const {
  std::span<const std::byte> rest(read_);
  for (const Guarded& g : guarded_) {
    if (!all_ && !g.is_varied()) continue;
    const auto inside = size_t(inside_bytes(g));
    const std::span<const std::byte> before = rest.first(kGuardBytes), content = rest.subspan(kGuardBytes, inside),
                                     behind = rest.subspan(kGuardBytes + inside, kGuardBytes);
    rest = rest.subspan(2 * kGuardBytes + inside);
    if (const int64_t at = broken_at(before); at >= 0)
      return fmt::format("wrote {} bytes before the start of a buffer", kGuardBytes - at);
    if (const int64_t at = broken_at(behind); at >= 0)
      return fmt::format("wrote {} bytes behind the end of a buffer", at + 1);
    if (inside == 0) continue;
    const std::vector<std::byte>& expected = g.content ? *g.content : varied[g.number];
    if (!same_bytes(content, std::span(expected).first(content.size())))
      return fmt::format("wrote into its input {}", g.name);
  }
  return "";
}

bool Surroundings::bands_are_whole(Address first, int64_t step, int64_t count) {
  std::vector<std::byte> bands(size_t(count * kGuardBytes));
  Look look;
  for (int64_t i = 0; i < count; ++i)
    look.ranges.push_back({&bands[size_t(i * kGuardBytes)], first + i * step, kGuardBytes});
  device_.look(look);
  return broken_at(bands) < 0;
}

int64_t Surroundings::broken_at(std::span<const std::byte> band) { return first_not_poison(band); }

}  // namespace assay
