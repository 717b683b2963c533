// Laws of every build of assay_cpu: awkward shapes are right, also of numbers whose exponentials f32 cannot hold.
#include <gtest/gtest.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <cmath>
#include <filesystem>

#include "backend/cpu/cpu_info.h"
#include "base/error.h"
#include "opbench/frameworks.h"
#include "opbench/row_judgement.h"
#include "opbench/row_memory.h"

namespace assay {
namespace {

namespace fs = std::filesystem;

/// Every build of assay_cpu that this processor can run.
std::vector<fs::path> modules() {
  std::vector<fs::path> files;
  for (const IsaLevel& level : cpu_device_info().isa)
    if (const fs::path file = fs::path(ASSAY_PROGRAM).parent_path() / "opbench" / ("assay_cpu-" + level.name + ".so");
        fs::exists(file))
      files.push_back(file);
  return files;
}

/// Threads that take their shares one after another. 25 are more than the longest line has pieces.
template <int COUNT = 25>
ThreadTeam team() {
  return {COUNT, nullptr, [](void*, void (*work)(int, int, void*), void* argument) {
            for (int i = 0; i < COUNT; ++i) work(i, COUNT, argument);
          }};
}

/// The row's operation by a module, once.
void run_once(const fs::path& module, const OperationRow& row, const std::vector<const void*>& inputs, void* output,
              ThreadTeam threads = team()) {
  const auto framework = load_framework(module, threads);
  std::string why_not;
  const auto operation = framework->prepare(row, why_not);
  if (!operation) fail("{} lacks {}: {}", module.string(), row.name, why_not);
  operation->bind(inputs.data(), output);
  operation->run();
}

/// Lines of numbers around a level, one in the middle beyond what can be exponentiated alone, of either sign.
TEST(a_softmax, of_numbers_beyond_any_exponential_is_right) {
  ASSERT_FALSE(modules().empty());
  for (const fs::path& module : modules())
    for (const int64_t width : {3, 8, 16, 64, 100, 128, 1000, 1024, 40000, 300000})
      for (const float far : {61.0f, 1000.0f, -1000.0f, 1e30f, -1e30f}) {
        constexpr int64_t kLines = 6;
        const OperationRow row =
            parse_operation_row("Softmax / dim=" + std::to_string(kLines) + "x" + std::to_string(width) + " axi=-1");
        std::vector<float> x(size_t(kLines * width)), y(x.size(), NAN);
        const float level = far == 61 ? -200.0f : 0.0f;
        for (size_t i = 0; i < x.size(); ++i) x[i] = level + float(i % 23) - 11;
        for (int64_t line = 1; line < kLines; line += 2) x[size_t(line * width + width / 2)] = far;
        const std::vector<const void*> inputs{x.data()};
        run_once(module, row, inputs, y.data());
        for (int64_t line = 0; line < kLines; ++line) {
          const float* from = x.data() + line * width;
          const double top = *std::max_element(from, from + width);
          double sum = 0;
          for (int64_t i = 0; i < width; ++i) sum += std::exp(from[i] - top);
          for (int64_t i = 0; i < width; ++i)
            ASSERT_NEAR(y[size_t(line * width + i)], std::exp(from[i] - top) / sum, 1e-6)
                << module << " width " << width << " far " << far << " line " << line << " element " << i;
        }
      }
}

/// Lines whose mean is large beside their spread: squares less the mean's square would keep few digits of the variance.
TEST(a_layer_norm, of_numbers_far_from_zero_is_right) {
  ASSERT_FALSE(modules().empty());
  for (const fs::path& module : modules())
    for (const int64_t width : {7, 64, 1000, 1024})
      for (const float level : {0.0f, 3.0f, -50.0f, 4096.0f}) {
        constexpr int64_t kLines = 3;
        const OperationRow row =
            parse_operation_row("LayerNorm / dim=" + std::to_string(kLines) + "x" + std::to_string(width) + " axi=-1");
        std::vector<float> x(size_t(kLines * width)), w(size_t(width), 1.0f), b(size_t(width), 0.5f), y(x.size(), NAN);
        for (size_t i = 0; i < x.size(); ++i) x[i] = level + float(i * 7 % 23) / 8 - 1;
        const std::vector<const void*> inputs{x.data(), w.data(), b.data()};
        run_once(module, row, inputs, y.data());
        for (int64_t line = 0; line < kLines; ++line) {
          const float* from = x.data() + line * width;
          double mean = 0, variance = 0;
          for (int64_t i = 0; i < width; ++i) mean += double(from[i]) / double(width);
          for (int64_t i = 0; i < width; ++i) variance += (from[i] - mean) * (from[i] - mean) / double(width);
          for (int64_t i = 0; i < width; ++i)  // of the mean's own rounding a part is left, which grows with the level
            ASSERT_NEAR(y[size_t(line * width + i)], (from[i] - mean) / std::sqrt(variance + 1e-5) + 0.5,
                        2e-6 * (8 + std::abs(level)))
                << module << " width " << width << " level " << level << " line " << line << " element " << i;
        }
      }
}

/// Tails, lines around the sizes where another way is taken, outputs that pass the caches.
constexpr const char* kAwkward[] = {
    "Softmax / dim=3x1 axi=-1",
    "Softmax / dim=5x7 axi=-1",
    "Softmax / dim=31x1023 axi=-1",
    "Softmax / dim=400001x8 axi=-1",
    "Softmax / dim=200001x16 axi=-1",
    "Softmax / dim=50001x64 axi=-1",
    "Softmax / dim=25001x128 axi=-1",
    "Softmax / dim=3201x1024 axi=-1",
    "Softmax / dim=2x32768 axi=-1",
    "Softmax / dim=40x32769 axi=-1",
    "Softmax / dim=1x100003 axi=-1",
    "Softmax / dim=37x100000 axi=-1",
    "Softmax / dim=4x819216 axi=-1",
    "Softplus / dim=3x7",
    "Softplus / dim=3145733",
    "SeLU / dim=3145733",
    "Sigmoid / dim=3x7",
    "Sigmoid / dim=33554441",
    "ReLU / dim=3145733",
    "LeakyReLU / dim=3145733",
    "PReLU / dim=3145733 dim=1",
    "Sum / dim=3x5x7 axi=2",
    "Sum / dim=65537x65 axi=1",
    "Sum / dim=17x300001 axi=0",
    "Sum / dim=67x20011 axi=0",
    "Sum / dim=3x70x17003 axi=1",
    "Sum / dim=3x7x32 axi=1",
    "Sum / dim=5x1x64 axi=1",
    "Sum / dim=2x67x128 axi=1",
    "Sum / dim=3x5x256 axi=1",
    "Argmax / dim=5x7x3 axi=2",
    "Argmax / dim=301x32 axi=1",
    "Argmax / dim=1603x128 axi=1",
    "Argmax / dim=1603x129 axi=1",
    "Argmax / dim=301x128 axi=1",
    "Argmax / dim=40001x128 axi=1",
    "Argmax / dim=37x1024 axi=1",
    "Argmax / dim=803x1025 axi=1",
    "Argmax / dim=3x100003 axi=1",
    "Argmax / dim=67x20011 axi=0",
    "Argmax / dim=3x70x17003 axi=1",
    "Argmax / dim=9x1027x128 axi=1",
    "Concat / dim=3x5 dim=3x7 axi=1",
    "Concat / dim=40001x64 dim=40001x32 axi=1",
    "Concat / dim=40001x16 dim=40001x80 axi=1",
    "Concat / dim=40001x63 dim=40001x33 axi=1",
    "Concat / dim=2x2000000 dim=2x16 axi=1",
    "Gather / dim=7x5 dim=1000",
    "Gather / dim=64x256 dim=1003",
    "Gather / dim=64x48 dim=100003",
    "Linear / dim=103x51203 dim=51203x1 dim=1",
    "Linear / dim=7x33 dim=33x1 dim=1",
    "Scatter / dim=7x5 dim=70001",
    "Scatter / dim=3001x20 dim=70001",
    "Scatter / dim=64x16 dim=65536",
    "ScatterSum / dim=7x5 dim=70001",
    "ScatterSum / dim=1027x32 dim=200003",
    "ScatterSum / dim=64x16 dim=200003",
    "ScatterMax / dim=7x64 dim=70001",
    "ScatterMax / dim=1027x32 dim=200003",
    "ScatterMax / dim=301x17 dim=200003",
    "LayerNorm / dim=5x7 axi=-1",
    "LayerNorm / dim=3201x1024 axi=-1",
};

TEST(a_build, is_right_on_awkward_shapes) {
  for (const char* name : kAwkward) {
    const OperationRow row = parse_operation_row(name);
    const RowMemory memory(row);
    for (const fs::path& module : modules()) {
      const std::vector<const void*> inputs = memory.inputs(7);
      memory.poison_output();
      run_once(module, row, inputs, memory.output());
      const OutputErrors errors = check_output(row, inputs, memory.output(), 1.0, 7);
      EXPECT_FALSE(errors.wrong()) << module << ": " << name << ": " << errors.text();
    }
  }
}

/// Zeros of both signs are equal, and bits are not what is compared.
TEST(an_argmax, of_zeros_of_both_signs_is_one_of_them) {
  for (const int64_t width : {32, 128, 129, 1024})
    for (const fs::path& module : modules())
      for (int64_t first = 0; first + 1 < std::min<int64_t>(width, 40); ++first) {
        const OperationRow row = parse_operation_row("Argmax / dim=20x" + std::to_string(width) + " axi=1");
        std::vector<float> x(size_t(20 * width), -1.0f);
        for (int64_t line = 0; line < 20; ++line) {
          x[size_t(line * width + first)] = line % 2 ? 0.0f : -0.0f;
          x[size_t(line * width + first + 1)] = line % 2 ? -0.0f : 0.0f;
        }
        std::vector<int64_t> y(20, -1);
        const std::vector<const void*> inputs{x.data()};
        run_once(module, row, inputs, y.data());
        for (const int64_t place : y)
          ASSERT_TRUE(place == first || place == first + 1) << module << " width " << width << ": " << place;
      }
}

/// Few threads, so that each has several streams of values.
TEST(a_scatter, is_right_wherever_its_indices_lie) {
  for (const char* name : {"Scatter / dim=64x16 dim=70001", "ScatterSum / dim=64x16 dim=70001",
                           "ScatterMax / dim=64x20 dim=70001", "Scatter / dim=1000x16 dim=9000"}) {
    const OperationRow row = parse_operation_row(name);
    const int64_t rows = row.output.dims[0], added = row.inputs[1].elements();
    std::vector<float> x(size_t(row.inputs[0].elements()), 0.5f), v(size_t(row.inputs[2].elements())), y(x.size());
    for (size_t i = 0; i < v.size(); ++i) v[i] = float(i % 101) / 64;
    for (const int kind : {0, 1, 2, 3}) {  // all the same; all but one row; the first only once, at the beginning; far
      std::vector<int64_t> index(size_t(added), rows - 1);
      for (int64_t i = 0; i < added && kind > 0; ++i) index[size_t(i)] = i % (rows - 1) + (kind > 1);
      if (kind == 2) index[0] = 0;
      if (kind == 3) index[size_t(added) / 2] = rows / 2;
      for (const fs::path& module : modules()) {
        const std::vector<const void*> inputs{x.data(), index.data(), v.data()};
        run_once(module, row, inputs, y.data(), team<2>());
        const OutputErrors errors = check_output(row, inputs, y.data(), 1.0, 7);
        EXPECT_FALSE(errors.wrong()) << module << ": " << name << ", " << kind << ": " << errors.text();
      }
    }
  }
}

/// A process that computes nothing rather than beside its operands.
TEST(a_scatter, of_an_index_that_is_no_row_ends_its_process) {
  for (const char* name :
       {"Scatter / dim=64x16 dim=70001", "ScatterSum / dim=64x16 dim=70001", "ScatterMax / dim=64x16 dim=70001"}) {
    const OperationRow row = parse_operation_row(name);
    std::vector<float> x(size_t(row.inputs[0].elements())), v(size_t(row.inputs[2].elements())), y(x.size());
    for (const int64_t wrong : {INT64_C(-1), INT64_C(64), INT64_MIN, INT64_MAX})
      for (const size_t at : {size_t(0), size_t(35'000), size_t(70'000)})
        for (const fs::path& module : modules()) {
          std::vector<int64_t> index(size_t(row.inputs[1].elements()));
          for (size_t i = 0; i < index.size(); ++i) index[i] = int64_t(i % 64);
          index[at] = wrong;
          const pid_t child = fork();
          if (child == 0) {
            const auto framework = load_framework(module, team<2>());
            std::string why_not;
            const auto operation = framework->prepare(row, why_not);
            const void* const inputs[] = {x.data(), index.data(), v.data()};
            operation->bind(inputs, y.data());
            operation->run();
            _exit(0);
          }
          int status = 0;
          ASSERT_EQ(waitpid(child, &status, 0), child);
          EXPECT_TRUE(WIFSIGNALED(status)) << module << ": " << name << ", index " << at << " is " << wrong;
        }
  }
}

/// On huge pages or small ones.
TEST(an_output, that_a_fork_writes_is_seen_by_its_parent) {
  for (const int64_t bytes : {INT64_C(1), INT64_C(5000), (INT64_C(2) << 20) + 1, INT64_C(9) << 20}) {
    const MappedBlock block(bytes, true);
    EXPECT_EQ(uintptr_t(block.data()) % 4096, 0u);
    EXPECT_EQ(block.size(), size_t(bytes));
    const pid_t child = fork();
    if (child == 0) {
      block.data()[0] = block.data()[bytes - 1] = std::byte(7);
      _exit(0);
    }
    int status = 1;
    ASSERT_EQ(waitpid(child, &status, 0), child);
    EXPECT_EQ(status, 0);
    EXPECT_EQ(block.data()[0], std::byte(7));
    EXPECT_EQ(block.data()[bytes - 1], std::byte(7));
  }
}

}  // namespace
}  // namespace assay
