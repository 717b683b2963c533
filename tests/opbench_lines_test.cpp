// Laws of assay_cpu's lines that no drawn row reaches: numbers whose exponentials f32 cannot hold.
#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <filesystem>

#include "backend/cpu/cpu_info.h"
#include "opbench/frameworks.h"

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

constexpr int kThreads = 25;  // more than the longest line has pieces

/// Threads that take their shares one after another.
ThreadTeam team() {
  return {kThreads, nullptr, [](void*, void (*work)(int, int, void*), void* argument) {
            for (int i = 0; i < kThreads; ++i) work(i, kThreads, argument);
          }};
}

/// Lines of numbers around a level, one in the middle beyond what can be exponentiated alone, of either sign.
TEST(a_softmax, of_numbers_beyond_any_exponential_is_right) {
  ASSERT_FALSE(modules().empty());
  for (const fs::path& module : modules())
    for (const int64_t width : {3, 8, 16, 64, 100, 128, 1000, 1024, 40000})
      for (const float far : {61.0f, 1000.0f, -1000.0f, 1e30f, -1e30f}) {
        constexpr int64_t kLines = 6;
        const OperationRow row =
            parse_operation_row("Softmax / dim=" + std::to_string(kLines) + "x" + std::to_string(width) + " axi=-1");
        std::vector<float> x(size_t(kLines * width)), y(x.size(), NAN);
        const float level = far == 61 ? -200.0f : 0.0f;
        for (size_t i = 0; i < x.size(); ++i) x[i] = level + float(i % 23) - 11;
        for (int64_t line = 1; line < kLines; line += 2) x[size_t(line * width + width / 2)] = far;
        const auto framework = load_framework(module, team());
        std::string why_not;
        const auto operation = framework->prepare(row, why_not);
        ASSERT_TRUE(operation) << why_not;
        const void* const inputs[] = {x.data()};
        operation->bind(inputs, y.data());
        operation->run();
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

}  // namespace
}  // namespace assay
