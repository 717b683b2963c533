// torch_cuda: rows by LibTorch on an NVIDIA GPU, in plain f32: TF32 stays off.
#include <ATen/Context.h>
#include <ATen/Version.h>
#include <torch/version.h>

#include "opbench/cuda/device_row.h"
#include "opbench/torch_cpu/torch_operations.h"

namespace assay {
namespace {

at::Tensor view_of(const void* memory, const OperationOperand& operand, bool channels_first) {
  const auto type = operand.type == ValueType::i64 ? at::kLong : at::kFloat;
  const at::Tensor tensor =
      at::from_blob(const_cast<void*>(memory), operand.dims, at::TensorOptions(type).device(at::Device(at::kCUDA, 0)));
  return channels_first ? tensor.movedim(-1, 1) : tensor;
}

class TorchCudaRow final : public PreparedOperation {
 public:
  explicit TorchCudaRow(const OperationRow& row)
      : row_(row), operation_(torch_operation(row)), device_(row.output.bytes()) {}
  bool is_known() const { return operation_.into || operation_.made; }
  std::string how() const override {
    if (!operation_.made) return operation_.how;
    const std::string where = "into memory of torch's own allocator";
    return operation_.how.empty() ? where : operation_.how + ", " + where;
  }
  void see(const std::vector<MemoryBlock>& inputs, MemoryBlock output) override { device_.see(inputs, output); }
  void bind(const void* const* inputs, void* output) override {
    device_.bind(inputs, output);
    inputs_.clear();
    for (size_t i = 0; i < row_.inputs.size(); ++i)
      inputs_.push_back(view_of(device_.inputs()[i], row_.inputs[i], operation_.channels_first));
    output_ = view_of(device_.output(), row_.output, operation_.channels_first);
  }
  void run() override {
    const at::InferenceMode no_gradients;
    device_.begin();
    try {
      if (operation_.into)
        operation_.into(inputs_, output_);
      else
        made_ = operation_.made(inputs_);
    } catch (const c10::OutOfMemoryError&) {
      throw std::bad_alloc();
    } catch (const c10::Error& e) {
      throw std::runtime_error(e.what_without_backtrace());
    }
  }
  void wait() override { device_.wait(); }
  double device_us() override { return device_.device_us(); }
  void fetch(const int64_t* words, size_t count) override {
    const at::InferenceMode no_gradients;
    if (operation_.made) output_.copy_(made_);  // what it made is compared, not timed
    device_.fetch(words, count);
  }

 private:
  const OperationRow& row_;
  TorchOperation operation_;
  DeviceRow device_;
  Tensors inputs_;
  at::Tensor output_, made_;
};

class TorchCuda final : public Framework {
 public:
  explicit TorchCuda(const ThreadTeam&) {
    TORCH_CHECK(at::hasCUDA(), "this LibTorch has no CUDA, or finds no GPU");
    at::globalContext().setAllowTF32CuDNN(false);
    at::globalContext().setAllowTF32CuBLAS(false);
  }
  std::string version() override { return std::string("LibTorch ") + TORCH_VERSION + ", " + cuda_device_text(); }
  std::unique_ptr<PreparedOperation> prepare(const OperationRow& row, std::string& why_not) override {
    auto made = std::make_unique<TorchCudaRow>(row);
    if (made->is_known()) return made;
    why_not = "torch has no such operation";
    return nullptr;
  }
};

}  // namespace
}  // namespace assay

ASSAY_FRAMEWORK(assay::TorchCuda)
