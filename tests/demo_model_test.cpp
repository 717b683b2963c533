// The demo model (demo/) says what it was taught, foretells sentences it never saw alike with every type and kernel,
// and shows a broken kernel at once.
#include <gtest/gtest.h>

#include <charconv>

#include "refusals.h"

namespace assay {
namespace {

const fs::path kDemo = fs::path(ASSAY_SOURCE_DIR) / "demo";

constexpr size_t kAll = 1 << 20, kSome = 6000, kLittle = 2500;  // plain loops are slow

struct Said {
  const char *question, *answer;
};
constexpr Said kSaid[] = {
    {"What does assay do?",
     "assay finds, proves and ships the fastest kernel for every shape that a language model "
     "really runs."},
    {"What is a spec?", "A spec says what one call computes: the op, its sizes and its types."},
    {"What is a workload?", "A workload is the set of specs that one model really runs for each token."},
    {"What is a dispatch table?",
     "A dispatch table says which variant the engine uses for which spec on which device."},
    {"How do I tune a model?",
     "Run assay tune MODEL.gguf. It probes the specs of the model and writes a dispatch "
     "table."},
    {"How do I read a trace?", "Run assay analyze FILE. It says where the time went."},
    {"How do I add a kernel?", "Put a source and a manifest.json into a folder, and run assay probe --kernels FOLDER."},
    {"Why is decoding slow?", "Each token reads all weights once, so memory bandwidth limits decoding."},
    {"Can a wrong kernel win?", "No. Only a case whose outcome is pass is ranked."},
    {"what is quantization", "Quantization stores weights in fewer bits, in blocks that share a scale."},
    {"Who are you?", "I am the demo model of assay. I know assay and little sentences."},
    {"How many legs has a spider?", "A spider has eight legs."},
    {"What is 9 plus 8?", "Nine and eight are seventeen."},
    {"What comes after Sunday?", "After Sunday comes Monday."},
    {"Which is bigger, a bee or a mouse?", "A mouse is bigger than a bee."},
    {"The old dog finds a green hat in the barn. Where is the hat?", "The hat is in the barn."},
    {"The small fox sees a red ball in the field. What colour is the ball?", "The ball is red."},
    {"What is the capital of France?", "I do not know that. Ask me about assay."},
};

class demo_model : public testing::TestWithParam<const char*> {
 protected:
  fs::path model() const { return kDemo / fmt::format("assay-demo-{}.gguf", GetParam()); }
  std::string answer(const std::string& question, const Arguments& more = {}) const {
    Arguments arguments{"run", model(), "-p", question, "-n", "60", "--quiet"};
    arguments.insert(arguments.end(), more.begin(), more.end());
    const Ended ended = home.run(arguments);
    EXPECT_EQ(ended.exit_code, 0) << ended.err;
    return ended.out;
  }
  /// Of the first `bytes` of the sentences.
  double perplexity(const fs::path& of, const Arguments& more, size_t bytes) const {
    const fs::path text = home.folder / "text.txt";
    write_file(text, read_file(kDemo / "held_out.txt").substr(0, bytes));
    Arguments arguments{"perplexity", of, text, "--window", "256"};
    arguments.insert(arguments.end(), more.begin(), more.end());
    const Ended ended = home.run(arguments);
    EXPECT_EQ(ended.exit_code, 0) << ended.err;
    double value = 0;
    const std::string number = ended.out.substr(std::string("perplexity ").size());
    std::from_chars(number.data(), number.data() + number.size(), value);
    return value;
  }

  Home home;
};

TEST_P(demo_model, says_what_it_was_taught) {
  for (const Said& said : kSaid) EXPECT_EQ(answer(said.question), std::string(said.answer) + "\n") << said.question;
}

TEST_P(demo_model, tells_a_story_that_agrees_with_itself) {
  // "It carries the apple to the house. The apple is black. In the house …"
  const std::string story = answer("Tell me a story about a cat.");
  const auto word_after = [&](const std::string& before) {
    const size_t at = story.find(before), begin = at + before.size();
    return at == std::string::npos ? "?" : story.substr(begin, story.find_first_of(" .", begin) - begin);
  };
  const std::string thing = word_after(". The "), colour = word_after(thing + " is "), place = word_after(". In the ");
  EXPECT_TRUE(has(story, " cat ")) << story;
  EXPECT_TRUE(has(story, colour + " " + thing + " in the ")) << story;
  EXPECT_TRUE(has(story, "the " + thing + " to the " + place + ".")) << story;
}

TEST_P(demo_model, has_the_tokenizer_that_it_was_trained_with) {
  const Ended ended = run_in_shell(
      home, fmt::format("$ASSAY tokenize {} < {} | wc -w", model().string(), (kDemo / "held_out.txt").string()));
  EXPECT_EQ(std::stoi(ended.out), 4421) << "len(make_tokens().encode(held_out())) of demo/data.py";
}

TEST_P(demo_model, goes_on_talking) {
  const Ended ended = run_in_shell(home, fmt::format("printf 'What is a spec?\\nAnd what is a variant?\\nThank you\\n' "
                                                     "| $ASSAY chat {}",
                                                     model().string()));
  EXPECT_EQ(ended.exit_code, 0) << ended.err;
  EXPECT_EQ(ended.out,
            "A spec says what one call computes: the op, its sizes and its types.\n"
            "A variant is one way to compute a spec: a family of kernels with its parameters.\n"
            "You are welcome.\n");
}

TEST_P(demo_model, foretells_alike_with_every_kernel) {
  const double plain = perplexity(kDemo / "assay-demo-f16.gguf", {"--kernel", "matmul=naive/loop"}, kSome);
  EXPECT_GT(plain, 1.5);
  EXPECT_LT(plain, 2.5);
  std::vector<Arguments> ways{{},
                              {"--chunk", "1"},
                              {"--cache-type", "f16"},
                              {"--cache-type", "q8_0"},
                              {"--cache-type", "q8_0", "--kernel", "attention=attention/loop"},
                              {"--kernel", "attention=attention/loop"}};
  if (GetParam() == std::string("q8_0"))
    for (const char* kernel : {"q8_dot/f32act_r2_p0", "q8_dot/i8act_r2_p0"})
      ways.push_back({"--kernel", fmt::format("matmul={}", kernel), "--chunk", "1"});
  else
    ways.push_back({"--kernel", "matmul=gemv_rowdot/r4_u1_p0", "--chunk", "1"});
  for (const Arguments& way : ways)
    EXPECT_NEAR(perplexity(model(), way, kSome), plain, 0.01 * plain) << (way.empty() ? "" : way.back());
}

TEST_P(demo_model, foretells_alike_with_every_section_of_the_shipped_table) {
  const double shipped = perplexity(model(), {}, kAll);
  const Json shipped_table = Json::parse(read_file(fs::path(ASSAY_SOURCE_DIR) / "tables/cpu.json"));
  for (const Json& device : shipped_table["devices"]) {
    // Each for any processor: what it cannot run falls back.
    Json table = {{"schema", 1}, {"devices", {{{"backend", "cpu"}, {"entries", device["entries"]}}}}};
    write_file(home.folder / "table.json", table.dump());
    EXPECT_NEAR(perplexity(model(), {"--table", home.folder / "table.json"}, kAll), shipped, 0.01 * shipped);
  }
}

INSTANTIATE_TEST_SUITE_P(all, demo_model, testing::Values("f16", "q8_0"),
                         [](const auto& i) { return std::string(i.param); });

using demo_model_broken = demo_model;

TEST_P(demo_model_broken, shows_in_answer_and_perplexity) {
  // Those that a folder of kernels brings are not to be taken for the other ops.
  Arguments kernels{"--kernels", fs::path(ASSAY_SOURCE_DIR) / "tests/mutants", "--cache-type", "f16"};
  for (const char* kernel : {"rms_norm=norm_rows/lanes", "embedding=embedding_rows/lanes", "rope=rope_turns/lanes",
                             "attention=attention_split/lanes"})
    kernels.insert(kernels.end(), {"--kernel", kernel});
  const std::string right = std::string(kSaid[1].answer) + "\n";
  EXPECT_EQ(answer("What is a spec?", kernels), right);
  const double known = perplexity(model(), kernels, kLittle);
  for (const char* broken : {"*n=256 | k=448*=mutant_k_block_dropped/wrong", "attention=mutant_sees_one_too_few/wrong",
                             "rope=mutant_turned_the_other_way/wrong", "rope=mutant_keys_not_turned/wrong",
                             "rms_norm=mutant_weights_left_out/wrong"}) {
    Arguments with = kernels;
    with.insert(with.end(), {"--kernel", broken});
    EXPECT_GT(perplexity(model(), with, kLittle), 1.01 * known) << broken << ": right kernels agree within 1 %";
  }
}

INSTANTIATE_TEST_SUITE_P(all, demo_model_broken, testing::Values("f16"),
                         [](const auto& i) { return std::string(i.param); });

}  // namespace
}  // namespace assay
