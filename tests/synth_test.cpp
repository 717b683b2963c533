// Laws of assay synth and assay inspect, the real program: what one writes the other reads; nothing is left of what was
// not finished.
#include <cmath>

#include "base/error.h"
#include "gguf_models.h"
#include "model/inspection.h"
#include "model/synthetic_file.h"
#include "refusals.h"

namespace assay {
namespace {

class synth : public testing::Test {
 protected:
  fs::path at(const std::string& name) const { return home_.folder / name; }
  Arguments tiny(const std::string& type, const std::string& out = "m.gguf") const {
    return {"synth", "--shape", "tiny", "--type", type, "--out", at(out)};
  }
  /// Beside what the program printed.
  std::vector<std::string> files_here() const {
    std::vector<std::string> names;
    for (const auto& entry : fs::directory_iterator(home_.folder))
      if (const std::string name = entry.path().filename(); name.rfind("run", 0) != 0) names.push_back(name);
    return names;
  }
  Home home_;
};

TEST_F(synth, every_type_is_a_model_that_inspect_calls_sound) {
  for (const std::string type :
       {"f32", "f16", "bf16", "q8_0", "q4_0", "q4_1", "q5_0", "q5_1", "q4_k", "q5_k", "Q6_K"}) {
    const Ended made = home_.run(tiny(type));
    EXPECT_EQ(made.exit_code, 0) << made.err;
    const Ended seen = home_.run({"inspect", at("m.gguf"), "--check", "--format", "json"});
    ASSERT_EQ(seen.exit_code, 0) << seen.err;
    const Json json = Json::parse(seen.out);
    EXPECT_EQ(json["runs"], true) << json["why_not"];
    EXPECT_EQ(json["model"]["layers"], 3);
    EXPECT_EQ(json["bytes"], fs::file_size(at("m.gguf")));
    EXPECT_EQ(parse_tensor_type(json["types"][0]["type"].get<std::string>()), parse_tensor_type(type));
  }
}

TEST_F(synth, the_same_seed_gives_the_same_file_and_another_one_another) {
  const auto made = [&](Arguments arguments, const std::string& seed) {
    arguments.insert(arguments.end(), {"--seed", seed});
    EXPECT_EQ(home_.run(arguments).exit_code, 0);
    return read_file(at("m.gguf"));
  };
  const std::string first = made(tiny("q4_0"), "7");
  EXPECT_EQ(made(tiny("q4_0"), "7"), first);
  EXPECT_NE(made(tiny("q4_0"), "8"), first);
}

TEST(synth_plan, shapes_have_the_sizes_of_the_published_models) {
  const auto weights = [](const char* name) {
    int64_t count = 0;
    for (const SyntheticTensor& tensor :
         plan_synthetic_model(find_model_shape(name), TensorType::f16, 1, nullptr).tensors)
      if (tensor.facts.use != WeightUse::rope) count += tensor.values;
    return count;
  };
  // As their model cards count them.
  EXPECT_EQ(weights("qwen2.5-0.5b"), 494032768);
  EXPECT_EQ(weights("qwen3-0.6b"), 596049920);
  EXPECT_EQ(weights("llama-3.2-1b"), 1235814400);
  EXPECT_EQ(weights("smollm-135m"), 134515008);
}

TEST(synth_plan, weights_are_of_realistic_scale_and_the_same_in_every_type) {
  const ModelShape& shape = find_model_shape("qwen2.5-0.5b");
  const SyntheticModel exact = plan_synthetic_model(shape, TensorType::f32, 1, nullptr);
  const SyntheticModel half = plan_synthetic_model(shape, TensorType::q8_0, 1, nullptr);
  for (size_t i = 0; i < exact.tensors.size(); ++i) {
    const SyntheticTensor& tensor = exact.tensors[i];
    if (tensor.facts.layer > 0 || tensor.values < 4096 || tensor.facts.use != WeightUse::matmul) continue;
    const std::string bytes = synthetic_weights(exact, tensor, 0, 4096);
    std::vector<float> values(4096), rounded(4096);
    std::memcpy(values.data(), bytes.data(), bytes.size());
    double sum = 0, squares = 0;
    for (const float value : values) sum += value, squares += double(value) * value;
    const double deviation = std::sqrt(squares / 4096);
    EXPECT_GT(deviation, 0.018) << tensor.facts.name;
    EXPECT_LT(deviation, 0.052) << tensor.facts.name;
    EXPECT_LT(std::fabs(sum / 4096), 0.003) << tensor.facts.name;
    EXPECT_EQ(half.tensors[i].facts.name, tensor.facts.name);
  }
}

TEST_F(synth, a_given_tokenizer_is_copied_whole) {
  GgufBytes tokens = small_keys(small_config("llama"));
  tokens.text("tokenizer.ggml.pre", "special").array("tokenizer.ggml.scores", GgufType::f32, 1, raw(0.5f));
  write_file(at("tokens.gguf"), tokens.bytes());
  Arguments arguments = tiny("q8_0");
  arguments.insert(arguments.end(), {"--tokenizer", at("tokens.gguf")});
  ASSERT_EQ(home_.run(arguments).exit_code, 0);
  const Gguf file(at("m.gguf"));
  EXPECT_EQ(file.string("tokenizer.ggml.pre"), "special");
  EXPECT_EQ(file.strings("tokenizer.ggml.tokens").size(), 96u);
  EXPECT_EQ(file.numbers("tokenizer.ggml.scores").number(0), 0.5);
  EXPECT_EQ(read_model_config(file).vocabulary, 96);
  expect_refused(home_, {"synth", "--shape", "smollm-135m", "--out", at("n"), "--tokenizer", at("tokens.gguf")},
                 {"has 96 tokens, and smollm-135m has 49152"});
}

TEST_F(synth, what_cannot_be_written_is_refused_and_leaves_nothing) {
  write_file(at("tokens.gguf"), small_keys(small_config("llama")).bytes());
  expect_refused(home_, {"synth", "--shape", "tinny", "--out", at("n")}, {"tinny", "did you mean tiny?", "qwen3-0.6b"});
  expect_refused(home_, tiny("q4"), {"--type q4", "Q4_K"});
  expect_refused(home_, tiny("iq4_nl"), {"--type iq4_nl: is not supported"});
  expect_refused(home_, {"synth", "--shape", "tiny", "--out", "-"}, {"name a file"});
  expect_refused(home_, {"synth", "--shape", "tiny", "--out", at("no/such/folder/m")}, {"no/such/folder/m"});
  Arguments onto_input = tiny("f16", "tokens.gguf");
  onto_input.insert(onto_input.end(), {"--tokenizer", at("tokens.gguf")});
  expect_refused(home_, onto_input, {"same file", "is read"});
  EXPECT_EQ(files_here(), std::vector<std::string>{"tokens.gguf"});
}

TEST_F(synth, an_interrupted_run_leaves_the_old_file_and_nothing_else) {
  write_file(at("m.gguf"), "old");
  const SyntheticModel model = plan_synthetic_model(find_model_shape("tiny"), TensorType::f16, 1, nullptr);
  int64_t asked = 0;
  EXPECT_FALSE(write_synthetic_model(model, at("m.gguf"), {[&] { return ++asked > 3; }, [](uint64_t) {}}));
  EXPECT_EQ(read_file(at("m.gguf")), "old");
  EXPECT_EQ(files_here(), std::vector<std::string>{"m.gguf"});
  const auto running = home_.start({"synth", "--shape", "llama-3.2-1b", "--type", "f32", "--out", at("m.gguf")});
  for (int i = 0; i < 6000 && files_here().size() < 2; ++i) usleep(10'000);  // it writes beside the old one
  running->send(SIGINT);
  const Ended ended = running->wait();
  EXPECT_EQ(ended.exit_code, 130) << ended.err;
  EXPECT_TRUE(has(ended.err, "interrupted")) << ended.err;
  EXPECT_EQ(read_file(at("m.gguf")), "old");
  EXPECT_EQ(files_here(), std::vector<std::string>{"m.gguf"});
}

TEST_F(synth, a_model_that_does_not_fit_the_disk_is_refused_before_it_is_written) {
  SyntheticModel model = plan_synthetic_model(find_model_shape("tiny"), TensorType::f16, 1, nullptr);
  model.file_bytes = uint64_t(1) << 55;
  try {
    write_synthetic_model(model, at("m.gguf"));
    ADD_FAILURE();
  } catch (const Error& e) {
    EXPECT_TRUE(has(e.what(), "MB are free there")) << e.what();
  }
  EXPECT_EQ(files_here(), std::vector<std::string>{});
}

class inspect_program : public synth {};

TEST_F(inspect_program, all_forms_tell_the_model_and_full_lists_all) {
  write_file(at("m.gguf"), small_model(small_config("qwen3")));
  const Ended text = home_.run({"inspect", at("m.gguf")});
  EXPECT_EQ(text.exit_code, 0) << text.err;
  for (const char* part : {"qwen3", "4 heads of 32 values, 2 for K and V, a norm on Q and K", "blk.0-1.attn_q.weight",
                           "a decode step reads", "96 tokens", "probe measures weights of  Q8_0"})
    EXPECT_TRUE(has(text.out, part)) << part << "\n" << text.out;
  EXPECT_FALSE(has(text.out, "blk.1.attn_q.weight"));
  const Ended full = home_.run({"inspect", at("m.gguf"), "--full"});
  for (const char* part : {"blk.1.attn_q.weight", "qwen3.block_count", "[string] 96 values"})
    EXPECT_TRUE(has(full.out, part)) << part << "\n" << full.out;
  home_.run({"inspect", at("m.gguf"), "--json", at("j"), "--csv", at("c"), "--markdown", at("md")});
  const Json json = Json::parse(read_file(at("j")));
  EXPECT_EQ(json["schema"], "assay-inspect");
  EXPECT_EQ(json["step_bytes"]["total"].get<int64_t>(), json["step_bytes"]["products"].get<int64_t>() +
                                                            json["step_bytes"]["embedding_row"].get<int64_t>() +
                                                            json["step_bytes"]["others"].get<int64_t>());
  EXPECT_EQ(count_of(read_file(at("c")), "\r\n"), json["tensors"].size() + 1);
  EXPECT_TRUE(has(read_file(at("md")), "blk.0-1.attn_q.weight"));
}

TEST_F(inspect_program, a_file_that_assay_cannot_use_is_shown_and_says_why) {
  ModelConfig config = small_config("llama");
  config.architecture = "gemma2";
  write_file(at("m.gguf"), small_keys(config).bytes());
  const Ended ended = home_.run({"inspect", at("m.gguf")});
  EXPECT_EQ(ended.exit_code, 0);
  EXPECT_TRUE(has(ended.out, "no: architecture gemma2 is not supported; supported are qwen2, qwen3, llama"))
      << ended.out;
}

TEST_F(inspect_program, what_is_no_model_or_damaged_is_one_line_and_exit_2) {
  const std::string whole = small_model(small_config("llama"));
  write_file(at("cut"), whole.substr(0, whole.size() - 100));
  write_file(at("empty"), "");
  write_file(at("tensors.safetensors"), raw<uint64_t>(2) + "{}");
  expect_refused(home_, {"inspect", at("cut")}, {"cut: ends at byte", "100 lack"});
  expect_refused(home_, {"inspect", at("empty")}, {"is empty"});
  expect_refused(home_, {"inspect", at("tensors.safetensors")}, {"a safetensors file"});
  expect_refused(home_, {"inspect", home_.folder}, {"is a folder"});
  expect_refused(home_, {"inspect", at("none")}, {"none: cannot be read"});
  const std::string pipe = run_in_shell(home_, "$ASSAY inspect <(cat cut)").err;
  EXPECT_TRUE(has(pipe, "is a pipe; only a regular file can be mapped")) << pipe;
  EXPECT_EQ(count_of(pipe, "\n"), 1u) << pipe;
}

}  // namespace
}  // namespace assay
