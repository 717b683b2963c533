// mlx_cpu: rows by MLX's C++ API on its CPU backend. It computes lazily, so each run ends when what it made is evaluated.
#include "opbench/framework.h"

#include <dlfcn.h>
#include <mlx/mlx.h>

#include <cstring>
#include <optional>
#include <stdexcept>

#include "mlx_operations.h"

namespace assay {
namespace {

mx::Shape shape_of(const OperationOperand& operand) {
  mx::Shape shape;
  for (const int64_t size : operand.dims) shape.push_back(mx::ShapeElem(size));
  return shape;
}

mx::Dtype type_of(const OperationOperand& operand) {
  return operand.type == ValueType::i64 ? mx::int64 : mx::float32;
}

/// How far MLX's data lie behind where its allocator's blocks begin.
std::ptrdiff_t data_offset() {
  mx::allocator::Buffer block = mx::allocator::malloc(64);
  const std::ptrdiff_t offset = static_cast<std::byte*>(block.raw_ptr()) - static_cast<std::byte*>(block.ptr());
  mx::allocator::free(block);
  return offset;
}

/// An array over memory that stays where it is, and that MLX neither writes nor frees: somebody else holds it as well.
mx::array view_of(const void* memory, const OperationOperand& operand, std::ptrdiff_t offset) {
  std::byte* const block = static_cast<std::byte*>(const_cast<void*>(memory)) - offset;
  return mx::array(mx::allocator::Buffer(block), shape_of(operand), type_of(operand), [](mx::allocator::Buffer) {});
}

class MlxRow final : public PreparedOperation {
 public:
  MlxRow(const OperationRow& row, MlxOperation operation)
      : row_(row), operation_(std::move(operation)), offset_(data_offset()) {
    // What it makes and lets go it may keep and take again: then no page of the output is new when it is timed.
    int64_t bytes = row.output.bytes() + row.scratch_bytes;
    for (const OperationOperand& input : row.inputs) bytes += 2 * input.bytes();
    mx::set_cache_limit(size_t(bytes));
  }
  std::string how() const override { return "allocates its output, in memory that its allocator kept"; }
  void bind(const void* const* inputs, void* output) override {
    inputs_.clear();
    for (size_t i = 0; i < row_.inputs.size(); ++i) inputs_.push_back(view_of(inputs[i], row_.inputs[i], offset_));
    output_ = static_cast<std::byte*>(output);
    // The next output is likely to lie where this one does.
    if (made_) std::memset(made_->data<std::byte>(), 0xff, made_->nbytes());
    made_.reset();
  }
  void run() override {
    made_.reset();
    made_.emplace(mx::contiguous(operation_(inputs_)));
    mx::eval(*made_);
  }
  void fetch(const int64_t* words, size_t count) override {
    if (made_->shape() != shape_of(row_.output) || made_->dtype() != type_of(row_.output))
      throw std::runtime_error("MLX's output has another shape or type");
    const std::byte* const from = made_->data<std::byte>();
    if (!words) std::memcpy(output_, from, size_t(row_.output.bytes()));
    for (size_t i = 0; words && i < count; ++i) std::memcpy(output_ + words[i] * 4, from + words[i] * 4, 4);
  }

 private:
  const OperationRow& row_;
  MlxOperation operation_;
  std::ptrdiff_t offset_;
  MlxArrays inputs_;
  std::byte* output_ = nullptr;
  std::optional<mx::array> made_;
};

/// What answers for BLAS in this process, asked for by a name that only OpenBLAS has.
std::string blas() {
  for (const char* file : {"libopenblas.so.0", "libblas.so.3"})
    if (void* library = dlopen(file, RTLD_NOLOAD | RTLD_LAZY))
      if (const auto found = reinterpret_cast<char* (*)()>(dlsym(library, "openblas_get_config"))) return found();
  return "not OpenBLAS";
}

std::string device_name() {
  const auto& info = mx::device_info(mx::Device(mx::Device::cpu));
  const auto found = info.find("device_name");
  const auto* const name = found == info.end() ? nullptr : std::get_if<std::string>(&found->second);
  return name ? *name : "no name";
}

class MlxCpu final : public Framework {
 public:
  explicit MlxCpu(const ThreadTeam& team) : threads_(team.count) {
    const mx::Device cpu(mx::Device::cpu);
    if (!mx::is_available(cpu)) throw std::runtime_error("this MLX was built without its CPU backend");
    mx::set_default_device(cpu);
    if (mx::default_device() != cpu) throw std::runtime_error("MLX does not keep to its CPU backend");
  }
  void wake() override { mx::eval(mx::add(mx::array(1.0f), mx::array(1.0f))); }
  std::string version() override {
    return std::string("MLX ") + mx::version() + ", device cpu (" + device_name() + "), BLAS: " + blas() + ", " +
           std::to_string(threads_) + " threads in BLAS, one for all else";
  }
  std::unique_ptr<PreparedOperation> prepare(const OperationRow& row, std::string& why_not) override {
    MlxOperation operation = mlx_operation(row);
    if (operation) return std::make_unique<MlxRow>(row, std::move(operation));
    why_not = "MLX has no such operation";
    return nullptr;
  }

 private:
  int threads_;
};

}  // namespace
}  // namespace assay

ASSAY_FRAMEWORK(assay::MlxCpu)
