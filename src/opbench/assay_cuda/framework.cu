// assay_cuda: assay's own code on an NVIDIA GPU, no library's.
#include "own_operations.h"

namespace assay {
namespace {

class OwnDeviceOperation final : public PreparedOperation {
 public:
  OwnDeviceOperation(DeviceRun run, const OperationRow& row) : run_(std::move(run)), row_(row.output.bytes()) {}
  void see(const std::vector<MemoryBlock>& inputs, MemoryBlock output) override { row_.see(inputs, output); }
  void bind(const void* const* inputs, void* output) override { row_.bind(inputs, output); }
  void run() override {
    row_.begin();
    run_(row_.inputs(), row_.output());
  }
  void wait() override { row_.wait(); }
  double device_us() override { return row_.device_us(); }
  void fetch(const int64_t* words, size_t count) override { row_.fetch(words, count); }

 private:
  DeviceRun run_;
  DeviceRow row_;
};

class AssayCuda final : public Framework {
 public:
  explicit AssayCuda(const ThreadTeam&) {}
  std::string version() override { return cuda_device_text(); }
  std::unique_ptr<PreparedOperation> prepare(const OperationRow& row, std::string& why_not) override {
    for (const auto& make : {make_elementwise, make_reduction, make_lines, make_moves, make_scatter, make_sort,
                             make_product, make_attention})
      if (DeviceRun run = make(row)) return std::make_unique<OwnDeviceOperation>(std::move(run), row);
    why_not = "assay has no own code for it on a GPU";
    return nullptr;
  }
};

}  // namespace
}  // namespace assay

ASSAY_FRAMEWORK(assay::AssayCuda)
