// Laws of reading probe logs: the forms there are, several logs in a file, memory, and logs that are damaged.
#include "assay_program.h"
#include "base/error.h"
#include "base/json.h"
#include "probe_logs.h"
#include "report/audit_file_report.h"

namespace assay {
namespace {

std::string refusal(const std::string& log) {
  try {
    logs_of(log, "some.log");
  } catch (const Error& e) {
    return e.what();
  }
  return "";
}

const std::string kOlder = R"(Benchmark completed. Processed 5 total results with 3 failures.
Matmul benchmark summary (iterations=6)
Spec op=matmul | batch=1 | m=1 | n=512 | k=256 | tA=0 | tB=1:
  best_avg_cpu: fam/one = 0.210ms
  best_avg_gpu: fam/two = 0.05ms
   - fam/one: avg_gpu=0.07ms | avg_cpu=0.21ms [vs orig 0.2ms] (+5.00%) maxAbs=1.1e-02 maxRel=3.1e-04
   - fam/two [best-gpu]: avg_gpu=0.05ms | avg_cpu=0.26ms [vs orig 0.2ms] (+30.00%) maxAbs=2.1e+00 maxRel=1.9e+00
Spec op=matmul_bias_add batch=1 m=1 n=256 k=512 tA=0 tB=0: no successful variants

Variant failures:
 - fam/three @ op=matmul batch=1 m=1 n=512 k=256: skipped: unsupported configuration
 - fam/one @ op=matmul_bias_add batch=1 m=1 n=256 k=512: skipped: unsupported configuration
 - fam/two @ op=matmul_bias_add batch=1 m=1 n=256 k=512: skipped: unsupported configuration
)";

TEST(cases, end_with_the_exit_code_that_they_deserve) {
  const fs::path folder = fs::path(ASSAY_SOURCE_DIR) / "../shared/data/cases";
  if (!fs::exists(folder / "older_form.log")) GTEST_SKIP() << folder << " is not here";
  const Home home;
  const std::map<std::string, std::pair<int, std::string>> deserved = {
      {"audit_1e400.log", {1, "maxRel inf above 0.01"}},
      {"audit_absnan.log", {1, "maxAbs is nan"}},
      {"audit_allmissing.log", {2, "unchecked row"}},
      {"audit_badutf8.log", {1, R"([best-gpu] \xff\xfe\x80 0.100 ms)"}},
      {"audit_missing.log", {0, "unchecked row"}},
      {"older_form.log", {1, "without a success             1 of 2"}}};
  for (const auto& [name, expected] : deserved) {
    const Ended ended = home.run({"audit", folder / name});
    EXPECT_EQ(ended.exit_code, expected.first) << name << ended.err;
    EXPECT_TRUE(has(ended.out, expected.second)) << name << ended.out;
    EXPECT_FALSE(has(ended.out, "Lines that no rule reads")) << name << ended.out;
  }
}

TEST(older_form, every_line_of_it_is_read) {
  const Audit audit = audit_of(kOlder);
  EXPECT_EQ(audit.unread, 0u);
  EXPECT_EQ(audit.spec_count, 2u);
  EXPECT_EQ(audit.unsuccessful, 1u);
  EXPECT_EQ(audit.specs[1].text, "op=matmul_bias_add | batch=1 | m=1 | n=256 | k=512 | tA=0 | tB=0");
  EXPECT_FALSE(audit.specs[1].unsolved()) << "nothing was judged there";
  ASSERT_EQ(audit.log.failures.size(), 3u);
  EXPECT_EQ(audit.log.failures[1].variant, "fam/one");
  EXPECT_EQ(audit.log.failures[1].op_name, "matmul_bias_add");
  EXPECT_EQ(audit.log.failures[1].what, "skipped");
  EXPECT_EQ(audit.log.failures[1].reason, "unsupported configuration");
  EXPECT_FALSE(has(audit_text(audit), "cut off")) << "there, cases without a row are results, too";
}

TEST(older_form, a_line_of_its_own_crowns_as_a_tag_does_and_both_are_one_crown) {
  const Audit audit = audit_of(kOlder);
  EXPECT_EQ(audit.crowns, 2u);
  EXPECT_EQ(audit.crowns_wrong, 1u);
  EXPECT_EQ(audit.specs[0].crowns[1].tag, "best_avg_cpu");
  EXPECT_EQ(audit.specs[0].crowns[1].verdict, CrownVerdict::stands);
}

TEST(older_form, a_crown_line_without_a_row_or_with_another_time_is_not_believed) {
  const std::string row = "   - a/x: avg_gpu=0.2ms | avg_cpu=0.3ms maxRel=1e-4\n", spec = "Spec " + kUp + ":\n";
  const Audit nobody = audit_of(spec + "  best_avg_gpu: a/y = 0.1ms\n" + row);
  EXPECT_EQ(nobody.crowns_unchecked, 1u);
  const Audit other = audit_of(spec + "  best_avg_gpu: a/x = 0.1ms\n" + row);
  ASSERT_EQ(other.unread, 1u);
  EXPECT_EQ(other.log.unread[0].line, 2u);
  EXPECT_EQ(audit_of(spec + "  best_avg_gpu: a/x = 0.2ms\n" + row).unread, 0u);
  EXPECT_EQ(audit_of(spec + "  best_avg_gpu: fast\n" + row).unread, 1u);
}

TEST(several_logs, in_a_file_are_judged_each_by_itself) {
  const std::string slow = log_of({"a/x [best-gpu]: avg_gpu=0.4ms maxRel=1e-4", "a/y: avg_gpu=0.3ms maxRel=1"}),
                    fast = log_of({"a/x [best-gpu]: avg_gpu=0.1ms maxRel=1e-4"});
  EXPECT_EQ(logs_of(slow + fast).size(), 2u);
  EXPECT_EQ(logs_of(slow + "compiling ...\n\nBenchmark completed. Processed 1 total results with 0 failures.\n" + fast)
                .size(),
            2u)
      << "both headings are of one log";
  EXPECT_EQ(logs_of(kOlder + kOlder).size(), 2u);
  const auto logs = logs_of(slow + fast);
  EXPECT_EQ(logs[1].line, 5u);
  EXPECT_EQ(audit_of(slow).impossible, 1u) << "faster than the best right row of its log";
  EXPECT_EQ(audit_of(fast + slow).impossible, 0u);
}

TEST(several_logs, begin_where_a_spec_stands_again_though_no_heading_does) {
  const std::string body = "Spec " + kUp + ":\n   - a/x [best-gpu]: avg_gpu=0.4ms maxRel=1e-4\n";
  EXPECT_EQ(logs_of(body + body).size(), 2u);
}

TEST(several_logs, are_listed_and_summed_and_what_stands_again_is_shown_once) {
  const std::string one = log_of({"a/x [best-gpu]: avg_gpu=0.4ms maxRel=1"}),
                    two = log_of({"a/x: avg_gpu=0.1ms maxRel=0"});
  AuditFileReport report("f.log", {}, {.json = true, .csv = true, .text = {}});
  for (ProbeLog& log : logs_of(one + two + one + one)) report.add(std::move(log));
  EXPECT_EQ(report.totals().logs, 4u);
  EXPECT_EQ(report.totals().crowns_wrong, 3u);
  const std::string text = report.text();
  EXPECT_TRUE(has(text, "Audit of f.log, log 1 (line 1, 3 times word for word): 1 specs, 1 rows\n")) << text;
  EXPECT_TRUE(has(text, "Audit of f.log, log 2 (line 4): 1 specs, 1 rows\n")) << text;
  EXPECT_TRUE(has(text, "All 4 logs of f.log: 4 specs, 4 rows\n")) << text;
  const Json json = Json::parse(report.json());
  ASSERT_EQ(json["logs"].size(), 2u);
  EXPECT_EQ(json["logs"][0]["times"], 3);
  EXPECT_EQ(json["counts"]["crowns_on_wrong_rows"], 3);
  ASSERT_EQ(json["specs"].size(), 2u);
  EXPECT_EQ(json["specs"][1]["log"], 2);
  EXPECT_EQ(count_of(report.csv(), "\r\n"), 3u);
}

TEST(large_logs, are_read_as_they_come_and_a_log_is_given_as_soon_as_the_next_begins) {
  auto source = std::make_unique<MemorySource>([] {
    std::string many;
    for (int i = 0; i < 40'000; ++i) many += log_of({"a/x: avg_gpu=0.1ms maxRel=0"});
    return many;
  }());
  const MemorySource& read = *source;
  ProbeLogReader reader(std::move(source), "log");
  ASSERT_TRUE(reader.next());
  EXPECT_LE(read.file_bytes(), 2u << 20);
  size_t logs = 1;
  while (reader.next()) ++logs;
  EXPECT_EQ(logs, 40'000u);
}

TEST(large_logs, a_row_that_stands_again_is_counted_and_kept_once) {
  std::vector<std::string> rows(1000, "a/x [best-gpu]: avg_gpu=0.1ms | avg_cpu=0.2ms maxRel=1");
  rows.emplace_back("a/x: avg_gpu=0.2ms | avg_cpu=0.2ms maxRel=0");
  const Audit audit = audit_of(log_of(rows));
  EXPECT_EQ(audit.specs[0].rows.size(), 2u);
  EXPECT_EQ(audit.rows, 1001u);
  EXPECT_EQ(audit.wrong, 1000u);
  EXPECT_EQ(audit.crowns_wrong, 1000u);
}

TEST(large_logs, lines_that_no_rule_reads_are_counted_and_the_first_are_kept) {
  const ProbeLog log = std::move(logs_of(log_of(std::vector<std::string>(5000, "nothing"))).at(0));
  EXPECT_EQ(log.unread_lines, 5000u);
  EXPECT_EQ(log.unread.size(), ProbeLog::kKeptTroubles);
}

TEST(large_logs, a_line_of_megabytes_is_passed_over_and_named) {
  const std::string log =
      log_of({"a/x: avg_gpu=0.1ms maxRel=0", "a/" + std::string(3 << 20, 'y') + ": avg_gpu=0.1ms maxRel=0",
              "a/z: avg_gpu=0.1ms maxRel=0"});
  for (const size_t step : {size_t(1000), SIZE_MAX}) {
    const ProbeLog read = std::move(logs_of(log, "log", step).at(0));
    EXPECT_EQ(read.rows(), 2u);
    ASSERT_EQ(read.unread.size(), 1u);
    EXPECT_EQ(read.unread[0].line, 4u);
  }
}

TEST(large_logs, read_alike_however_their_bytes_come) {
  const std::string seed = read_file(std::string(ASSAY_SOURCE_DIR) + "/tests/data/seed-000-probe-log.txt");
  const uint64_t content = logs_of(seed).at(0).content;
  for (const size_t step : {1, 7, 4096}) EXPECT_EQ(logs_of(seed, "log", step).at(0).content, content) << step;
}

TEST(damaged_logs, a_row_that_cannot_be_read_is_named_with_its_line_and_the_rest_counts) {
  const std::vector<std::pair<std::string, std::string>> damages = {
      {"a/cut", "no ': ' after"},
      {"a/x: avg_gpu=0.4", "avg_gpu=0.4' is no time in ms"},
      {"a/x: avg_gpu=fastms | avg_cpu=1ms", "is no time"},
      {"a/x: avg_gpu=-1ms | avg_cpu=1ms", "is no time"},
      {"a/x: avg_gpu=infms | avg_cpu=1ms", "is no time"},
      {"a/x: avg_gpu=1ms | avg_cp", "cut off or unknown"},
      {"a/x: avg_gpu=1ms | avg_cpu=1ms maxAbs=1 maxR", "cut off or unknown"},
      {"a/x: avg_gpu=1ms | avg_cpu=1ms maxRel=4.7x", "is no error"},
      {"a/x: avg_gpu=1ms | avg_cpu=1ms [vs orig 0.3", "has no ]"},
      {"a/x: avg_gpu=1ms | avg_cpu=1ms [vs orig soon]", "is no time"},
      {"a/x [best-gpu: avg_gpu=1ms", "is no [tag]"},
      {"a/x best: avg_gpu=1ms", "is no [tag]"},
      {": avg_gpu=1ms", "no variant's name"},
      {"a/x: 12 apples", "neither times nor an outcome"},
      {"a/x: avg_cpu=1ms maxRel=0", "no avg_gpu"},
      {"", "no ': ' after"},
      {std::string("a/\0x: \x01\xff", 8), "neither times"},
  };
  for (const auto& [row, part] : damages) {
    const Audit audit = audit_of(log_of(
        {"a/good: avg_gpu=1ms | avg_cpu=2ms maxRel=1e-4", row, "a/also: avg_gpu=1ms | avg_cpu=2ms maxRel=1e-4"}));
    SCOPED_TRACE(row);
    EXPECT_EQ(audit.rows, 2u);
    ASSERT_EQ(audit.log.unread.size(), 1u);
    EXPECT_EQ(audit.log.unread[0].line, 4u);
    EXPECT_TRUE(has(audit.log.unread[0].why, part)) << audit.log.unread[0].why;
    EXPECT_TRUE(has(audit_text(audit), "Lines that no rule reads (1):\n - line 4: ")) << audit_text(audit);
  }
}

TEST(damaged_logs, a_log_cut_anywhere_is_read_up_to_there) {
  const std::string whole = read_file(std::string(ASSAY_SOURCE_DIR) + "/tests/data/seed-000-probe-log.txt");
  size_t rows = 0;
  for (size_t length = whole.find("tB=1:\n") + 6; length < whole.size(); length += 61) {
    const Audit audit = audit_of(whole.substr(0, length));
    EXPECT_LE(audit.log.unread.size(), 1u) << length;
    EXPECT_GE(audit.rows, rows) << length;
    rows = audit.rows;
    EXPECT_EQ(has(audit_text(audit), "it may be cut off"), rows < 176u) << length;
  }
  EXPECT_EQ(rows, 176u);
}

TEST(damaged_logs, a_row_cut_within_its_last_number_is_not_judged_by_half_of_it) {
  std::string log = log_of({"a/x: avg_gpu=1ms | avg_cpu=2ms maxAbs=1.5522e-02 maxRel=4.7867e-04"});
  log.pop_back();
  EXPECT_EQ(audit_of(log).rows, 1u);
  for (int cut = 1; cut <= 10; ++cut) {
    log.pop_back();
    EXPECT_EQ(audit_of(log).rows, 0u) << log;
    EXPECT_EQ(audit_of(log).log.unread.size(), 1u) << log;
  }
}

TEST(damaged_logs, what_is_no_probe_log_is_refused_by_name) {
  for (const std::string& text : {std::string(), std::string("\n\n"), std::string("hello\n"), std::string(5000, '\0'),
                                  std::string("\xff\xfeS\0p\0e\0c\0", 10), std::string(1'000'000, '[')})
    EXPECT_EQ(refusal(text).rfind("some.log: no probe log", 0), 0u) << text.substr(0, 20);
}

TEST(damaged_logs, utf_16_is_called_so_and_a_mark_of_utf_8_does_no_harm) {
  EXPECT_TRUE(has(refusal(std::string("\xff\xfeS\0p\0", 6)), "UTF-16"));
  EXPECT_EQ(audit_of("\xef\xbb\xbfSpec " + kUp + ":\n   - a/x: avg_gpu=0.1ms maxRel=0\n").rows, 1u);
}

TEST(damaged_logs, a_crowned_row_that_cannot_be_read_is_a_crown_that_nobody_checked) {
  const Audit audit = audit_of(
      log_of({"a/x [best-gpu]: avg_gpu=0.1ms | avg_cpu=0.3ms maxRel=-1", "a/y: avg_gpu=0.2ms | avg_cpu=0.3ms maxRel=-1",
              "a/z: avg_gpu=0.2ms | avg_cpu=0.3ms maxRel=1e-4"}));
  EXPECT_EQ(audit.rows, 2u);
  EXPECT_EQ(audit.unread, 2u);
  EXPECT_EQ(audit.crowns_unchecked, 1u);
}

TEST(damaged_logs, a_row_that_contradicts_itself_is_not_believed) {
  for (const std::string row : {"a/x: avg_gpu=1ms maxRel=1.9 maxRel=1e-5", "a/x: avg_gpu=1ms maxRel=nan maxRel=1e-5",
                                "a/x: avg_gpu=1ms avg_gpu=2ms maxRel=0", "a/x: avg_gpu=1ms | median=2us | median=3us",
                                "a/x: avg_gpu=1ms class=exact class=int8_activation"}) {
    const Audit audit = audit_of(log_of({row, "a/y: avg_gpu=1ms maxRel=0"}));
    EXPECT_EQ(audit.rows, 1u) << row;
    ASSERT_EQ(audit.unread, 1u) << row;
    EXPECT_TRUE(has(audit.log.unread[0].why, "contradicts")) << audit.log.unread[0].why;
  }
}

TEST(damaged_logs, a_file_that_ends_early_keeps_what_was_read) {
  ProbeLogReader reader(std::make_unique<MemorySource>(log_of({"a/x: avg_gpu=1ms maxRel=0"}), 7, "log.gz: cut off"),
                        "log.gz");
  const auto log = reader.next();
  ASSERT_TRUE(log);
  EXPECT_EQ(log->rows(), 1u);
  EXPECT_FALSE(reader.next());
  EXPECT_EQ(reader.cut_off(), "log.gz: cut off");
}

TEST(damaged_logs, a_spec_line_without_grammar_keeps_its_rows) {
  const Audit audit = audit_of("Spec of something else:\n   - a/x: avg_gpu=1ms maxRel=1\n");
  EXPECT_EQ(audit.rows, 1u);
  EXPECT_EQ(audit.wrong, 1u);
  ASSERT_EQ(audit.log.unread.size(), 1u);
  EXPECT_EQ(audit.log.unread[0].line, 1u);
}

}  // namespace
}  // namespace assay
