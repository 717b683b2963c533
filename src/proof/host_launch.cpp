// A launch's operands on the host.
#include "proof/host_launch.h"

#include "base/random.h"
#include "ops/variation.h"
#include "proof/reference.h"
#include "proof/weight_rows.h"

namespace assay {
namespace {

double roundoff_of(Accuracy accuracy) {
  return accuracy == Accuracy::f16_activation    ? unit_roundoff(Dtype::f16)
         : accuracy == Accuracy::bf16_activation ? unit_roundoff(Dtype::bf16)
                                                 : 0;
}

}  // namespace

/// All but the first of a piece that is drawn: who looks at one value or at a few must not find it out.
std::vector<std::byte> other_constant(const SpecInputs& inputs, size_t place, uint64_t drawn) {
  const HostTensor& host = inputs.constants.at(place);
  const Dtype dtype = inputs.spec().tensors[place].dtype;
  std::vector<std::byte> bytes = host.bytes;
  const int64_t count = std::ssize(host.values);
  const int64_t first = draw_index(random_bits(drawn), count), last = first + int64_t(drawn % uint64_t(count - first));
  for (int64_t i = first; i <= last; ++i)
    encode_value(dtype, host.values[size_t(i)] * (random_bits(drawn + uint64_t(i)) & 1 ? 2 : 0.5),
                 &bytes[size_t(dtype_bytes(dtype, i))]);
  return bytes;
}

HostLaunch::HostLaunch(const Proof& proof, const LaunchInputs& launch, Accuracy accuracy)
    : tensors_(proof.inputs().spec().tensors) {
  const SpecInputs& inputs = proof.inputs();
  proof.varied(launch.a, varied_);
  size_t varied = 0, weight = 0;
  for (size_t i = 0; i < tensors_.size(); ++i) {
    Tensor& t = tensors_[i];
    if (t.use == Use::weight) t = inputs.b(launch.copy)[weight++];
    if (t.use == Use::varied) t.data = varied_[varied++].data();
    if (t.use == Use::constant && launch.a.constants != 0) {
      constants_.push_back(other_constant(inputs, i, launch.a.constants));
      t.data = constants_.back().data();
      continue;
    }
    // Nobody writes through it.
    if (t.use == Use::constant) t.data = const_cast<std::byte*>(inputs.constants.at(i).bytes.data());
  }
  values_ = {tensors_, decode_row, b_element, roundoff_of(accuracy), accuracy};
}

}  // namespace assay
