// Weights of a launch in memory of their own.
#include "measure/unread_weights.h"

#include <algorithm>

#include "base/round_up.h"
#include "proof/unread_rows.h"

namespace assay {
namespace {

constexpr int64_t kMostBytes = int64_t(64) << 20;

std::vector<UnreadRows> unread_rows_of(const Proof& proof, const Variation& variation) {
  const Spec& spec = proof.inputs().spec();
  std::vector<std::vector<std::byte>> varied;
  proof.varied(variation, varied);
  std::vector<Tensor> tensors = spec.tensors;
  size_t number = 0;
  for (Tensor& t : tensors)
    if (t.use == Use::varied) t.data = varied[number++].data();
  OpValues values;
  values.tensors = tensors;
  return unread_rows(spec, &values);
}

}  // namespace

UnreadWeights::~UnreadWeights() {
  for (const auto& [block, bytes] : blocks_) opened_.give_back(block, bytes);
}

std::optional<Launch> UnreadWeights::launch(const Launch& of, const LaunchInputs& inputs, bool even_if_all_are_read) {
  const Spec& spec = work_.inputs->spec();
  if (work_.variant->prepares || spec.bytes(Use::weight) > kMostBytes) return {};
  const std::vector<UnreadRows> unread = unread_rows_of(*work_.proof, inputs.a);
  if (unread.empty() && !even_if_all_are_read) return {};
  MeasuredDevice& device = opened_.device();
  Launch launch = of;
  std::vector<std::byte> bytes;
  size_t weight = 0;
  for (Tensor& t : launch.tensors) {
    if (t.use != Use::weight) continue;
    const std::byte* const values = work_.inputs->b(inputs.copy)[weight].data;
    if (weight == blocks_.size()) {
      const int64_t edge = kGuardBytes + kFileAlignment, all = t.bytes + kGuardBytes + edge,
                    scales = t.scales ? round_up(t.scale_bytes, kGuardBytes) + kGuardBytes : 0;
      blocks_.emplace_back(opened_.borrow(all + scales), all + scales);
      device.fill(blocks_.back().first, kPoison, edge);
      device.fill(blocks_.back().first + all - edge, kPoison, edge + scales);
    }
    // Where a mapped file may have it; a cache is memory of the engine's own, as all of a GPU's is.
    const bool is_in_file = t.operand == Operand::b && !work_.device->one_worker;
    t.data = blocks_[weight].first + kGuardBytes + (is_in_file ? kFileAlignment : 0);
    if (t.scales) {
      t.scales = blocks_[weight].first + blocks_[weight].second - round_up(t.scale_bytes, kGuardBytes) - kGuardBytes;
      device.write(t.scales, work_.inputs->b(inputs.copy)[weight].scales, t.scale_bytes);
    }
    const bool is_all_read =
        std::none_of(unread.begin(), unread.end(), [weight](const UnreadRows& rows) { return rows.weight == weight; });
    if (is_all_read) {
      device.write(t.data, values, t.bytes);
    } else {
      bytes.assign(values, values + t.bytes);
      for (const UnreadRows& rows : unread)
        if (rows.weight == weight) poison_rows(t, bytes.data(), rows, inputs.a.signs);
      device.write(t.data, bytes.data(), t.bytes);
    }
    ++weight;
  }
  return launch;
}

}  // namespace assay
