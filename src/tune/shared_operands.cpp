// What the launches of a step share by name.
#include "tune/shared_operands.h"

#include <algorithm>
#include <cstddef>

namespace assay {
namespace {

constexpr int64_t kLeastBytes = 64;

const PassOperand* operand_of(const std::vector<PassOperand>& operands, const Tensor& tensor) {
  const auto found = std::find_if(operands.begin(), operands.end(), [&](const PassOperand& o) {
    return o.part == tensor.operand && o.segment == tensor.segment && !o.is_weight;
  });
  return found == operands.end() || found->name == "tokens" || found->name == "position" ? nullptr : &*found;
}

int64_t skipped_bytes(const PassOperand& operand, const Tensor& tensor) {
  return operand.skipped_rows * tensor.bytes / tensor.dims[1];
}

}  // namespace

void SharedOperands::list(const std::vector<PassOperand>& operands, const Launch& launch) {
  for (const Tensor& t : launch.tensors) {
    const PassOperand* operand = operand_of(operands, t);
    if (!operand || !t.data) continue;
    if (t.use == Use::weight) {
      caches_.try_emplace(operand->name, t.data, t.bytes);
      continue;
    }
    Buffer& buffer = buffers_[operand->name];
    buffer.bytes = std::max(buffer.bytes, t.bytes + skipped_bytes(*operand, t));
  }
  workspace_.bytes = std::max(workspace_.bytes, launch.workspace_bytes);
}

void SharedOperands::put(const std::vector<PassOperand>& operands, Launch& launch) {
  for (Tensor& t : launch.tensors) {
    const PassOperand* operand = operand_of(operands, t);
    if (!operand || !t.data || t.use == Use::weight) continue;
    if (const auto cache = caches_.find(operand->name); cache != caches_.end()) {
      if (cache->second.second == t.bytes) t.data = cache->second.first;
      continue;
    }
    Buffer& buffer = buffers_.at(operand->name);
    if (!buffer.memory) {
      buffer.memory = device_.allocate(std::max(buffer.bytes, kLeastBytes));
      device_.fill(buffer.memory, 0, buffer.bytes);
    }
    const Address place = buffer.memory + skipped_bytes(*operand, t);
    if (t.use != Use::output && !std::exchange(buffer.is_filled, true)) {
      std::vector<std::byte> bytes(static_cast<size_t>(t.bytes));
      device_.read(bytes.data(), t.data, t.bytes);
      device_.write(place, bytes.data(), t.bytes);
    }
    t.data = place;
  }
  if (launch.workspace_bytes == 0) return;
  if (!workspace_.memory) workspace_.memory = device_.allocate(workspace_.bytes);
  launch.workspace = workspace_.memory;
}

}  // namespace assay
