// Laws of programs on the CPU: launches run in order, each sees what those before it wrote, and a failure is told.
#include <gtest/gtest.h>

#include <atomic>
#include <filesystem>
#include <fstream>

#include "assay_program.h"
#include "backend/cpu/cpu_backend.h"
#include "base/error.h"
#include "kernel/build_cache.h"
#include "kernel/manifest.h"

namespace assay {
namespace {
namespace fs = std::filesystem;

// D = A + 1 in each thread's share, where D of a launch may be the next one's A: a thread that ran ahead would read
// what another has not written yet, as each reads the share of its neighbour.
constexpr const char* kShift = R"(#include "assay_kernel.h"
static const assay_tensor* find(const assay_call* c, uint32_t role) {
  for (uint32_t i = 0; i < c->tensor_count; ++i)
    if (c->tensors[i].role == role) return c->tensors + i;
  return nullptr;
}
static int run(const assay_call* c, const assay_thread* t) {
  if (c->params[0].value == 7) return 3;
  const float* a = static_cast<const float*>(find(c, ASSAY_A)->data);
  float* d = static_cast<float*>(find(c, ASSAY_D)->data);
  const int64_t n = find(c, ASSAY_D)->dims[2];
  for (int64_t i = n * t->index / t->count; i < n * (t->index + 1) / t->count; ++i) d[i] = a[(i + n / 2) % n] + 1;
  return 0;
}
extern "C" __attribute__((visibility("default"))) const assay_kernel* assay_kernel_entry(void) {
  static const assay_kernel kernel = {sizeof(assay_kernel), ASSAY_ABI_VERSION, "shift", nullptr, nullptr, nullptr, run};
  return &kernel;
}
)";

class ProgramTest : public ::testing::TestWithParam<const char*> {
 protected:
  void SetUp() override {
    folder_ = fs::path(testing::TempDir()) / fmt::format("program-{}", getpid());
    fs::create_directories(folder_ / "built");
    std::ofstream(folder_ / "shift.cpp") << kShift;
    const std::string family = fmt::format(
        R"({{"family": "shift", "source": "shift.cpp", "technique": "adds one", "name": "one", "isa": ["generic"],
            "threads": "{}", "supports": {{"op": ["matmul"], "a": ["f32"], "b": ["f32"], "d": ["f32"],
            "layout": ["nt"]}}}})",
        GetParam());
    const Manifest manifest =
        parse_manifest(R"({"schema": 1, "backend": "cpu", "families": [)" + family + "]}", folder_ / "manifest.json");
    backend_ = make_cpu_backend();
    const DeviceInfo info = backend_->devices().at(0);
    BuildCache cache(backend_->compiler(), {folder_ / "built"}, fs::path(ASSAY_SOURCE_DIR) / "kernels" / "cpu");
    const BuiltModule module = cache.build(manifest.variants.at(0), info.isa.front());
    ASSERT_EQ(module.error, "");
    device_ = backend_->open(info);
    kernel_ = device_->load(manifest.variants.at(0), module);
  }
  void TearDown() override { fs::remove_all(folder_); }

  Launch launch(Address from, Address to, double param = 1) const {
    Launch launch;
    launch.kernel = kernel_.get();
    launch.op = &op_of_readers();
    launch.params = {{1, param}};
    launch.tensors = {dense_tensor(Operand::a, Dtype::f32, 1, 1, kValues),
                      dense_tensor(Operand::d, Dtype::f32, 1, 1, kValues)};
    launch.tensors[0].data = from;
    launch.tensors[1].data = to;
    return launch;
  }

  static constexpr int64_t kValues = 1000;
  fs::path folder_;
  std::unique_ptr<Backend> backend_;
  std::unique_ptr<Device> device_;
  std::unique_ptr<LoadedKernel> kernel_;
};

TEST_P(ProgramTest, EachLaunchSeesWhatThoseBeforeItWroteHoweverOftenItRuns) {
  const Address x = device_->allocate(4 * kValues), y = device_->allocate(4 * kValues);
  device_->fill(x, 0, 4 * kValues);
  std::vector<Launch> launches;
  constexpr int kPairs = 150, kTimes = 3;
  for (int i = 0; i < kPairs; ++i) {
    launches.push_back(launch(x, y));
    launches.push_back(launch(y, x));
  }
  const auto program = device_->bind(launches);
  for (int i = 0; i < kTimes; ++i) {
    program->run();
    program->wait();
  }
  std::vector<float> values(kValues);
  device_->read(values.data(), x, 4 * kValues);
  EXPECT_EQ(values, std::vector<float>(kValues, 2.0f * kPairs * kTimes));
}

TEST_P(ProgramTest, AFailureIsToldByWaitAndTheNextRunBeginsAnew) {
  const Address x = device_->allocate(4 * kValues), y = device_->allocate(4 * kValues);
  const std::vector<Launch> launches{launch(x, y), launch(y, x, 7), launch(x, y)};
  const auto failing = device_->bind(launches), fine = device_->bind({launches.data(), 1});
  failing->run();
  EXPECT_THROW(failing->wait(), Error);
  EXPECT_NO_THROW(failing->wait()) << "told once";
  fine->run();
  EXPECT_NO_THROW(fine->wait());
}

auto trap() {
  struct sigaction action {};
  sigaction(SIGSEGV, nullptr, &action);
  return action.sa_handler;
}
const auto kTrapAtStart = trap();  // a sanitizer has one of its own

TEST_P(ProgramTest, ADeviceOpenedAsAnEngineDoesLeavesTheProcessAsItIs) {
  cpu_set_t before, after;
  ASSERT_EQ(sched_getaffinity(0, sizeof before, &before), 0);
  const Address x = device_->allocate(4 * kValues);
  const Launch one = launch(x, device_->allocate(4 * kValues));
  const auto program = device_->bind({&one, 1});
  program->run();
  program->wait();
  ASSERT_EQ(sched_getaffinity(0, sizeof after, &after), 0);
  EXPECT_TRUE(CPU_EQUAL(&before, &after)) << "the calling thread was pinned";
  EXPECT_EQ(trap(), kTrapAtStart) << "a trap was set";
}

INSTANTIATE_TEST_SUITE_P(Threads, ProgramTest, ::testing::Values("team", "region", "own"),
                         [](const auto& each) { return std::string(each.param); });

}  // namespace
}  // namespace assay
