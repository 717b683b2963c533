// torch_cpu: rows by LibTorch on the CPU, on as many threads as the process has; it says which BLAS is under it.
#include "opbench/framework.h"

#include <ATen/Context.h>
#include <ATen/Parallel.h>
#include <ATen/Version.h>
#include <dlfcn.h>
#include <torch/version.h>

#include "output_allocator.h"
#include "torch_operations.h"

namespace assay {
namespace {

at::Tensor view_of(void* memory, const OperationOperand& operand, bool channels_first) {
  const auto type = operand.type == ValueType::i64 ? at::kLong : at::kFloat;
  const at::Tensor tensor = at::from_blob(memory, operand.dims, at::TensorOptions(type));
  return channels_first ? tensor.movedim(-1, 1) : tensor;
}

class TorchRow final : public PreparedOperation {
 public:
  explicit TorchRow(const OperationRow& row) : row_(row), operation_(torch_operation(row)) {}
  bool is_known() const { return operation_.into || operation_.made; }
  std::string how() const override {
    if (copies_) return "copies: torch cannot write this into memory that is there";
    return operation_.how;
  }
  void bind(const void* const* inputs, void* output) override {
    inputs_.clear();
    for (size_t i = 0; i < row_.inputs.size(); ++i)
      inputs_.push_back(view_of(const_cast<void*>(inputs[i]), row_.inputs[i], operation_.channels_first));
    memory_ = output;
    output_ = view_of(output, row_.output, operation_.channels_first);
    if (operation_.made && which_ < 0) find_offer();
  }
  void run() override {
    const at::InferenceMode no_gradients;
    if (operation_.into) return operation_.into(inputs_, output_);
    offer_output(copies_ ? nullptr : memory_, size_t(row_.output.bytes()), which_);
    const at::Tensor made = operation_.made(inputs_);
    offer_output(nullptr, 0, 0);
    // Where it took other memory than it did when it was looked at, the answer must come all the same.
    if (made.data_ptr() != memory_ || made.strides() != output_.strides()) output_.copy_(made);
  }

 private:
  /// Of several requests for as many bytes as the output has, which is the output's?
  void find_offer() {
    constexpr int kMost = 4;
    const at::InferenceMode no_gradients;
    for (which_ = 0; which_ < kMost; ++which_) {
      offer_output(memory_, size_t(row_.output.bytes()), which_);
      const at::Tensor made = operation_.made(inputs_);
      offer_output(nullptr, 0, 0);
      if (made.data_ptr() == memory_ && made.strides() == output_.strides()) return;
    }
    copies_ = true;
  }

  const OperationRow& row_;
  TorchOperation operation_;
  Tensors inputs_;
  at::Tensor output_;
  void* memory_ = nullptr;
  int which_ = -1;
  bool copies_ = false;
};

/// What answers for BLAS in this process, asked for by a name that only OpenBLAS has.
std::string blas() {
  const auto config = reinterpret_cast<char* (*)()>(dlsym(RTLD_DEFAULT, "openblas_get_config"));
  if (config) return config();
  for (const char* file : {"libopenblas.so.0", "libblas.so.3"})
    if (void* library = dlopen(file, RTLD_NOLOAD | RTLD_LAZY))
      if (const auto found = reinterpret_cast<char* (*)()>(dlsym(library, "openblas_get_config"))) return found();
  return "";
}

/// The vectors that torch chose: "AVX512".
std::string capability() {
  const std::string config = at::show_config(), mark = "CPU capability usage: ";
  const size_t begin = config.find(mark);
  if (begin == std::string::npos) return "vectors unknown";
  return config.substr(begin + mark.size(), config.find_first_of(" \n", begin + mark.size()) - begin - mark.size());
}

void limit_blas(int threads) {
  if (void* library = dlopen("libopenblas.so.0", RTLD_NOLOAD | RTLD_LAZY))
    if (const auto set = reinterpret_cast<void (*)(int)>(dlsym(library, "openblas_set_num_threads"))) set(threads);
}

class TorchCpu final : public Framework {
 public:
  explicit TorchCpu(const ThreadTeam& team) : threads_(team.count) {
    install_output_allocator();
    at::set_num_threads(threads_);
    limit_blas(threads_);
    // A torch over reference BLAS would be slow for a reason that is not torch's.
    const std::string found = blas();
    TORCH_CHECK(found.find("OpenBLAS") != std::string::npos,
                "torch has no OpenBLAS under it: install libopenblas0-pthread (Debian's alternatives choose it)");
    TORCH_CHECK(at::get_num_threads() == threads_, "torch does not keep to ", threads_, " threads");
  }
  void wake() override {
    at::parallel_for(0, threads_, 1, [](int64_t, int64_t) {});
  }
  std::string version() override {
    return std::string("LibTorch ") + TORCH_VERSION + ", BLAS: " + blas() +
           ", MKL-DNN: " + (at::globalContext().userEnabledMkldnn() && at::hasMKLDNN() ? "yes" : "no") + ", " +
           capability() + ", " + std::to_string(at::get_num_threads()) + " threads";
  }
  std::unique_ptr<PreparedOperation> prepare(const OperationRow& row, std::string& why_not) override {
    auto made = std::make_unique<TorchRow>(row);
    if (made->is_known()) return made;
    why_not = "torch has no such operation";
    return nullptr;
  }

 private:
  int threads_;
};

}  // namespace
}  // namespace assay

ASSAY_FRAMEWORK(assay::TorchCpu)
