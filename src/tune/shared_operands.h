// What the launches of a step share by name: buffers that one op writes and the next one reads, caches, the workspace.
#pragma once
#include <map>
#include <string>
#include <vector>

#include "backend/device.h"
#include "model/forward_pass.h"

namespace assay {

/// Launches that were bound with memory of their own get what they share in a session. What is set from outside (token
/// numbers, positions) stays each launch's own.
class SharedOperands {
 public:
  explicit SharedOperands(Device& device) : device_(device) {}

  /// All launches come here first.
  void list(const std::vector<PassOperand>& operands, const Launch& launch);
  /// A buffer begins with what the first launch that reads it had there.
  void put(const std::vector<PassOperand>& operands, Launch& launch);

 private:
  struct Buffer {
    int64_t bytes = 0;
    Address memory = nullptr;
    bool is_filled = false;
  };

  Device& device_;
  std::map<std::string, Buffer> buffers_;
  std::map<std::string, std::pair<Address, int64_t>> caches_;  // of those that read them: cold, a place for each layer
  Buffer workspace_;
};

}  // namespace assay
