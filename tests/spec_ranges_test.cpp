// Laws of ranges in a spec line: what lines they stand for, and which are refused.
#include <gtest/gtest.h>

#include "base/error.h"
#include "spec/spec.h"

namespace assay {
namespace {

TEST(SpecRanges, ARangeStandsForEveryLineInOrder) {
  const auto lines = expand_ranges(parse_spec_fields("op=matmul | m=2..3 | n=16..40..8 | k=64"), "--spec");
  std::vector<std::string> printed;
  for (const SpecFields& line : lines) printed.push_back(print_spec_fields(line));
  EXPECT_EQ(printed, (std::vector<std::string>{"op=matmul | m=2 | n=16 | k=64", "op=matmul | m=2 | n=24 | k=64",
                                               "op=matmul | m=2 | n=32 | k=64", "op=matmul | m=2 | n=40 | k=64",
                                               "op=matmul | m=3 | n=16 | k=64", "op=matmul | m=3 | n=24 | k=64",
                                               "op=matmul | m=3 | n=32 | k=64", "op=matmul | m=3 | n=40 | k=64"}));
}

TEST(SpecRanges, EverySizeMayVaryAndTheLastStepMayFallShort) {
  for (const char* field : {"batch", "m", "n", "k"}) {
    const auto lines = expand_ranges({{field, "1..8..3"}}, "--spec");
    ASSERT_EQ(lines.size(), 3u);
    EXPECT_EQ(lines.back(), (SpecFields{{field, "7"}}));
  }
  EXPECT_EQ(expand_ranges({{"n", "5..5"}}, "--spec"), (std::vector<SpecFields>{{{"n", "5"}}}));
  EXPECT_EQ(expand_ranges({{"n", "5"}, {"tA", "0..1"}}, "--spec").size(), 1u) << "a flag has no range";
}

TEST(SpecRanges, AFieldOfWholeNumbersMayVaryThoughItIsNoOperandsSize) {
  const auto lines = expand_ranges(parse_spec_fields("op=attention | m=1 | length=14..44..10", "here"), "here");
  ASSERT_EQ(lines.size(), 4u);
  EXPECT_EQ(lines[1].back(), (std::pair<std::string, std::string>("length", "24")));
}

TEST(SpecRanges, AtMost4096LinesComeOfOneLine) {
  EXPECT_EQ(expand_ranges({{"n", "1..4096"}}, "--spec").size(), 4096u);
  EXPECT_EQ(expand_ranges({{"n", "1..64"}, {"k", "1..64"}}, "--spec").size(), 4096u);
  for (const SpecFields& fields : {SpecFields{{"n", "1..4097"}}, SpecFields{{"n", "1..64"}, {"k", "1..65"}},
                                   SpecFields{{"n", "1..9223372036854775807"}}})
    EXPECT_THROW(expand_ranges(fields, "--spec"), Error) << print_spec_fields(fields);
}

TEST(SpecRanges, AMalformedRangeIsNamed) {
  for (const char* value : {"1..", "..5", "..", "1..2..", "1..2..0", "1..2..3..4", "0..5", "-1..5", "1...5", "1..5x",
                            "a..b", "1..2.3", "5..4", "1..99999999999999999999"}) {
    try {
      expand_ranges({{"n", value}}, "--spec");
      ADD_FAILURE() << value << " was accepted";
    } catch (const Error& error) {
      EXPECT_EQ(std::string(error.what()).rfind(fmt::format("--spec: field n={}: ", value), 0), 0u) << error.what();
    }
  }
}

}  // namespace
}  // namespace assay
