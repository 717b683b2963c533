// Durations and statistics of the classic report: which events have one, and what a section makes of them.
#include <gtest/gtest.h>

#include <map>

#include "analysis/duration_summary.h"
#include "classic_sections.h"

namespace assay {
namespace {

TEST(classic_durations, a_numeric_string_counts_for_kernels_but_not_for_its_type_nor_as_sync) {
  const std::string text = report(gpu_line("a_sync", "\"120\"") + gpu_line("a_sync", "true") +
                                  gpu_line("a_sync", "null") + internal_line("p", "k", "\"7\""));
  EXPECT_EQ(titles(text, "Event type summary"),
            (Titles{"  GpuOpCompleted (count=3)", "  InternalKernelCompleted (count=1)"}));
  EXPECT_NE(section(text, "Event type summary").find("GpuOpCompleted (count=3): count=1 | total=0.00ms"),
            std::string::npos);
  EXPECT_NE(section(text, "Event type summary").find("InternalKernelCompleted (count=1): no samples"),
            std::string::npos);
  EXPECT_NE(section(text, "GPU kernel durations (excluding waits)").find("a_sync: count=2 | total=0.12ms"),
            std::string::npos);
  EXPECT_NE(section(text, "Internal kernel by parent").find("p: count=1 | total=0.01ms"), std::string::npos);
  EXPECT_NE(section(text, "Sync operations").find("sync kernels: count=1 | total=0.00ms"), std::string::npos);
}

TEST(classic_durations, an_event_without_one_is_counted_by_type_alone) {
  const std::string text =
      report(event_line("GpuOpCompleted", R"({"op_name":"a"})") + event_line("InternalKernelCompleted", "{}"));
  EXPECT_EQ(text,
            "Total events: 2\n\nEvent type summary:\n  GpuOpCompleted (count=1): no samples\n  InternalKernelCompleted "
            "(count=1): no samples\n"
            "\nSync operations:\n  sync kernels: no samples\n");
}

TEST(classic_durations, other_event_types_may_have_them) {
  EXPECT_NE(report(event_line("Sampled", R"({"duration_us":1500,"op_name":"Device SYNC"})"))
                .find("  Sampled (count=1): count=1 | total=1.50ms | avg=1.500ms | min=1.500ms | max=1.500ms | "
                      "p95_ms=1.500ms, p99_ms=1.500ms\n\n"
                      "Sync operations:\n  sync kernels: count=1 | total=1.50ms"),
            std::string::npos);
}

TEST(classic_statistics, totals_are_exact_integers_beyond_64_bits) {
  DurationCounts counts;
  for (int i = 0; i < 4; ++i) counts.add(Int128(UINT64_MAX));
  counts.add(-1, 3);
  counts.add(5, uint64_t(1) << 33);
  counts.add(5, UINT32_MAX);
  counts.add(5, 7);
  counts.add(99, 0);
  const DurationSummary s = summarize(counts);
  EXPECT_EQ(s.count, 7 + (uint64_t(1) << 33) + UINT32_MAX + 7);
  EXPECT_TRUE(s.total_us == Int128(UINT64_MAX) * 4 - 3 + 5 * Int128((uint64_t(1) << 33) + uint64_t(UINT32_MAX) + 7));
  EXPECT_EQ(s.min_ms, -0.001);
  EXPECT_EQ(s.p99_ms, 0.005);
}

TEST(classic_statistics, percentiles_are_linear_between_ranks_and_the_mean_is_of_the_milliseconds) {
  DurationCounts counts;
  for (const int us : {30, 10, 20}) counts.add(us);
  const DurationSummary s = summarize(counts);
  EXPECT_DOUBLE_EQ(s.p95_ms, 0.029);   // rank 1.9
  EXPECT_DOUBLE_EQ(s.p99_ms, 0.0298);  // rank 1.98
  EXPECT_EQ(s.avg_ms, 60 / 1000.0 / 3);
  DurationCounts uneven;  // 539 µs / 98 / 1000 prints as 0.005, 0.539 ms / 98 as 0.006
  uneven.add(5, 49);
  uneven.add(6, 49);
  EXPECT_NE(summary_line("t", summarize(uneven)).find("avg=0.006ms"), std::string::npos);
}

TEST(classic_statistics, a_count_of_values_is_exact_however_they_come) {
  DurationCounts counts, parts;
  std::map<Int128, uint64_t> expected;
  uint64_t random = 1;
  for (int i = 0; i < 20'000; ++i) {
    random = random * 6364136223846793005u + 1442695040888963407u;
    const Int128 us = i % 5 == 0 ? Int128(random) : Int128(random >> 52) - 100;
    counts.add(us);
    if (i % 2) parts.add(us);
    ++expected[us];
  }
  counts.add(parts);
  EXPECT_EQ(counts.count(), 30'000u);
  uint64_t total = 0;
  for (const auto& [us, count] : counts.sorted()) total += count - expected.at(us);
  EXPECT_EQ(total, 10'000u);
  EXPECT_EQ(counts.sorted().size(), expected.size());
}

}  // namespace
}  // namespace assay
