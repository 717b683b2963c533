// Launches at positions far behind a spec's capacity.
#include "measure/far_positions.h"

#include "kernel/supports.h"
#include "measure/number_sweep.h"

namespace assay {
namespace {

constexpr int64_t kPositions = int64_t(1) << 17, kMostBytes = int64_t(256) << 20;
constexpr int64_t kLeast = 64;  // launches
constexpr double kUsualMs = 5;

}  // namespace

std::string FarPositions::check(const Launch& of, const LaunchInputs& base, std::mt19937_64& random) {
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
    SweptProof proof(*work_.proof, spec, base, work_.variant->accuracy, nullptr);
    message = NumberSweep(opened_, launch, proof).run({kLeast, kUsualMs, kUsualMs, kUsualMs}, random);
  } catch (const NoRoom&) {  // what is timed needs less
  }
  for (const auto& [block, size] : blocks) opened_.give_back(block, size);
  return message.empty() ? "" : fmt::format("in a cache of {} positions, {}", kPositions, message);
}

}  // namespace assay
