// A launch's operands on the host.
#include "proof/host_launch.h"

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

HostLaunch::HostLaunch(const Proof& proof, const LaunchInputs& launch, Accuracy accuracy)
    : tensors_(proof.inputs().spec().tensors) {
  const SpecInputs& inputs = proof.inputs();
  proof.varied(launch.a, varied_);
  size_t varied = 0, weight = 0;
  for (size_t i = 0; i < tensors_.size(); ++i) {
    Tensor& t = tensors_[i];
    if (t.use == Use::weight) t = inputs.b(launch.copy)[weight++];
    if (t.use == Use::varied) t.data = varied_[varied++].data();
    // Nobody writes through it.
    if (t.use == Use::constant) t.data = const_cast<std::byte*>(inputs.constants.at(i).bytes.data());
  }
  values_ = {tensors_, decode_row, b_element, roundoff_of(accuracy), accuracy};
}

}  // namespace assay
