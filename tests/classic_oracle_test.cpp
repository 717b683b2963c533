// The classic report against an oracle in Python that was written from the rules alone
// (tests/oracle/classic_report.py).
#include "assay_program.h"
#include "base/process.h"

namespace assay {
namespace {

const std::string kOracle = std::string(ASSAY_SOURCE_DIR) + "/tests/oracle/classic_report.py";

/// Lines without the "Error parsing line N" ones, whose N are listed apart: their message's wording is free.
struct Output {
  std::string text;
  std::vector<std::string> bad_lines;
};

Output split(const std::string& out) {
  Output output;
  const std::string mark = "Error parsing line ";
  for (size_t begin = 0; begin < out.size();) {
    const size_t end = std::min(out.find('\n', begin), out.size() - 1) + 1;
    const std::string line = out.substr(begin, end - begin);
    if (line.rfind(mark, 0) == 0)
      output.bad_lines.push_back(line.substr(mark.size(), line.find(':') - mark.size()));
    else
      output.text += line;
    begin = end;
  }
  return output;
}

class classic_oracle : public testing::Test {
 protected:
  void SetUp() override {
    if (run_process({"python3", "--version"}, 20).exit_code != 0)
      GTEST_SKIP() << "python3 is not here to run the oracle";
    if (!has(home_.run({"help"}).out, "\n  analyze ")) GTEST_SKIP() << "this program has no analyze";
  }

  std::string generate(const std::string& name, const Arguments& arguments) const {
    Arguments all = {ASSAY_TRACE_GENERATOR, "-o", home_.folder / name};
    all.insert(all.end(), arguments.begin(), arguments.end());
    const ProcessResult made = run_process(all, 60);
    EXPECT_EQ(made.exit_code, 0) << made.output;
    return home_.folder / name;
  }

  std::string oracle(const std::string& trace, const Arguments& options) const {
    // A shell keeps the oracle's stdout apart from its stderr, and lets it say more than run_process keeps.
    const std::string file = home_.folder / "oracle.txt";
    std::string command = "python3 '" + kOracle + "'";
    for (const std::string& option : options) command += " '" + option + "'";
    const ProcessResult ended =
        run_process({"sh", "-c", command + " '" + trace + "' > '" + file + "' 2> /dev/null"}, 250);
    EXPECT_EQ(ended.exit_code, 0) << ended.output;
    return read_file(file);
  }

  void expect_agreement(const std::string& trace, const Arguments& options = {}) const {
    Arguments arguments = {"analyze", "--classic", trace};
    arguments.insert(arguments.end(), options.begin(), options.end());
    const Ended ended = home_.run(arguments);
    EXPECT_EQ(ended.exit_code, 0) << ended.err;
    const Output ours = split(ended.out), theirs = split(oracle(trace, options));
    EXPECT_EQ(ours.bad_lines, theirs.bad_lines);
    EXPECT_EQ(ours.text, theirs.text);
  }

  Home home_;
};

TEST_F(classic_oracle, agrees_on_a_clean_trace) { expect_agreement(generate("clean.jsonl", {"--events", "20000"})); }

TEST_F(classic_oracle, agrees_on_a_trace_with_every_defect) {
  expect_agreement(generate("bad.jsonl", {"--events", "30000", "--seed", "7", "--defects", "all"}));
}

TEST_F(classic_oracle, agrees_under_limits_filters_and_with_totals) {
  const std::string trace = generate("limits.jsonl", {"--events", "9000", "--seed", "3", "--defects", "nested"});
  expect_agreement(trace, {"--top", "6", "--kernel-top", "4"});
  expect_agreement(trace, {"--include-kernel-totals", "--kernel-top", "200"});
  expect_agreement(trace, {"--kernel-filter", "GEMV"});
  expect_agreement(trace, {"--kernel-filter", "rmsnorm"});
  expect_agreement(trace, {"--kernel-filter", "no such kernel"});
}

TEST_F(classic_oracle, agrees_on_a_thousand_varied_traces) {
  const std::string script = std::string(ASSAY_SOURCE_DIR) + "/tests/oracle/varied_traces.py";
  const ProcessResult ended =
      run_process({"python3", "-B", script, ASSAY_PROGRAM, home_.folder, "--count", "1000"}, 250);
  EXPECT_EQ(ended.output, "1000 of 1000 traces agree\n");
}

/// The shared inputs that broke an earlier analyzer: the original's bytes where they are kept, else the oracle's.
TEST_F(classic_oracle, agrees_on_the_shared_cases) {
  const fs::path cases = fs::path(ASSAY_SOURCE_DIR) / "../shared/data/cases";
  if (!fs::exists(cases)) GTEST_SKIP() << cases << " is not here";
  const std::string expected = read_file(cases / "classic_map_rule.txt");
  const fs::path trace = home_.folder / "classic_map_rule.jsonl";
  fs::copy_file(cases / "classic_map_rule.jsonl", trace);
  const auto after_header = [](const std::string& text) { return text.substr(text.find("===\n")); };
  EXPECT_EQ(after_header(home_.run({"analyze", "--classic", trace}).out), after_header(expected));
  EXPECT_EQ(after_header(oracle(trace, {})), after_header(expected));
  for (const char* name : {"bad_crc", "every_line_twice", "first_total_short", "no_stamps", "noprof_first_total_long",
                           "nul_gap", "zero_padded"}) {
    const fs::path unpacked = home_.folder / (std::string(name) + ".jsonl");
    std::system(
        ("gzip -dcq '" + (cases / name).string() + ".jsonl.gz' > '" + unpacked.string() + "' 2> /dev/null").c_str());
    expect_agreement(unpacked);
  }
}

TEST_F(classic_oracle, agrees_on_corner_cases_written_by_hand) {
  const auto event = [](const std::string& type, const std::string& data) {
    return R"({"timestamp":1,"span_id":1,"parent_span_id":null,"span_name":"s","event":{"type":")" + type +
           R"(","data":{)" + data + "}}}\n";
  };
  const auto gpu = [&](const std::string& name, const std::string& us, const std::string& more = "") {
    return event("GpuOpCompleted", R"("op_name":")" + name + R"(","backend":"Metal","duration_us":)" + us + more);
  };
  std::string text = "\n   \n";
  text += gpu("a/sdpa_block_3_op", "12.9") + gpu("a/mlp_swiglu_block_11_op", "-12.9") +
          gpu("a/forward_cpu_block_3_x", "true");
  text += gpu("a/attn_out_block_3_op", "false") + gpu("a/trailing__", "1e3") + gpu("a/__", "7") +
          gpu("plain_op", "\"120\"");
  text += gpu("x/cb_gpu/wait", "5") + gpu("x/cb_wait", "6") + gpu("x/my_wait", "7") + gpu("x/await", "8") +
          gpu("cb_gpu", "9");
  text += gpu("x/matmul_cache/op=matmul_cache/backend=mps/batch=1/m=1/n=9728/k=896/tA=0/tB=1#3/kernel::x/k=5", "324");
  text += gpu("x/matmul/op=matmul/backend=mlx/batch=1/m=1/n=64/k=896/tA=0/tB=1/zeta=1/alpha=1.0000", "99");
  text += gpu("x/fused", "50",
              R"(,"data":{"op":"matmul","backend":"gemv","batch":"1","m":"1","k":"896","n1":"2","n0":"1"})");
  text += gpu("x/dup", "1, \"duration_us\": 2, \"duration_us\": 3") + gpu("x/large", "4503599627370497") +
          gpu("x/Sync_all", "11");
  text += event("InternalKernelCompleted", R"("parent_op_name":"b","internal_kernel_name":"k","duration_us":5)");
  text += event("InternalKernelCompleted", R"("parent_op_name":"a","internal_kernel_name":"k_total","duration_us":5)");
  text += event("InternalKernelCompleted", R"("internal_kernel_name":"DeviceSYNC","duration_us":10)");
  text += event("InternalKernelCompleted", R"("parent_op_name":"c","duration_us":3)");
  text += event("KernelBackendSelected", R"("op_name":"sdpa","backend":"legacy")") +
          event("HostMemory", R"("total_bytes":18446744073709551615)");
  text += event("KernelBackendSelected", R"("op_name":"sdpa","backend":"auto","reason":"x")") +
          event("Unheard", R"("x":[1,{"y":null}])");
  text +=
      "{\"event\":{\"type\":\"HostMemory\",\"data\":{\"a\":01}}}\n{} {}\n{\"a\":\"\\ud800\\udc00 "
      "\\ud800\"}\n[1,2\n-Infinity\n";
  text += std::string(100'000, '[') + "\n" + gpu("x/after \\u00e9", "1") + R"({"event":{"data":{"duration_us":1}}})";
  const std::string file = home_.folder / "corner.jsonl";
  write_file(file, text);
  expect_agreement(file);
  expect_agreement(home_.folder / ".//corner.jsonl");
}

}  // namespace
}  // namespace assay
