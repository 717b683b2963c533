// Laws of the verdict on one row: what counts as an error, and whose bound holds.
#include "audit/row_judgement.h"

#include "assay_program.h"
#include "probe_logs.h"
#include "report/audit_report.h"

namespace assay {
namespace {

TEST(errors, that_are_no_number_or_fit_none_are_wrong) {
  for (const char* fields : {"maxAbs=1e-2 maxRel=1e400", "maxAbs=nan maxRel=4e-04", "maxAbs=inf maxRel=4e-04",
                             "maxAbs=1e999 maxRel=4e-04", "maxRel=-nan", "maxRel=NaN", "maxRel=-inf", "maxRel=+inf",
                             "maxRel=infinity", "maxRel=nan(ind)", "maxRel=1.#QNAN", "maxRel=1.#INF", "maxAbs=nan"})
    EXPECT_EQ(verdict_of(fields), RowVerdict::wrong) << fields;
  for (const char* fields : {"maxRel=1e-400", "maxRel=0", "maxRel=+1e-4", "maxAbs=1e300 maxRel=1e-3"})
    EXPECT_EQ(verdict_of(fields), RowVerdict::right) << fields;
}

TEST(errors, without_maxRel_leave_a_row_unchecked) {
  for (const char* fields :
       {"", "maxAbs=0", "| pass", "| class=int8_activation | err=0.31 of bound", "| pass | err=0.31 of bound"})
    EXPECT_EQ(verdict_of(fields), RowVerdict::unchecked) << fields;
}

TEST(classes, of_their_own_are_held_to_their_own_bound) {
  for (const std::string name : {"f16_activation", "bf16_activation", "int8_activation"}) {
    const auto verdict = [&](const std::string& err) {
      return verdict_of("maxAbs=2.0e+00 maxRel=1.9e+00 | median=200.0us | pass | class=" + name + err);
    };
    EXPECT_EQ(verdict(" | err=0.31 of bound"), RowVerdict::right);
    EXPECT_EQ(verdict(" | err=1 of bound"), RowVerdict::right);
    EXPECT_EQ(verdict(" | err=1.01 of bound"), RowVerdict::wrong);
    EXPECT_EQ(verdict(" | err=nan of bound"), RowVerdict::wrong);
    EXPECT_EQ(verdict(" | err=1e400 of bound"), RowVerdict::wrong);
    EXPECT_EQ(verdict(""), RowVerdict::unchecked) << "a class alone is a claim";
  }
}

TEST(classes, excuse_nothing_else) {
  const std::string claim = " | class=int8_activation | err=0.31 of bound";
  EXPECT_EQ(verdict_of("maxAbs=1 maxRel=nan" + claim), RowVerdict::wrong);
  EXPECT_EQ(verdict_of("maxAbs=1 maxRel=inf" + claim), RowVerdict::wrong);
  EXPECT_EQ(verdict_of("maxAbs=nan maxRel=1.9" + claim), RowVerdict::wrong);
  EXPECT_EQ(verdict_of("maxAbs=1 maxRel=1.9 | wrong: sum off" + claim), RowVerdict::wrong);
  EXPECT_EQ(verdict_of("maxAbs=1 maxRel=1.9 | class=exact | err=0.31 of bound"), RowVerdict::wrong);
  EXPECT_EQ(verdict_of("maxAbs=1 maxRel=1e-4 | class=exact | err=1.31 of bound"), RowVerdict::wrong);
  EXPECT_EQ(verdict_of("maxAbs=1 maxRel=1.9 | class=int4_guesses | err=0.31 of bound"), RowVerdict::wrong)
      << "a class that nobody knows has no bound";
  EXPECT_EQ(verdict_of("maxAbs=1 maxRel=1.9 | err=0.31 of bound"), RowVerdict::wrong) << "no class, no other bound";
}

TEST(classes, are_read_in_any_order) {
  for (const char* fields : {"class=int8_activation err=0.31 of bound maxAbs=2 maxRel=1.9",
                             "| err=0.31 of bound | class=int8_activation | maxAbs=2 maxRel=1.9",
                             "maxRel=1.9 | err=0.31 of bound | pass | tie | class=int8_activation | 40 registers",
                             "maxRel=1.9 | noisy: spread 9 % | class=int8_activation | err=0.31 of bound"})
    EXPECT_EQ(verdict_of(fields), RowVerdict::right) << fields;
}

TEST(classes, compete_within_themselves_and_the_report_counts_them) {
  const Audit audit = audit_of(log_of(
      {"a/exact [best-gpu]: avg_gpu=0.3ms | avg_cpu=0.4ms maxRel=1e-4 | pass | class=exact | err=0.1 of bound",
       "a/int8 [best-gpu]: avg_gpu=0.2ms | avg_cpu=0.3ms maxRel=1.9 | pass | class=int8_activation | err=0.31 of bound",
       "a/int8b: avg_gpu=0.25ms | avg_cpu=0.3ms maxRel=1.8 | pass | class=int8_activation | err=0.87 of bound"}));
  EXPECT_EQ(audit.crowns_wrong + audit.crowns_slower, 0u) << "an exact row is no slower crown for a faster int8 one";
  EXPECT_EQ(audit.own_bound, 2u);
  const std::string text = audit_text(audit);
  EXPECT_TRUE(
      has(text, "2 rows judged by their class's own bound, not by maxRel: int8_activation 2 (at most 0.87 of it)"))
      << text;
  EXPECT_TRUE(has(text, "a/int8 (int8_activation)")) << text;
}

TEST(bandwidth, a_right_row_that_is_too_noisy_to_rank_is_not_called_impossible_for_being_faster) {
  const Audit audit =
      audit_of(log_of({"a/x: avg_gpu=0.1ms maxRel=4e-04 | noisy: spread", "a/y: avg_gpu=0.2ms maxRel=4e-04"}));
  EXPECT_EQ(audit.impossible, 0u);
}

TEST(bandwidth, an_unchecked_row_is_not_called_impossible_for_being_faster) {
  const Audit audit = audit_of(log_of({"a/x [best-gpu]: avg_gpu=0.1ms", "a/y: avg_gpu=0.2ms maxRel=4e-04"}));
  EXPECT_EQ(audit.impossible, 0u);
  EXPECT_EQ(audit.crowns_unchecked, 1u);
  EXPECT_FALSE(audit.misleads());
  EXPECT_EQ(audit_of(log_of({"a/x: avg_gpu=0ms", "a/y: avg_gpu=0.2ms maxRel=4e-04"})).impossible, 1u)
      << "no time at all is";
}

}  // namespace
}  // namespace assay
