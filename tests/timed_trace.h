// A trace written line by line for tests of where the time went.
#pragma once
#include <gtest/gtest.h>

#include <string>

#include "analysis/accounting.h"
#include "trace_lines.h"

namespace assay {

inline constexpr int64_t kEpochNs = 1'762'100'000'000'000'000;

/// A trace written line by line; times in µs since it began, -1: no time stamp.
class Trace {
 public:
  Trace& op(int64_t at_us, const std::string& name, int64_t us, const std::string& matmul = "") {
    return line(at_us, "GpuOpCompleted",
                R"("op_name":")" + name + R"(","backend":"Metal",)" + duration(us) +
                    (matmul.empty() ? "" : R"(,"data":)" + matmul));
  }
  Trace& cpu(int64_t at_us, const std::string& name, int64_t us) {
    return line(at_us, "InternalKernelCompleted",
                R"("parent_op_name":"generation_loop","internal_kernel_name":")" + name + R"(",)" + duration(us));
  }
  /// Its op, wait and GPU time as an engine writes them that waits for each buffer; ends at `at_us`.
  Trace& buffer(int64_t at_us, const std::string& scope, int64_t op_us, int64_t gpu_us) {
    return op(at_us, scope + "/" + scope + "/kernel", op_us)
        .op(at_us, scope + "/cb_wait", op_us - 2)
        .op(at_us, scope + "/cb_gpu", gpu_us);
  }
  Trace& line(int64_t at_us, const std::string& type, const std::string& data) {
    const std::string stamp = at_us < 0 ? "" : R"("timestamp":)" + std::to_string(kEpochNs + at_us * unit_ns) + ",";
    text += "{" + stamp + R"("span_name":"s","event":{"type":")" + type + R"(","data":{)" + data + "}}}\n";
    return *this;
  }
  Accounts read() const {
    StringTable strings;
    TimeAccounting accounting;
    ClassicCounts counts;
    EventConsumer* const consumers[] = {&accounting, &counts};
    ReadOptions options;
    options.chunk_bytes = 4096;
    read_trace(std::make_unique<MemorySource>(text), strings, consumers, options);
    Accounts accounts = accounting.finish(strings);
    accounts.anomalies.placeholders = find_placeholders(counts, strings);
    return accounts;
  }

  std::string text;
  int64_t unit_ns = 1000;

 private:
  static std::string duration(int64_t us) { return R"("duration_us":)" + std::to_string(us); }
};

/// wall = GPU + host + CPU + unattributed, in µs.
inline void expect_parts(const TimeParts& parts, int64_t wall, int64_t gpu, int64_t host, int64_t cpu,
                         int64_t unattributed) {
  EXPECT_EQ(parts.wall_ns, wall * 1000);
  EXPECT_EQ(parts.gpu_ns, gpu * 1000);
  EXPECT_EQ(parts.host_ns, host * 1000);
  EXPECT_EQ(parts.cpu_ns, cpu * 1000);
  EXPECT_EQ(parts.unattributed_ns(), unattributed * 1000);
}

inline const std::string kBlock = "Generation Loop/block_0";

}  // namespace assay
