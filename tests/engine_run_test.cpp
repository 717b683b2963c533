// assay run, chat, perplexity from the outside: what streams, what ends an answer, and what bad input gets.
#include <gtest/gtest.h>

#include <cmath>
#include <fstream>

#include "gguf_models.h"
#include "model/gguf.h"
#include "refusals.h"
#include "text_lines.h"

namespace assay {
namespace {

const fs::path kModels = fs::path(ASSAY_SOURCE_DIR) / "../shared/data/models";

class engine_run : public testing::Test {
 protected:
  void SetUp() override {
    if (!fs::exists(kModels)) GTEST_SKIP() << "no ../shared/data/models here";
  }
  std::vector<Json> events(const Ended& ended) const {
    std::vector<Json> all;
    for (const std::string& line : lines_of(ended.out)) all.push_back(Json::parse(line));
    return all;
  }
  /// A copy of the model in the home, in which `change` may write.
  fs::path copy(const std::function<void(std::string&)>& change) const {
    std::string bytes = read_file(model);
    change(bytes);
    write_file(home.folder / "copy.gguf", bytes);
    return home.folder / "copy.gguf";
  }

  fs::path model = kModels / "tiny-qwen2-f16.gguf";
  Home home;
};

TEST_F(engine_run, takes_no_kernel_that_is_wrong_on_purpose_unless_it_is_named) {
  const Ended ended = home.run({"logits", model, "--tokens", "3 17 90", "--out", home.folder / "l.f32", "-v",
                                "--kernels", std::string(ASSAY_SOURCE_DIR) + "/tests/mutants"});
  ASSERT_EQ(ended.exit_code, 0) << ended.err;
  EXPECT_TRUE(has(ended.err, "norm_rows")) << ended.err;
  EXPECT_FALSE(has(ended.err, "mutant_")) << ended.err;
}

TEST_F(engine_run, takes_a_kernel_of_a_users_folder_only_where_it_is_named) {
  const fs::path source = fs::path(ASSAY_SOURCE_DIR) / "kernels/cpu/rms_norm.cpp";
  fs::create_directories(home.kernels());
  fs::copy_file(source, home.kernels() / "own_norm.cpp");
  Json family = {{"family", "own_norm"}, {"source", "own_norm.cpp"}, {"technique", "a loop"}, {"name", "loop"}};
  family["supports"] = {{"op", {"rms_norm"}}, {"a", {"f32"}}, {"b", {"f32"}}, {"d", {"f32"}}};
  write_file(home.kernels() / "manifest.json", Json{{"schema", 1}, {"backend", "cpu"}, {"families", {family}}}.dump());
  Arguments arguments{"logits",          model, "--tokens",  "3 17",        "--out",
                      home.folder / "l", "-v",  "--kernels", home.kernels()};
  const Ended unnamed = home.run(arguments);
  ASSERT_EQ(unnamed.exit_code, 0) << unnamed.err;
  EXPECT_FALSE(has(unnamed.err, "own_norm/loop")) << unnamed.err;
  EXPECT_TRUE(has(unnamed.err, "no kernel of --kernels is used")) << unnamed.err;
  arguments.insert(arguments.end(), {"--kernel", "rms_norm=own_norm/loop"});
  const Ended named = home.run(arguments);
  ASSERT_EQ(named.exit_code, 0) << named.err;
  EXPECT_TRUE(has(named.err, "own_norm/loop")) << named.err;
  EXPECT_FALSE(has(named.err, "no kernel of --kernels is used")) << named.err;
}

TEST_F(engine_run, streams_events_for_programs_whose_texts_are_the_answer) {
  const Arguments common{"run", model, "--raw", "-p", "a b c", "-n", "10"};
  Arguments with_json = common;
  with_json.push_back("--json");
  const Ended text = home.run(common), json = home.run(with_json);
  ASSERT_EQ(text.exit_code, 0) << text.err;
  ASSERT_EQ(json.exit_code, 0) << json.err;
  std::string joined;
  int64_t tokens = 0;
  const std::vector<Json> all = events(json);
  for (const Json& event : all) {
    if (event.contains("text")) joined += event["text"].get<std::string>();
    tokens += event["event"] == "token";
  }
  EXPECT_EQ(joined + "\n", text.out);
  EXPECT_EQ(tokens, 10);
  EXPECT_EQ(all.front()["event"], "prompt");
  EXPECT_EQ(all.front()["tokens"], 3);
  EXPECT_EQ(all.back()["event"], "end");
  EXPECT_EQ(all.back()["why"], "max_tokens");
  EXPECT_TRUE(has(text.err, "prompt: 3 tokens")) << text.err;
  EXPECT_TRUE(has(text.err, "ended by max_tokens")) << text.err;
}

TEST_F(engine_run, ends_before_a_stop_string) {
  const Ended whole = home.run({"run", model, "--raw", "-p", "a b c", "-n", "10", "--quiet"});
  const std::string stop = whole.out.substr(4, 3);
  const Ended cut = home.run({"run", model, "--raw", "-p", "a b c", "-n", "10", "--json", "--stop", stop});
  std::string joined;
  for (const Json& event : events(cut))
    if (event.contains("text")) joined += event["text"].get<std::string>();
  EXPECT_EQ(joined, whole.out.substr(0, whole.out.find(stop)));
  EXPECT_EQ(events(cut).back()["why"], "stop_string");
  EXPECT_EQ(events(cut).back()["stop"], stop);
}

TEST_F(engine_run, says_nothing_where_no_token_is_wanted) {
  const Ended ended = home.run({"run", model, "--raw", "-p", "a", "-n", "0", "--quiet"});
  EXPECT_EQ(ended.out, "\n");
  EXPECT_EQ(ended.exit_code, 0) << ended.err;
}

TEST_F(engine_run, ends_where_the_context_is_full) {
  const Ended ended = home.run({"run", model, "--raw", "-p", "a b c", "--json", "--context", "8"});
  EXPECT_EQ(ended.exit_code, 0) << ended.err;
  EXPECT_EQ(events(ended).back()["why"], "context_full");
  EXPECT_EQ(events(ended).back()["tokens"], 6) << "3 of the prompt, 5 computed from answers, and what follows the last";
}

TEST_F(engine_run, a_context_beyond_the_models_is_remarked) {
  const Arguments arguments{"run", model, "--raw", "-p", "a b c", "-n", "2", "--context"};
  Arguments beyond = arguments, within = arguments;
  beyond.push_back("1000000"), within.push_back("64");
  EXPECT_TRUE(has(home.run(beyond).err, "--context 1000000: the model was made for")) << home.run(beyond).err;
  EXPECT_FALSE(has(home.run(within).err, "was made for"));
}

TEST_F(engine_run, takes_any_bytes_as_a_prompt) {
  const Ended ended = home.run({"run", model, "--raw", "-p", "\xff\xfe a \xc3", "-n", "2", "--quiet"});
  EXPECT_EQ(ended.exit_code, 0) << ended.err;
}

TEST_F(engine_run, refuses_what_is_no_prompt) {
  expect_refused(home, {"run", model, "--raw", "-p", ""}, {"the prompt is empty"});
  expect_refused(home, {"run", model}, {"give the prompt by -p TEXT or by -f FILE"});
  expect_refused(home, {"run", model, "--raw", "-p", "a b c d", "--context", "3"},
                 {"4 tokens more do not fit into the context of 3", "--context"});
  expect_refused(home, {"logits", model, "--tokens", "3 2048", "--out", home.folder / "x"}, {"has no token 2048"});
  expect_refused(home, {"logits", model, "--tokens", "3 x", "--out", home.folder / "x"}, {"\"x\" is no token"});
}

TEST_F(engine_run, needs_a_tokenizer_for_text_alone) {
  const fs::path file = copy([](std::string& bytes) {
    const size_t at = bytes.find("tokenizer.ggml.model");
    ASSERT_NE(at, std::string::npos);
    bytes[at] = 'x';
  });
  const Arguments logits{"--tokens", "3 17 901", "--out", home.folder / "l"};
  Arguments with{"logits", model}, without{"logits", file};
  with.insert(with.end(), logits.begin(), logits.end());
  without.insert(without.end(), logits.begin(), logits.end());
  ASSERT_EQ(home.run(with).exit_code, 0);
  const std::string expected = read_file(home.folder / "l");
  const Ended ended = home.run(without);
  EXPECT_EQ(ended.exit_code, 0) << ended.err;
  EXPECT_EQ(read_file(home.folder / "l"), expected);
  EXPECT_EQ(home.run({"bench", file, "-p", "2", "-n", "1", "-r", "1"}).exit_code, 0);
  expect_refused(home, {"run", file, "--raw", "-p", "a"}, {"has no tokenizer"});
  expect_refused(home, {"chat", file, "--raw"}, {"has no tokenizer"});
  expect_refused(home, {"perplexity", file, __FILE__}, {"has no tokenizer"});
}

TEST_F(engine_run, refuses_a_model_with_tensors_that_no_op_of_it_reads) {
  const fs::path file = copy([](std::string& bytes) {
    const std::string key = "qwen2.block_count";
    const size_t at = bytes.find(key);
    ASSERT_NE(at, std::string::npos);
    bytes[at + key.size() + 4] = 2;  // behind its type: one layer less than there are
  });
  for (const Arguments& command : std::vector<Arguments>{{"logits", file, "--tokens", "3", "--out", home.folder / "l"},
                                                         {"run", file, "--raw", "-p", "a"},
                                                         {"bench", file, "-p", "2", "-n", "1"}})
    expect_refused(home, command, {"tensor \"blk.2.", "no qwen2 model has here"});
}

TEST_F(engine_run, refuses_kernels_and_tables_that_do_not_fit) {
  const Arguments run{"run", model, "--raw", "-p", "a"};
  const auto with = [&](const std::string& option, const std::string& value) {
    Arguments arguments = run;
    arguments.insert(arguments.end(), {option, value});
    return arguments;
  };
  expect_refused(home, with("--kernel", "matmul"), {"SPEC-GLOB=FAMILY/NAME"});
  expect_refused(home, with("--kernel", "matmul=gemv_rowdot/nothing"),
                 {"there is no variant gemv_rowdot/nothing", "gemv_rowdot has"});
  expect_refused(home, with("--kernel", "matmul=gemm/x"), {"families are"});
  expect_refused(home, with("--kernel", "matmul=q8_dot/i8act_r2_p0"), {"cannot compute", "b is f16"});
  const fs::path table = home.folder / "t.json";
  write_file(table, R"({"schema":1,"devices":[{"backend":"cuda","entries":[]}]})");
  expect_refused(home, with("--table", table), {"is a table for cuda, not for cpu:0"});
  write_file(table,
             R"({"schema":1,"devices":[{"backend":"cpu","entries":[{"bucket":"op=matmul","variant":"no/x"}]}]})");
  expect_refused(home, with("--table", table), {"there is no variant no/x", "families are"});
  write_file(table, read_file(fs::path(ASSAY_SOURCE_DIR) / "tables/cpu.json").substr(0, 500));
  expect_refused(home, with("--table", table), {"not valid JSON"});
}

TEST_F(engine_run, uses_the_kernel_that_was_asked_for) {
  const Ended ended = home.run({"run", model, "--raw", "-p", "a", "-n", "2", "-v", "--kernel", "*n=2048*=naive/loop"});
  EXPECT_EQ(ended.exit_code, 0) << ended.err;
  for (const std::string& line : lines_of(ended.err)) {
    if (has(line, "n=2048 | k")) {
      EXPECT_TRUE(has(line, "naive/loop") && has(line, "override")) << line;
    }
    if (has(line, "n=512 |")) {
      EXPECT_TRUE(has(line, "float_tiles/") && has(line, "table")) << line;
    }
  }
}

TEST_F(engine_run, names_the_weight_that_is_no_number_before_anything_is_computed) {
  struct Harm {
    const char *type, *tensor;
    size_t at;  // bytes from the tensor's begin
    std::string value;
    const char* where;
  };
  using namespace std::string_literals;
  for (const Harm& harm :
       {Harm{"f16", "blk.1.ffn_up.weight", 20, "\x01\x7e", "holds nan in row 0, column 10"},
        Harm{"f16", "token_embd.weight", 2 * 128 * 2047, "\x00\xfc"s, "holds -inf in row 2047, column 0"},
        Harm{"f16", "blk.2.attn_norm.weight", 4, "\x00\x00\x80\x7f"s, "holds inf in row 0, column 1"},
        Harm{"q8_0", "blk.0.ffn_down.weight", 34 * 3, "\x00\x7c"s, "column 96"},
        Harm{"q4_0", "blk.2.attn_q.weight", 0, "\xff\xff", "holds nan in row 0, column 0"}}) {
    model = kModels / fmt::format("tiny-qwen2-{}.gguf", harm.type);
    const uint64_t offset = Gguf(model).tensor(harm.tensor).offset;
    const fs::path broken =
        copy([&](std::string& bytes) { bytes.replace(offset + harm.at, harm.value.size(), harm.value); });
    const Arguments tells{"copy.gguf", fmt::format("tensor \"{}\"", harm.tensor), harm.where, "convert it anew"};
    expect_refused(home, {"run", broken, "--raw", "-p", "a b", "-n", "3"}, tells);
    expect_refused(home, {"logits", broken, "--tokens", "3", "--out", home.folder / "x"}, tells);
  }
}

TEST_F(engine_run, names_what_memory_a_cache_needs) {
  std::string tokens;
  for (int i = 0; i < 20'000; ++i) tokens += "7 ";
  Home small;
  small.variables["ASSAY_MEMORY_MB"] = "8";
  expect_refused(small, {"logits", model, "--tokens", tokens, "--out", small.folder / "x"},
                 {"a KV cache of", "MB, and", "are there", "--context"});
}

TEST_F(engine_run, writes_a_trace_that_analyze_reads) {
  const fs::path trace = home.folder / "t.jsonl";
  const Ended ended = home.run({"run", model, "--raw", "-p", "a b c", "-n", "8", "--trace", trace, "--quiet"});
  ASSERT_EQ(ended.exit_code, 0) << ended.err;
  const Ended report = home.run({"analyze", trace});
  EXPECT_EQ(report.exit_code, 0) << report.err;
  for (const char* part : {"Backend selection summary",
                           "Backend selection reasons:\n  reason=", "generation_loop :: iteration_total: count=7",
                           "generation_loop :: block_2_total", "sampling :: sample: count=8", "Matmul backend summary",
                           "Command buffer GPU timing", "decode: tokens=7", "prompt: tokens=", "ModelWeights (count=1)",
                           "GgufFileMmap (count=1)", "ForwardStep (count="})
    EXPECT_TRUE(has(report.out, part)) << part << " is not in\n" << report.out;
  EXPECT_FALSE(has(report.out, "wrong shape"));
  // Sections that show the longest alone need not have these.
  EXPECT_TRUE(has(read_file(trace), "attn_qkv_block_1_op/cb_gpu"));
}

TEST_F(engine_run, gives_back_the_specs_that_ran) {
  const fs::path trace = home.folder / "t.jsonl", specs = home.folder / "specs.json";
  ASSERT_EQ(home.run({"run", model, "--raw", "-p", "a", "-n", "5", "--trace", trace, "--quiet"}).exit_code, 0);
  const Ended report = home.run({"analyze", trace, "--specs-out", specs, "--hot", "0"});
  ASSERT_EQ(report.exit_code, 0) << report.err;
  const std::string text = read_file(specs);
  for (const char* part :
       {"nq=128 | nv=64", "dtB=f16", "bias=1", "n=2048", "op=matmul_residual", "op=matmul_swiglu | m=1 | n=256 | k=128",
        "op=argmax | m=1 | n=2048", "op=attention | m=1", "op=rms_norm | m=1 | n=128", "op=embedding", "op=rope"})
    EXPECT_TRUE(has(text, part)) << part << " is not in\n" << text;
  const std::string products = report.out.substr(report.out.find("Matmul backend summary"));
  EXPECT_FALSE(has(products.substr(0, products.find("GPU wait")), "op=rms_norm")) << "a norm is no product";
}

TEST_F(engine_run, says_that_a_trace_could_not_be_written) {
  const Ended ended = home.run({"run", model, "--raw", "-p", "a b", "-n", "4", "--trace", "/dev/full", "--quiet"});
  EXPECT_EQ(ended.exit_code, 2);
  EXPECT_TRUE(has(ended.err, "No space left on device")) << ended.err;
  EXPECT_FALSE(ended.out.empty()) << "the answer is there all the same";
}

TEST_F(engine_run, interrupted_ends_the_answer_and_its_trace_whole) {
  const fs::path trace = home.folder / "t.jsonl";
  const auto running = home.start({"run", model, "--raw", "-p", "a b c", "--trace", trace, "--temperature", "3"});
  for (const int64_t began = now_ns(); now_ns() - began < 60'000'000'000 && !fs::exists(trace); usleep(2000)) {
  }
  usleep(100'000);
  running->send(SIGINT);
  const Ended ended = running->wait();
  EXPECT_EQ(ended.exit_code, 130) << ended.err;
  EXPECT_TRUE(has(ended.err, "ended by interrupted")) << ended.err;
  const std::string lines = read_file(trace);
  ASSERT_FALSE(lines.empty());
  EXPECT_EQ(lines.back(), '\n');
  EXPECT_EQ(home.run({"analyze", trace}).exit_code, 0);
}

TEST_F(engine_run, a_reader_that_leaves_ends_the_answer) {
  const std::string end = " 2> err | head -c 1; exit ${PIPESTATUS[0]}", name = model.string();
  const Ended ended = run_in_shell(home, fmt::format("$ASSAY run {} --raw -p 'a b' -n 30000{}", name, end));
  EXPECT_EQ(ended.exit_code, 2);
  const std::string err = read_file(home.folder / "err");
  EXPECT_TRUE(has(err, "ended by interrupted") && has(err, "(Broken pipe)")) << err;
  const Ended chat =
      run_in_shell(home, fmt::format("yes a | head -c 100000 | $ASSAY chat {} --raw -n 30000{}", name, end));
  EXPECT_TRUE(has(read_file(home.folder / "err"), "(Broken pipe)")) << read_file(home.folder / "err");
}

TEST_F(engine_run, ends_where_the_model_file_shrinks) {
  const fs::path shrinking = copy([](std::string&) {}), trace = home.folder / "t.jsonl";
  const auto running = home.start({"run", shrinking, "--raw", "-p", "a b c", "--trace", trace, "--temperature", "3"});
  for (const int64_t began = now_ns(); now_ns() - began < 60'000'000'000 && !fs::exists(trace); usleep(2000)) {
  }
  fs::resize_file(shrinking, 500'000);
  const Ended ended = running->wait();
  EXPECT_EQ(ended.exit_code, 2);
  EXPECT_TRUE(has(ended.err, "copy.gguf")) << ended.err;
}

TEST_F(engine_run, perplexity_of_a_model_that_knows_nothing_is_its_vocabulary) {
  const fs::path text = home.folder / "text.txt";
  std::string words;
  for (int i = 0; i < 200; ++i) words += fmt::format("word {} and ", i);
  write_file(text, words);
  const Ended ended = home.run({"perplexity", model, text, "--window", "64"});
  EXPECT_EQ(ended.exit_code, 0) << ended.err;
  double perplexity = 0;
  ASSERT_EQ(sscanf(ended.out.c_str(), "perplexity %lf", &perplexity), 1) << ended.out;
  EXPECT_GT(perplexity, 1000);
  EXPECT_LT(perplexity, 10'000);
}

TEST_F(engine_run, perplexity_needs_room_beside_the_token_that_begins_a_text) {
  const fs::path with_bos = copy([](std::string& bytes) {
    const std::string key = "tokenizer.ggml.add_bos_token";
    bytes[bytes.find(key) + key.size() + 4] = 1;
  });
  write_file(home.folder / "text.txt", "a b c d");
  expect_refused(home, {"perplexity", with_bos, home.folder / "text.txt", "-c", "1"}, {"a context of 1 has no room"});
}

TEST_F(engine_run, chat_computes_only_what_is_new) {
  const Ended ended =
      run_in_shell(home, fmt::format("printf 'a b c\\nd e\\n' | $ASSAY chat {} --raw -n 4 -v", model.string()));
  EXPECT_EQ(ended.exit_code, 0) << ended.err;
  EXPECT_TRUE(has(ended.err, "0 tokens reused")) << ended.err;
  EXPECT_FALSE(has(ended.err, "0 tokens reused, 0 computed"));
  EXPECT_EQ(count_of(ended.err, "tokens reused"), 2u);
  EXPECT_EQ(count_of(ended.err, "assay: 0 tokens reused"), 1u) << "the second turn goes on from the first\n"
                                                               << ended.err;
}

TEST_F(engine_run, chat_without_a_template_says_what_to_do) {
  const fs::path plain = copy([](std::string& bytes) {
    const std::string key = "tokenizer.chat_template";
    bytes.replace(bytes.find(key), key.size(), "tokenizer.chat_templatX");
  });
  expect_refused(home, {"chat", plain}, {"has no chat template", "--raw"});
  const Ended ended = home.run({"run", plain, "-p", "a", "-n", "2", "--quiet"});
  EXPECT_EQ(ended.exit_code, 0) << "run takes the text as it is\n" << ended.err;
}

}  // namespace
}  // namespace assay
