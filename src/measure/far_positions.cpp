// Launches at positions far behind a spec's capacity.
#include "measure/far_positions.h"

#include <cmath>

#include "kernel/supports.h"
#include "proof/element_judge.h"
#include "proof/reference.h"
#include "proof/rounding_model.h"
#include "proof/weight_rows.h"
#include "spec/op.h"

namespace assay {
namespace {

constexpr int64_t kPositions = int64_t(1) << 17, kMostBytes = int64_t(256) << 20;
constexpr int kLaunches = 6;

}  // namespace

std::string FarPositions::check(const Launch& of, std::mt19937_64& random) {
  Spec spec = work_.inputs->spec();
  if (!spec.op->enlarge) return "";
  spec.op->enlarge(spec, kPositions);
  int64_t bytes = 0;
  for (size_t i = 0; i < spec.tensors.size(); ++i)
    if (spec.tensors[i].operand == Operand::cache) bytes += spec.tensors[i].bytes - of.tensors[i].bytes;
  if (bytes <= 0 || bytes > kMostBytes || !unsupported_reason(work_.variant->supports, spec).empty()) return "";
  Launch launch = of;
  std::vector<std::pair<Address, int64_t>> blocks;
  const auto borrow = [&](int64_t size) {
    blocks.emplace_back(opened_.borrow(size), size);
    return blocks.back().first;
  };
  std::string message;
  try {
    for (size_t i = 0; i < launch.tensors.size(); ++i) {
      if (spec.tensors[i].operand != Operand::cache) continue;
      launch.tensors[i] = spec.tensors[i];
      launch.tensors[i].data = borrow(spec.tensors[i].bytes);
    }
    launch.workspace_bytes = launch.kernel->workspace_bytes(launch);
    if (launch.workspace_bytes > 0) launch.workspace = borrow(launch.workspace_bytes);
    const int64_t specials = spec.op->specials, swept = spec.op->swept(spec);
    for (int i = 0; i < kLaunches && message.empty(); ++i) {
      const int64_t number = i == 0 ? swept - 1 : int64_t(random() % uint64_t(swept));
      message = check(spec, launch, {random(), int(specials + number)});
    }
  } catch (const NoRoom&) {  // what is timed needs less
  }
  for (const auto& [block, size] : blocks) opened_.give_back(block, size);
  return message;
}

std::string FarPositions::check(const Spec& spec, const Launch& launch, const OpDraw& draw) {
  MeasuredDevice& device = opened_.device();
  const SpecInputs& inputs = *work_.inputs;
  std::vector<Tensor> tensors = spec.tensors;
  std::vector<std::vector<std::byte>> bytes;
  vary_operands(inputs, spec, draw, bytes);
  size_t number = 0;
  for (const auto& [place, host] : inputs.varied) {
    tensors[place].data = bytes[number++].data();
    device.write(launch.tensors[place].data, tensors[place].data, tensors[place].bytes);
  }
  for (const auto& [place, host] : inputs.constants)
    tensors[place].data = const_cast<std::byte*>(host.bytes.data());  // nobody writes through it
  for (const Tensor& t : launch.tensors)
    if (t.use == Use::output && !t.is_sparse) device.fill(t.data, kPoison, t.bytes);
  const std::unique_ptr<Program> program = device.bind({&launch, 1});
  program->run();
  program->wait();
  OpValues in;
  in.tensors = tensors, in.decode_row = decode_row, in.decode_one = b_element;
  return compare(spec, launch, in);
}

std::string FarPositions::compare(const Spec& spec, const Launch& launch, const OpValues& in) {
  std::vector<Tensor> outputs;
  for (const Tensor& t : launch.tensors)
    if (t.use == Use::output) outputs.push_back(t);
  std::vector<ExpectedOutput> expected(outputs.size());
  spec.op->expected(spec, in, expected);
  std::vector<std::byte> bytes;
  for (size_t output = 0; output < outputs.size(); ++output) {
    const Tensor& t = outputs[output];
    if (!t.is_sparse) expected[output].written = {{0, t.values()}};
    const ExpectedValue* e = expected[output].values.data();
    for (const auto& [first, end] : expected[output].written) {
      bytes.resize(size_t(dtype_bytes(t.dtype, end - first)));
      opened_.device().read(bytes.data(), t.data + dtype_bytes(t.dtype, first), std::ssize(bytes));
      for (int64_t i = 0; i < end - first; ++i, ++e) {
        const double got = output_value(t.dtype, bytes, i),
                     allowed = e->fixed + least_subnormal(t.dtype) + kToleranceC * e->free;
        if (std::fabs(got - e->value) <= allowed) continue;
        return fmt::format(
            "in a cache of {} positions, at position {}: {}[{}] is {:.6g}, should be {:.6g}: off by {:.3g}, "
            "allowed {:.3g}",
            kPositions, in.index(0), operand_text(spec, t), (first + i) % t.dims[2], got, e->value,
            std::fabs(got - e->value), allowed);
      }
    }
  }
  return "";
}

}  // namespace assay
