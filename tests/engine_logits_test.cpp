// The engine against logits that were computed in float64 by somebody else, and against itself: chunks, threads, seeds.
#include "engine_logits.h"

#include <gtest/gtest.h>

#include "refusals.h"
#include "text_lines.h"

namespace assay {
namespace {

const fs::path kModels = fs::path(ASSAY_SOURCE_DIR) / "../shared/data/models";
const std::string kTokens = "3 17 901 44 1200 8 9 2000 77 5 6 1500 31";

std::vector<float> logits(const Home& home, const fs::path& model, const Arguments& more = {},
                          const std::string& tokens = kTokens) {
  return logits_of(home, model, more, tokens);
}

/// More than a tile of attention has rows.
std::string many_tokens() {
  std::string many;
  for (int i = 0; i < 80; ++i) many += fmt::format("{} ", (i * 37) % 2000 + 3);
  return many;
}

struct Promise {
  std::string type;
  double shipped, exact;  // NMSE with the shipped table; with float activations
};

class tiny_models : public testing::TestWithParam<std::tuple<std::string, Promise>> {
 protected:
  void SetUp() override {
    if (!fs::exists(kModels)) GTEST_SKIP() << "no ../shared/data/models here";
    const auto& [architecture, promise] = GetParam();
    model = kModels / fmt::format("tiny-{}-{}.gguf", architecture, promise.type);
    known = floats_of(read_file(fs::path(model).replace_extension(".f32")));
  }
  Home home;
  fs::path model;
  std::vector<float> known;
};

TEST_P(tiny_models, give_the_known_logits) {
  const Promise promise = std::get<1>(GetParam());
  const std::vector<float> shipped = logits(home, model);
  ASSERT_EQ(shipped.size(), known.size());
  EXPECT_LE(nmse(shipped, known), promise.shipped);
  EXPECT_LE(nmse(logits(home, model, {"--kernel", "matmul=naive/loop"}), known), promise.exact);
}

TEST_P(tiny_models, give_the_same_in_chunks_of_any_size) {
  const std::string many = many_tokens();
  const std::vector<float> at_once = logits(home, model, {"--chunk", "64"}, many);
  for (const char* chunk : {"1", "4"}) {
    const std::vector<float> pieces = logits(home, model, {"--chunk", chunk}, many);
    ASSERT_EQ(pieces.size(), at_once.size());
    EXPECT_LE(largest_difference(pieces, at_once), 1e-5) << chunk;
  }
}

TEST_P(tiny_models, give_the_same_bits_for_any_number_of_threads) {
  for (const std::string& tokens : {kTokens, many_tokens()}) {  // few and many rows have kernels of their own
    const std::vector<float> one = logits(home, model, {"--threads", "1"}, tokens);
    for (const char* threads : {"2"}) EXPECT_EQ(logits(home, model, {"--threads", threads}, tokens), one) << threads;
  }
}

TEST_P(tiny_models, give_the_same_text_for_the_same_seed_and_any_number_of_threads) {
  const auto text = [&](const std::string& threads, const std::string& seed) {
    const Ended ended = home.run({"run", model, "--raw", "-p", "a b c", "-n", "12", "--temperature", "1.5", "--seed",
                                  seed, "--threads", threads, "--json"});
    EXPECT_EQ(ended.exit_code, 0) << ended.err;
    std::string tokens;
    for (const std::string& line : lines_of(ended.out))
      if (has(line, "\"token\"")) tokens += line + "\n";
    return tokens;
  };
  const std::string first = text("1", "5");
  EXPECT_GT(count_of(first, "\n"), 1u);
  EXPECT_EQ(text("2", "5"), first);
  EXPECT_NE(text("2", "6"), first);
}

INSTANTIATE_TEST_SUITE_P(all, tiny_models,
                         testing::Combine(testing::Values("qwen2", "llama"),
                                          testing::Values(Promise{"f16", 2e-7, 2e-7}, Promise{"q8_0", 5e-4, 1e-6},
                                                          Promise{"q4_0", 5e-4, 1e-6})),
                         [](const auto& i) { return std::get<0>(i.param) + "_" + std::get<1>(i.param).type; });

}  // namespace
}  // namespace assay
