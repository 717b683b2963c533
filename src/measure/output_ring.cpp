// The buffers that the launches of one sample write D into.
#include "measure/output_ring.h"

#include <algorithm>

#include "base/round_up.h"
#include "proof/inputs.h"

namespace assay {

int64_t OutputRing::Part::start(int64_t slot) const { return kGuardBytes + slot * step; }

int64_t OutputRing::span_bytes(const Part& part, int64_t used) { return kGuardBytes + used * part.step; }

OutputRing::OutputRing(MeasuredDevice& device, const std::vector<Tensor>& d, int64_t slots,
                       const std::vector<std::span<const float>>& weights)
    : device_(device) {
  int64_t slot_bytes = 0;
  for (const Tensor& t : d) {
    parts_.push_back({t.operand,
                      t.segment,
                      t.dtype,
                      t.bytes,
                      round_up(t.bytes, 64) + kGuardBytes,
                      nullptr,
                      device.can_survey() && !t.is_sparse && t.dtype != Dtype::i32,
                      t.is_sparse,
                      nullptr,
                      0,
                      {},
                      0,
                      t.dims[2],
                      {},
                      nullptr,
                      {}});
    if (!weights.empty()) give_weights(parts_.back(), weights[parts_.size() - 1]);
    slot_bytes += parts_.back().step;
  }
  slots_ = std::min(slots, std::max(kRingBytes / slot_bytes, kLeastSlots));
  for (Part& part : parts_) {
    constexpr int64_t kFarRows = 4, kMostFar = int64_t(1) << 20, kPage = 4096;
    const int64_t rows = std::min(kFarRows * dtype_bytes(part.dtype, part.columns), kMostFar);
    part.far_bytes = (rows + kPage - 1) / kPage * kPage;  // slots begin where they would without it
    const int64_t bytes = span_bytes(part, slots_) + 2 * part.far_bytes;
    part.memory = device_.allocate(bytes);
    device_.fill(part.memory, kPoison, bytes);
    part.memory += part.far_bytes;
  }
  poison(slots_);
}

void OutputRing::give_weights(Part& part, std::span<const float> weights) {
  part.weights = weights;
  if (!part.is_surveyed || weights.empty()) return;
  const auto bytes = int64_t(part.weights.size_bytes());
  part.device_weights = device_.allocate(bytes);
  device_.write(part.device_weights, part.weights.data(), bytes);
}

int64_t OutputRing::bytes_to_bring() const {
  int64_t bytes = 0;
  for (const Part& part : parts_) bytes += part.is_surveyed ? 0 : part.step;
  return bytes;
}

void OutputRing::bind(Launch& launch, int64_t slot) const {
  for (Tensor& t : launch.tensors)
    for (const Part& part : parts_)
      if (t.operand == part.operand && t.segment == part.segment) t.data = part.memory + part.start(slot);
}

void OutputRing::poison(int64_t used) {
  for (const Part& part : parts_) device_.fill(part.memory, kPoison, span_bytes(part, used));
}

GuardedBuffers OutputRing::used_buffers(const Part& part) const {
  GuardedBuffers buffers;
  buffers.memory = part.memory;
  buffers.guard = kGuardBytes, buffers.bytes = part.bytes, buffers.step = part.step, buffers.count = used_;
  buffers.dtype = part.dtype;
  return buffers;
}

void OutputRing::make_room(Part& part) const {
  const int64_t bytes = span_bytes(part, used_);
  if (bytes <= part.host_bytes) return;
  part.host = std::make_unique_for_overwrite<std::byte[]>(size_t(bytes));
  part.host_bytes = bytes;
}

void OutputRing::add_survey(Look& look, int64_t used) {
  used_ = used;
  for (Part& part : parts_) {
    if (!part.is_surveyed) {
      make_room(part);
      look.ranges.push_back({part.host.get(), part.memory, span_bytes(part, used)});
      continue;
    }
    look.buffers.push_back(used_buffers(part));
    if (part.weights.empty()) continue;
    part.sums.resize(size_t(used * part.sums_of_slot()));
    look.buffers.back().columns = part.columns;
    look.buffers.back().weights = part.device_weights;
    look.buffers.back().sums = part.sums.data();
  }
}

void OutputRing::add_slots(Look& look, int64_t first, int64_t last) {
  for (Part& part : parts_) {
    if (!part.is_surveyed) continue;  // is there
    make_room(part);
    const int64_t from = first * part.step;
    look.ranges.push_back({part.host.get() + from, part.memory + from, span_bytes(part, last) - from});
  }
}

std::optional<bool> OutputRing::surveyed(const Look& look) {
  if (look.seen.empty()) return std::nullopt;
  size_t next = 0;
  bool is_whole = true;
  for (Part& part : parts_) {
    if (!part.is_surveyed) continue;
    part.seen = look.seen[next++];
    is_whole &= part.seen.whole;
  }
  return is_whole;
}

std::span<const double> OutputRing::projected(int64_t slot) {
  joined_sums_.clear();
  for (Part& part : parts_) {
    const int64_t count = part.sums_of_slot();
    const auto at = joined_sums_.size();
    joined_sums_.resize(at + size_t(count));
    if (part.is_surveyed)
      std::copy_n(part.sums.begin() + slot * count, count, joined_sums_.begin() + int64_t(at));
    else if (count > 0)
      project(part.dtype, &part.host[size_t(part.start(slot))], part.bytes / dtype_bytes(part.dtype, 1), part.columns,
              part.weights.data(), &joined_sums_[at]);
  }
  return joined_sums_;
}

std::span<const std::byte> OutputRing::slot(int64_t slot) {
  if (parts_.size() == 1) return {parts_[0].host.get() + parts_[0].start(slot), size_t(parts_[0].bytes)};
  joined_.clear();
  for (const Part& part : parts_) {
    const auto at = joined_.size();
    joined_.resize(at + size_t(part.bytes));  // of what was not read the content does not matter
    if (part.host) std::copy_n(part.host.get() + part.start(slot), part.bytes, &joined_[at]);
  }
  return joined_;
}

std::string OutputRing::broken_guard(bool all_read) const {
  for (const Part& part : parts_)
    for (int64_t i = 0; i <= used_ && (all_read || !part.is_surveyed); ++i) {
      // Before slot i; after slot i - 1 it also covers what rounding up left free.
      const int64_t begin = i == 0 ? 0 : part.start(i - 1) + part.bytes, end = part.start(i);
      const int64_t at = first_not_poison({part.host.get() + begin, part.host.get() + end});
      if (at < 0) continue;
      if (i == 0) return fmt::format("wrote {} bytes before the start of a buffer", end - begin - at);
      return fmt::format("wrote {} bytes behind the end of a buffer", at + 1);
    }
  return "";
}

/// Where in a stretch of the device's memory the first byte is no poison, -1 if none. By pieces that stay in a cache.
int64_t OutputRing::first_broken(Address memory, int64_t bytes) const {
  constexpr int64_t kPiece = int64_t(1) << 16;
  std::vector<std::byte> piece(size_t(std::min(bytes, kPiece)));
  for (int64_t at = 0; at < bytes; at += kPiece) {
    const std::span<std::byte> part = std::span(piece).first(size_t(std::min(bytes - at, kPiece)));
    device_.read(part.data(), memory + at, std::ssize(part));
    if (const int64_t broken = first_not_poison(part); broken >= 0) return at + broken;
  }
  return -1;
}

std::string OutputRing::broken_far() {
  for (const Part& part : parts_) {
    if (const int64_t at = first_broken(part.memory - part.far_bytes, part.far_bytes); at >= 0)
      return fmt::format("wrote {} bytes before the start of a buffer", kGuardBytes + part.far_bytes - at);
    if (const int64_t at = first_broken(part.memory + span_bytes(part, slots_), part.far_bytes); at >= 0)
      return fmt::format("wrote {} bytes behind the end of a buffer",
                         span_bytes(part, slots_) - part.start(slots_ - 1) - part.bytes + at + 1);
  }
  return "";
}

void OutputRing::restore_sparse() {
  for (const Part& part : parts_)
    if (part.is_sparse && used_ > 0) device_.write(part.memory, part.host.get(), span_bytes(part, used_));
}

bool OutputRing::unchanged() {
  Look look;
  for (const Part& part : parts_)
    if (part.is_surveyed) look.buffers.push_back(used_buffers(part));
  if (!look.buffers.empty()) device_.look(look);
  size_t next = 0;
  std::vector<std::byte> now;
  for (const Part& part : parts_) {
    if (part.is_surveyed) {
      if (!(part.seen == look.seen[next++])) return false;
      continue;
    }
    now.resize(size_t(span_bytes(part, used_)));
    device_.read(now.data(), part.memory, int64_t(now.size()));
    if (!same_bytes(now, {part.host.get(), now.size()})) return false;
  }
  return true;
}

}  // namespace assay
