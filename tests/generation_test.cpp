// An answer from inside: what an interruption leaves, and what the next prompt reuses of it.
#include "engine/generation.h"

#include <gtest/gtest.h>

#include "model/gguf_vocabulary.h"
#include "opened_session.h"

namespace assay {
namespace {

const std::filesystem::path kModel =
    std::filesystem::path(ASSAY_SOURCE_DIR) / "../shared/data/models/tiny-qwen2-q8_0.gguf";

TEST(generation, counts_of_an_interrupted_prompt_what_was_computed_and_goes_on_from_there) {
  if (!std::filesystem::exists(kModel)) GTEST_SKIP() << "no ../shared/data/models here";
  SessionOptions by_four;
  by_four.chunk = 4;
  OpenedSession opened(kModel, 1, by_four);
  const Gguf file(kModel);
  const auto tokenizer = load_tokenizer(file);
  const std::vector<Token> prompt{3, 17, 901, 44, 1200, 8, 9, 2000, 77, 5};
  Sampler sampler(SamplingOptions{});
  GenerationOptions options;
  options.max_tokens = 1;
  for (const int64_t pieces : {0, 1, 2}) {
    opened.session().truncate(0);
    GenerationEvents events;
    events.stopped = [left = pieces]() mutable { return left-- == 0; };
    const Generation cut = generate(opened.session(), sampler, *tokenizer, prompt, options, events);
    EXPECT_EQ(cut.ending, Ending::interrupted);
    EXPECT_EQ(cut.prompt_tokens, 4 * pieces);
    EXPECT_TRUE(cut.tokens.empty());
    const Generation whole = generate(opened.session(), sampler, *tokenizer, prompt, options, {});
    EXPECT_EQ(whole.reused_tokens, 4 * pieces);
    EXPECT_EQ(whole.prompt_tokens, std::ssize(prompt) - 4 * pieces);
    EXPECT_EQ(whole.tokens.size(), 1u);
  }
}

}  // namespace
}  // namespace assay
