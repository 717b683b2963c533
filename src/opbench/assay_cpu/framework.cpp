// assay_cpu: assay's own code, no other library's.
#include "own_operations.h"
#include "vectors.h"

namespace assay {
namespace {

class OwnOperation final : public PreparedOperation {
 public:
  OwnOperation(OwnRun run, size_t inputs) : run_(std::move(run)), inputs_(inputs) {}
  void bind(const void* const* inputs, void* output) override {
    inputs_.assign(inputs, inputs + inputs_.size());
    output_ = output;
  }
  void run() override { run_(inputs_.data(), output_); }

 private:
  OwnRun run_;
  std::vector<const void*> inputs_;
  void* output_ = nullptr;
};

class AssayCpu final : public Framework {
 public:
  explicit AssayCpu(const ThreadTeam& team) : team_(team) {}
  void wake() override {
    team_.run([](int, int, void*) {}, nullptr);
  }
  std::string version() override {
    return std::to_string(kLanes) + " lanes, " + std::to_string(team_.count) + " threads";
  }
  std::unique_ptr<PreparedOperation> prepare(const OperationRow& row, std::string& why_not) override {
    for (const auto& make : {make_elementwise, make_reduction, make_lines, make_moves, make_scatter, make_sort,
                             make_convolution, make_product, make_attention})
      if (OwnRun run = make(row, team_)) return std::make_unique<OwnOperation>(std::move(run), row.inputs.size());
    why_not = "assay has no own code for it";
    return nullptr;
  }

 private:
  ThreadTeam team_;
};

}  // namespace
}  // namespace assay

ASSAY_FRAMEWORK(assay::AssayCpu)
