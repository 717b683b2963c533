// An answer from inside: what an interruption leaves, and what the next prompt reuses of it.
#include "engine/generation.h"

#include <gtest/gtest.h>

#include <csignal>

#include "base/interruption.h"
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

TEST(generation, ctrl_c_ends_the_answer_alone_also_where_the_cache_grows) {
  if (!std::filesystem::exists(kModel)) GTEST_SKIP() << "no ../shared/data/models here";
  end_when_interrupted();
  OpenedSession opened(kModel, 1);
  Session& session = opened.session();
  const Gguf file(kModel);
  const auto tokenizer = load_tokenizer(file);
  const std::vector<Token> prompt{3, 17, 901, 44, 1200, 8, 9, 2000, 77, 5}, next{8};
  Sampler sampler(SamplingOptions{});
  GenerationOptions options;
  options.max_tokens = 1;
  GenerationEvents events;
  events.stopped = interrupted;
  {
    const CatchInterrupt of_the_answer;
    raise(SIGINT);
    EXPECT_EQ(generate(session, sampler, *tokenizer, prompt, options, events).ending, Ending::interrupted);
    EXPECT_EQ(session.position(), 0);
  }
  {
    const CatchInterrupt of_the_answer;
    EXPECT_EQ(generate(session, sampler, *tokenizer, prompt, options, events).ending, Ending::max_tokens);
    session.repeat(256 - session.position());  // one more, and the cache and its programs are made anew
    raise(SIGINT);
    session.stopped = [] { return false; };
    EXPECT_FALSE(session.append(next).empty()) << "no kernel lacks for it";
  }
  const CatchInterrupt forgets;  // for the tests behind it
}

TEST(session, repeats_the_rows_that_are_there_and_leaves_them_as_they_were) {
  if (!std::filesystem::exists(kModel)) GTEST_SKIP() << "no ../shared/data/models here";
  const std::vector<Token> tokens{3, 17, 901, 44, 1200}, next{8};
  OpenedSession opened(kModel, 1), other(kModel, 1);
  Session& session = opened.session();
  session.append(tokens);
  session.repeat(300);
  EXPECT_EQ(session.position(), 305);
  EXPECT_EQ(session.tokens()[304], tokens[304 % 5]);
  const ModelConfig& c = opened.config();
  const int64_t capacity = cache_capacity(305, c.context);
  ASSERT_GT(capacity, 256) << "the cache grew";
  for (const auto& [name, size] : {std::pair("blk.1.k_cache", c.key_size), std::pair("blk.0.v_cache", c.value_size)})
    for (int64_t head = 0; head < c.kv_heads; ++head) {
      const auto* rows = reinterpret_cast<const float*>(opened.buffer(name)) + head * capacity * size;
      for (int64_t row = 5; row < 305; ++row)
        ASSERT_TRUE(std::equal(rows + row * size, rows + (row + 1) * size, rows + row % 5 * size)) << name << row;
      EXPECT_FALSE(std::equal(rows, rows + size, rows + size));
    }
  session.truncate(5);
  other.session().append(tokens);
  const std::span<const float> after = session.append(next), wanted = other.session().append(next);
  EXPECT_TRUE(std::equal(after.begin(), after.end(), wanted.begin(), wanted.end()));
  EXPECT_THROW(session.repeat(c.context), Error);
}

}  // namespace
}  // namespace assay
