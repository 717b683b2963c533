// Laws of the audit: seed-000's numbers, verdicts, crowns, bandwidth, logs of our own renderer, and logs that are
// damaged.
#include "audit/audit.h"

#include "assay_program.h"
#include "base/error.h"
#include "base/json.h"
#include "probe_logs.h"
#include "report/audit_file_report.h"
#include "report/text.h"

namespace assay {
namespace {

const std::string kSeed = std::string(ASSAY_SOURCE_DIR) + "/tests/data/seed-000-probe-log.txt";
const std::string kTypes = " | dtA=f16 | dtB=f16 | dtD=f16";
TEST(seed_000, has_the_numbers_that_a_count_by_hand_gives) {
  const Audit audit = audit_of(read_file(kSeed));
  EXPECT_EQ(audit.rows, 176u);
  EXPECT_EQ(audit.log.claimed_results, 176);
  EXPECT_EQ(audit.log.iterations, 6);
  EXPECT_EQ(audit.wrong, 86u);
  EXPECT_EQ(audit.crowns, 40u);
  EXPECT_EQ(audit.crowns_wrong, 32u);
  EXPECT_EQ(audit.crowns_slower, 0u);
  EXPECT_EQ(audit.specs.size(), 20u);
  EXPECT_EQ(audit.unsolved, 15u);
  EXPECT_EQ(audit.host_gap_tags, 7u);
  EXPECT_EQ(audit.host_gap_by_rule, 7u);
  EXPECT_EQ(audit.host_gap_agree, 7u);
  EXPECT_TRUE(audit.log.unread.empty());
  EXPECT_TRUE(audit.misleads());
  EXPECT_NEAR(audit.best_gbps, 139.0, 0.1);  // 272.6 MB of the logits' weights in 1.961 ms
}

TEST(seed_000, failures_add_up_to_what_the_log_claims) {
  const ProbeLog log = std::move(logs_of(read_file(kSeed)).at(0));
  int64_t sum = 0;
  for (const ProbeFailure& failure : log.failures) sum += failure.count;
  EXPECT_EQ(sum, 504);
  EXPECT_EQ(log.claimed_failures, 504);
  const auto broken = std::find_if(log.failures.begin(), log.failures.end(),
                                   [](const ProbeFailure& f) { return f.reason != "unsupported"; });
  ASSERT_NE(broken, log.failures.end());
  EXPECT_EQ(broken->variant, "m1_optimized_v2/nt_bn128_col_bt_bk128_tg128");
  EXPECT_EQ(broken->op_name, "matmul");
  EXPECT_EQ(broken->count, 4);
  EXPECT_TRUE(has(broken->reason, "exceeds the maximum threadgroup memory allowed (32768)")) << broken->reason;
}

TEST(seed_000, the_corrected_ranking_crowns_the_best_right_row) {
  const Audit audit = audit_of(read_file(kSeed));
  const AuditSpec& bias = audit.specs[3];
  ASSERT_EQ(bias.text, "op=matmul_bias_add | batch=1 | m=1 | n=1152 | k=896 | tA=0 | tB=0");
  EXPECT_EQ(bias.completed, "dtA=f16 dtB=f16 dtD=f16 bias=1");
  EXPECT_EQ(bias.rows[size_t(bias.best_device)].row.variant, "mps/baseline");
  EXPECT_EQ(bias.rows[size_t(bias.best_host)].row.variant, "mps/baseline");
  EXPECT_EQ(bias.crowns[0].verdict, CrownVerdict::wrong_row);
  EXPECT_EQ(audit.specs[0].crowns[0].verdict, CrownVerdict::stands);
}

TEST(seed_000, the_text_matches_its_golden) {
  const std::string file = std::string(ASSAY_SOURCE_DIR) + "/tests/golden/audit.txt";
  AuditFileReport report("seed-000-probe-log.txt", {}, {.json = false, .csv = false, .text = {.verbose = true}});
  report.add(std::move(logs_of(read_file(kSeed)).at(0)));
  const std::string text = report.text();
  if (std::getenv("ASSAY_UPDATE_GOLDEN")) write_file(file, text);
  EXPECT_EQ(text, read_file(file)) << file << ": ASSAY_UPDATE_GOLDEN=1 writes it anew";
}

TEST(seed_000, with_a_looser_limit_nothing_is_wrong) {
  const Audit audit = audit_of(read_file(kSeed), {.max_rel = 2.5, .dtype = "f16"});
  EXPECT_EQ(audit.wrong, 0u);
  EXPECT_EQ(audit.unsolved, 0u);
  EXPECT_FALSE(audit.misleads());
}

TEST(verdicts, not_a_number_and_infinity_are_wrong) {
  const Audit audit = audit_of(log_of({"a/nan: avg_gpu=0.2ms | avg_cpu=0.3ms maxAbs=nan maxRel=nan",
                                       "a/inf: avg_gpu=0.2ms | avg_cpu=0.3ms maxAbs=inf maxRel=inf",
                                       "a/at_limit: avg_gpu=0.2ms | avg_cpu=0.3ms maxRel=1e-2",
                                       "a/above: avg_gpu=0.2ms | avg_cpu=0.3ms maxRel=1.0001e-2"}));
  const auto& rows = audit.specs[0].rows;
  ASSERT_EQ(rows.size(), 4u);
  EXPECT_EQ(rows[0].verdict, RowVerdict::wrong);
  EXPECT_EQ(rows[1].verdict, RowVerdict::wrong);
  EXPECT_EQ(rows[2].verdict, RowVerdict::right);
  EXPECT_EQ(rows[3].verdict, RowVerdict::wrong);
}

TEST(verdicts, a_row_without_maxRel_is_unchecked_and_never_ranks) {
  const Audit audit = audit_of(
      log_of({"a/x [best-gpu]: avg_gpu=0.2ms | avg_cpu=0.3ms", "a/y: avg_gpu=0.15ms | avg_cpu=0.5ms maxRel=1e-4"}));
  EXPECT_EQ(audit.unchecked, 1u);
  EXPECT_EQ(audit.specs[0].best_device, 1);
  EXPECT_EQ(audit.specs[0].crowns[0].verdict, CrownVerdict::unchecked_row);
  EXPECT_FALSE(audit.misleads());
  EXPECT_FALSE(audit_of(log_of({"a/x: avg_gpu=0.2ms"})).specs[0].unsolved()) << "what nobody checked may be right";
}

TEST(verdicts, a_crown_falls_to_a_right_row_that_is_faster_by_more_than_rounding) {
  const auto crown = [](const std::string& other) {
    return audit_of(log_of({"a/x [best-gpu]: avg_gpu=0.2ms | avg_cpu=0.3ms maxRel=1e-4",
                            "a/y: avg_gpu=" + other + "ms | avg_cpu=0.3ms maxRel=1e-4"}))
        .specs[0]
        .crowns[0]
        .verdict;
  };
  EXPECT_EQ(crown("0.199"), CrownVerdict::stands);
  EXPECT_EQ(crown("0.198"), CrownVerdict::slower);
}

TEST(verdicts, equal_printed_times_share_a_rank) {
  const Audit audit =
      audit_of(log_of({"a/x: avg_gpu=0.3ms maxRel=0", "a/y: avg_gpu=0.2ms maxRel=0", "a/z: avg_gpu=0.2ms maxRel=0"}));
  EXPECT_EQ(audit.specs[0].rows[0].device_rank, 3);
  EXPECT_EQ(audit.specs[0].rows[1].device_rank, 1);
  EXPECT_EQ(audit.specs[0].rows[2].device_rank, 1);
  EXPECT_EQ(audit.specs[0].rows[0].host_rank, 0) << "the log has no host time";
}

TEST(verdicts, of_equal_rows_the_one_that_the_log_crowned_is_best) {
  const Audit audit = audit_of(log_of({"a/x [best-dev]: avg_dev=0.2ms | avg_host=0.3ms maxRel=0",
                                       "a/y [best-host]: avg_dev=0.2ms | avg_host=0.3ms maxRel=0"}));
  EXPECT_EQ(audit.specs[0].best_device, 0);
  EXPECT_EQ(audit.specs[0].best_host, 1);
}

TEST(verdicts, host_time_is_set_beside_the_average_of_the_device_and_never_below_it) {
  const Audit audit = audit_of(log_of({"a/x: avg_dev=0.2ms | avg_host=0.3ms maxRel=0 | median=150.0us | pass",
                                       "a/y: avg_dev=0.4ms | avg_host=0.1ms maxRel=0"}));
  EXPECT_EQ(audit.submission_us.count, 1u);
  EXPECT_NEAR(audit.submission_us.median, 100, 1e-9);
  EXPECT_EQ(audit.host_below_device, 1u);
  EXPECT_TRUE(has(audit_text(audit), "host time below the device's in 1 rows"));
}

TEST(verdicts, a_right_row_that_the_log_calls_noisy_is_neither_wrong_nor_ranked) {
  const Audit audit = audit_of(log_of({"a/x: avg_dev=0.2ms | avg_host=0.3ms maxRel=0 | noisy: run again"}));
  EXPECT_EQ(audit.wrong + audit.unsolved, 0u);
  EXPECT_EQ(audit.specs[0].best_device, -1);
  EXPECT_TRUE(has(audit_text(audit), "(none ranks)"));
}

TEST(bandwidth, a_time_is_impossible_beyond_the_best_right_row_and_the_last_digit) {
  // The right row moves 17,452,544 bytes... in 0.2 ms; rows of 0.2 ms and 0.1995 ms cannot be told apart in three
  // decimals.
  const Audit audit = audit_of(
      log_of({"a/right: avg_gpu=0.2ms | avg_cpu=0.3ms maxRel=1e-4", "a/same: avg_gpu=0.2ms | avg_cpu=0.3ms maxRel=1.5",
              "a/near: avg_gpu=0.1995ms | avg_cpu=0.3ms maxRel=1.5",
              "a/fast [best-gpu]: avg_gpu=0.19ms | avg_cpu=0.3ms maxRel=1.5"}));
  EXPECT_NEAR(audit.best_gbps, 87.26, 0.01);
  EXPECT_EQ(audit.impossible, 1u);
  EXPECT_TRUE(audit.specs[0].rows[3].impossible);
  EXPECT_EQ(audit.crowns_wrong, 1u);
}

TEST(bandwidth, a_time_of_zero_is_impossible_though_its_result_be_right) {
  const Audit audit = audit_of(log_of({"a/right: avg_gpu=0.2ms maxRel=0", "a/zero [best-gpu]: avg_gpu=0ms maxRel=0"}));
  EXPECT_TRUE(audit.specs[0].rows[1].impossible);
  EXPECT_EQ(audit.specs[0].best_device, 0);
  EXPECT_TRUE(audit.misleads());
}

TEST(bandwidth, a_spec_that_no_rule_completes_is_judged_without_one) {
  const Audit audit =
      audit_of(log_of({"a/x: avg_gpu=0.2ms maxRel=1e-4", "a/y: avg_gpu=0.1ms maxRel=1"}, "op=conv2d | size=3"));
  EXPECT_EQ(audit.specs[0].completed, "?");
  EXPECT_EQ(audit.best_gbps, 0);
  EXPECT_EQ(audit.wrong, 1u);
  EXPECT_EQ(audit.impossible, 0u);
}

CaseRecord our_record(const std::string& variant, double device_us, Outcome outcome, double max_rel) {
  CaseRecord record;
  record.variant = variant;
  record.device = "cpu:0";
  record.mode = "decode";
  record.outcome = outcome;
  record.bytes = 17'452'544;
  if (outcome == Outcome::crashed) {
    record.detail = "signal 11 (SIGSEGV): avg_gpu=1ms | maxRel=0";
    return record;
  }
  if (outcome == Outcome::wrong) record.detail = "max error at 17: 3 | maxRel=oops";
  for (int i = 0; i < 12; ++i)
    record.device_us.push_back(device_us), record.host_us.push_back(device_us + 2), record.disturbed.push_back(0);
  record.errors.launches_checked = 3;
  record.errors.max_abs = 0.01, record.errors.max_rel = max_rel;
  return record;
}

std::string our_log(bool colour) {
  SweepReport report;
  report.device = "cpu:0";
  report.read_gbps = 100;
  report.specs.push_back(
      rank_spec(parse_spec(kUp + kTypes),
                {our_record("own/slow", 300.25, Outcome::pass, 1e-4),
                 our_record("own/fast", 200.5, Outcome::pass, 1e-4), our_record("own/wrong", 100, Outcome::wrong, 1e-3),
                 our_record("own/crash", 0, Outcome::crashed, 0), our_record("own/noisy", 150, Outcome::noisy, 1e-4)},
                {"own/slow"}, {}));
  report.specs[0].original_ms = 0.325;
  report.specs[0].original_device = "Apple laptop GPU";
  report.skips = {{"own/slow", "matmul_alpha_beta", "alpha_beta not supported", 8}};
  return text_report(report, {.colour = colour});
}

TEST(our_own_log, is_read_back_as_it_was_ranked) {
  const Audit audit = audit_of(our_log(false));
  ASSERT_EQ(audit.rows, 5u) << our_log(false);
  EXPECT_TRUE(audit.log.unread.empty());
  const AuditSpec& spec = audit.specs[0];
  std::map<std::string, const AuditRow*> rows;
  for (const AuditRow& row : spec.rows) rows[std::string(row.row.variant)] = &row;
  EXPECT_EQ(rows["own/fast"]->row.device_us, 200.5) << "the median, finer than the average in ms";
  EXPECT_TRUE(rows["own/fast"]->row.has_tag("best-dev"));
  EXPECT_TRUE(rows["own/fast"]->row.has_tag("best-host"));
  EXPECT_EQ(rows["own/fast"]->device_rank, 1);
  EXPECT_EQ(rows["own/slow"]->device_rank, 2);
  EXPECT_EQ(rows["own/wrong"]->verdict, RowVerdict::wrong) << "its own bound is sharper than maxRel";
  EXPECT_EQ(rows["own/crash"]->verdict, RowVerdict::failed);
  EXPECT_FALSE(rows["own/crash"]->row.measured()) << "a detail is no measurement";
  EXPECT_EQ(rows["own/noisy"]->device_rank, 0);
  EXPECT_EQ(spec.completed, "");
  EXPECT_NEAR(audit.best_gbps, 17.4525 / 0.2005, 0.1);
  EXPECT_FALSE(audit.misleads());
  EXPECT_EQ(audit.log.claimed_results, 5);
  ASSERT_EQ(audit.log.failures.size(), 4u);
  EXPECT_EQ(audit.log.failures[0].reason, "unsupported: alpha_beta not supported");
}

TEST(our_own_log, reads_alike_in_colour_and_with_carriage_returns) {
  std::string dos;
  for (const char c : our_log(false)) dos += c == '\n' ? std::string("\r\n") : std::string(1, c);
  const auto json = [](const std::string& log) {
    AuditFileReport report("log", {}, {.json = true, .csv = false, .text = {}});
    for (ProbeLog& part : logs_of(log)) report.add(std::move(part));
    return report.json();
  };
  const std::string plain = json(our_log(false));
  EXPECT_EQ(json(our_log(true)), plain);
  EXPECT_EQ(json(dos), plain);
}

TEST(audit_command, exit_codes_say_whether_a_crown_misleads) {
  const Home home;
  EXPECT_EQ(home.run({"audit", kSeed}).exit_code, 1);
  EXPECT_EQ(home.run({"audit", kSeed, "--max-rel", "2.5"}).exit_code, 0);
  write_file(home.folder / "own.log", our_log(false));
  EXPECT_EQ(home.run({"audit", home.folder / "own.log"}).exit_code, 0);
  write_file(home.folder / "empty.log", "");
  for (const std::string& bad : {std::string(home.folder / "empty.log"), std::string(home.folder / "none.log"),
                                 home.folder.string(), std::string("-")}) {
    const Ended ended = home.run({"audit", bad});
    EXPECT_EQ(ended.exit_code, 2) << bad;
    EXPECT_EQ(count_of(ended.err, "\n"), 1u) << ended.err;
    EXPECT_EQ(ended.out, "");
  }
  EXPECT_TRUE(has(home.run({"audit", kSeed, "--dtype", "f17"}).err, "did you mean f16"));
}

TEST(audit_command, a_log_that_checks_nothing_is_no_pass) {
  const Home home;
  const auto exit_code = [&](const std::string& log) {
    write_file(home.folder / "some.log", log);
    const Ended ended = home.run({"audit", home.folder / "some.log"});
    EXPECT_EQ(count_of(ended.err, "\n"), ended.exit_code == 2 ? 1u : 0u) << ended.err;
    EXPECT_TRUE(has(ended.out, "Audit of ")) << "the report is there all the same";
    return ended.exit_code;
  };
  const std::string unchecked = log_of({"a/x [best-gpu]: avg_gpu=0.1ms", "a/y: crashed: signal 11"});
  const std::string right = log_of({"a/x [best-gpu]: avg_gpu=0.1ms maxRel=1e-4"});
  const std::string wrong = log_of({"a/x [best-gpu]: avg_gpu=0.1ms maxRel=1"});
  EXPECT_EQ(exit_code(unchecked), 2);
  EXPECT_EQ(exit_code("Spec " + kUp + ": no successful variants\n"), 2);
  EXPECT_EQ(exit_code(right), 0);
  EXPECT_EQ(exit_code(right + unchecked), 2) << "one of two logs proves nothing";
  EXPECT_EQ(exit_code(unchecked + wrong), 1);
  EXPECT_EQ(exit_code(right + wrong), 1) << "whichever of two logs misleads";
  EXPECT_EQ(exit_code(wrong + right), 1);
}

TEST(audit_command, what_is_no_utf8_is_told_apart_and_comes_out_as_utf8) {
  const Home home;
  write_file(home.folder / "bad.log", log_of({"a/\xff: avg_gpu=0.1ms maxRel=1", "a/\xfe\x80: avg_gpu=0.2ms maxRel=1e-4",
                                              "a/\xc2\x9b: avg_gpu=0.3ms maxRel=1"}));
  const Ended ended = home.run(
      {"audit", home.folder / "bad.log", "--verbose", "--json", home.folder / "j", "--csv", home.folder / "c"});
  const Json report = Json::parse(read_file(home.folder / "j"));
  EXPECT_EQ(report["specs"][0]["rows"][0]["variant"], R"(a/\xff)");
  EXPECT_EQ(report["specs"][0]["rows"][1]["variant"], R"(a/\xfe\x80)");
  for (const std::string& text : {ended.out, read_file(home.folder / "j"), read_file(home.folder / "c")})
    EXPECT_EQ(std::count_if(text.begin(), text.end(), [](char c) { return (c & 0x80) != 0; }), 0) << text;
}

TEST(audit_command, json_and_csv_hold_every_row) {
  const Home home;
  const Ended json = home.run({"audit", kSeed, "--json", "-", "--csv", home.folder / "rows.csv"});
  const Json report = Json::parse(json.out);
  EXPECT_EQ(report["schema"], "assay-audit");
  EXPECT_EQ(report["counts"]["crowns_on_wrong_rows"], 32);
  EXPECT_EQ(report["specs"].size(), 20u);
  EXPECT_EQ(report["specs"][0]["rows"][0]["device_us"], 484);
  const std::string csv = read_file(home.folder / "rows.csv");
  EXPECT_EQ(count_of(csv, "\r\n"), 177u);
  EXPECT_EQ(count_of(csv, ",wrong,"), 86u);
}

}  // namespace
}  // namespace assay
