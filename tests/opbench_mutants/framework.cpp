// A framework that does what $ASSAY_TEST_FRAMEWORK says: ReLU rightly, or wrong in one way.
#include "opbench/framework.h"

#include <signal.h>
#include <unistd.h>

#include <algorithm>
#include <cstdlib>
#include <cstring>
#include <fstream>
#include <new>
#include <stdexcept>

namespace assay {
namespace {

std::string behaviour() {
  const char* said = std::getenv("ASSAY_TEST_FRAMEWORK");
  return said ? said : "right";
}

class Relu final : public PreparedOperation {
 public:
  explicit Relu(int64_t count) : count_(count), does_(behaviour()) {}
  void bind(const void* const* inputs, void* output) override {
    x_ = static_cast<const float*>(inputs[0]);
    y_ = static_cast<float*>(output);
  }
  void run() override {
    ++calls_;
    if (does_ == "crash") raise(SIGSEGV);
    if (does_ == "hang") pause();
    if (does_ == "exit") std::_Exit(3);
    if (does_ == "throw") throw std::runtime_error("no such stream");
    if (does_ == "says much") {
      std::string much = "!";
      for (int i = 0; i < 1000; ++i) much += "\u00e4";
      throw std::runtime_error(much);
    }
    if (does_ == "no memory") throw std::bad_alloc();
    if (does_ == "eats memory") eat();
    if (does_ == "nothing") return;
    if (does_ == "remembers" && calls_ > 1) {  // the first answer for all inputs
      std::memcpy(y_, first_.data(), size_t(count_) * sizeof(float));
      return;
    }
    for (int64_t i = 0; i < count_; ++i) y_[i] = std::max(x_[i], 0.0f);
    if (does_ == "wrong") y_[count_ / 2] += 0.25f;
    if (does_ == "tail") y_[count_ - 1] = -1;
    if (does_ == "remembers") first_.assign(y_, y_ + count_);
    if (does_ == "writes too far") y_[count_] = 1;
    if (does_ == "changes inputs") const_cast<float*>(x_)[0] = 1;
  }
  /// A device that says that it took an hour.
  double device_us() override { return does_ == "slow clock" ? 3.6e9 : 0; }

 private:
  /// Until somebody ends it, or it has a gigabyte.
  static void eat() {
    constexpr size_t kPiece = size_t(16) << 20;
    for (int i = 0; i < 64; ++i) std::memset(new char[kPiece], 1, kPiece);
  }

  int64_t count_;
  std::string does_;
  const float* x_ = nullptr;
  float* y_ = nullptr;
  std::vector<float> first_;
  int calls_ = 0;
};

class Mutant final : public Framework {
 public:
  explicit Mutant(const ThreadTeam&) {
    if (behaviour() == "fails to load") throw std::runtime_error("its driver is too old");
    if (behaviour() == "crashes at load") raise(SIGABRT);
    if (const char* sign = std::getenv("ASSAY_TEST_SIGN")) std::ofstream(sign) << behaviour();
    if (behaviour() == "hangs at load") pause();
  }
  std::string version() override { return behaviour() == "odd version" ? "a\n\x1b[31m\xff b" : "test 1"; }
  std::unique_ptr<PreparedOperation> prepare(const OperationRow& row, std::string& why_not) override {
    if (row.operation == Operation::relu && behaviour() != "lacks it")
      return std::make_unique<Relu>(row.output.elements());
    why_not = "only ReLU";
    return nullptr;
  }
};

}  // namespace
}  // namespace assay

ASSAY_FRAMEWORK(assay::Mutant)
