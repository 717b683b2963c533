// assay export: what it writes builds and passes elsewhere, a broken kernel is found there, and no folder is
// overwritten.
#include "backend/cpu/cpu_backend.h"
#include "backend/described_device.h"
#include "base/process.h"
#include "measure/case_key.h"
#include "probe/plan.h"
#include "tune/c_geometry.h"
#include "tune/odd_spec.h"
#include "tune/winner.h"
#ifdef ASSAY_HAS_CUDA
#include "backend/cuda/cuda_backend.h"
#endif
#include "assay_program.h"

namespace assay {
namespace {

const fs::path kSource = ASSAY_SOURCE_DIR;
const char* const kF16 = "op=matmul | batch=1 | m=1 | n=96 | k=160 | tA=0 | tB=1 | dtA=f16 | dtB=f16 | dtD=f16";
const char* const kFused =
    "op=matmul | batch=1 | m=1 | n=? | n0=40 | n1=24 | k=128 | tA=? | tB=? | dtA=f16 | dtB=f16 | dtD=f16 | bias=1";
const char* const kQ8 = "op=matmul | batch=1 | m=1 | n=64 | k=256 | tA=0 | tB=1 | dtA=f16 | dtB=q8_0 | dtD=f16";
const char* const kNorm = "op=rms_norm | m=2 | n=896 | dtA=f16 | dtB=f32 | dtD=f16 | eps=1e-06";

/// A store in which some cases have passed, each with its median; nothing is measured for that.
class Results {
 public:
  Results(const Backend& backend, DeviceInfo device, const std::vector<fs::path>& folders = {})
      : backend_(backend), device_(std::move(device)) {
    manifests_.push_back(load_manifest(kSource / "kernels" / backend.name()));
    for (const fs::path& folder : folders) manifests_.push_back(load_manifest(folder));
    for (const Manifest& manifest : manifests_)
      for (const Variant& variant : manifest.variants) variants_.push_back(&variant);
  }

  /// The variants that the plan has for a spec.
  std::vector<PlannedCase> cases(const std::string& line) const {
    return make_plan({parse_spec(line)}, variants_, device_, {}).specs.at(0).cases;
  }
  /// Of the first case that `wanted` takes, at half of a floor of its own unless it has one; its variant. Null if there
  /// is none.
  template <class Wanted>
  const Variant* put(const fs::path& store, const std::string& line, double us, Wanted wanted,
                     double floor_us = 0) const {
    const Spec spec = parse_spec(line);
    const BuildCache cache(backend_.compiler(), {store.parent_path() / "modules"},
                           kSource / "kernels" / backend_.name());
    for (const PlannedCase& c : cases(line)) {
      if (!wanted(*c.variant)) continue;
      const CaseKey key = case_key(spec, *c.variant, cache.key(*c.variant, *c.isa), device_, Mode::decode, 0);
      CaseRecord record = empty_record(key, spec, *c.variant, device_, Mode::decode);
      record.device_us.assign(40, us);
      record.head_to_head_us.assign(20, us);
      record.disturbed.assign(40, 0);
      record.floor_us = floor_us > 0 ? floor_us : us / 2;
      record.bytes = spec.min_bytes();
      record.environment = "e";
      fs::create_directories(store.parent_path());
      Store opened(store);
      opened.put(EnvironmentRecord{"e", "assay: 0.1.0 (0123456789ab)\ncompiler: g++\n"});
      opened.put(record);
      return c.variant;
    }
    ADD_FAILURE() << "no such case of " << line;
    return nullptr;
  }
  const DeviceInfo& device() const { return device_; }

 private:
  const Backend& backend_;
  DeviceInfo device_;
  std::vector<Manifest> manifests_;
  std::vector<const Variant*> variants_;
};

auto named(const std::string& id) {
  return [id](const Variant& v) { return v.id() == id; };
}
auto of_family(const std::string& family, const std::string& begin = "") {
  return [=](const Variant& v) { return v.family == family && v.name.starts_with(begin); };
}

ProcessResult make(const fs::path& folder, const std::string& target) {
  return run_process({"make", "-C", folder.string(), target, "CFLAGS=-O1 -Wall -Wextra -Werror"}, 180);
}

void edit(const fs::path& file, const std::string& from, const std::string& to) {
  std::string text = read_file(file);
  ASSERT_TRUE(has(text, from)) << file;
  text.replace(text.find(from), from.size(), to);
  std::ofstream(file, std::ios::binary | std::ios::trunc) << text;
}

class ExportTest : public testing::Test {
 protected:
  ExportTest() : backend_(make_cpu_backend()), out_(home_.folder / "out") {
    write_drop_ins(home_.kernels(), {{"test_plain"}});
  }
  Results results(const std::vector<fs::path>& folders = {}) const {
    return {*backend_, backend_->devices().at(0), folders};
  }
  Ended run(const Arguments& what) const {
    Arguments arguments{"export", "--out", out_};
    arguments.insert(arguments.end(), what.begin(), what.end());
    return home_.run(arguments);
  }
  /// An export of the drop-in of write_drop_ins.
  void export_drop_in() const {
    results({home_.kernels()}).put(home_.store(), spec_line("24"), 5, named("test_plain/plain"));
    const Ended ended = run({spec_line("24"), "--kernels", home_.kernels()});
    ASSERT_EQ(ended.exit_code, 0) << ended.err;
  }

  Home home_;
  std::unique_ptr<Backend> backend_;
  fs::path out_;
};

TEST_F(ExportTest, an_export_builds_elsewhere_and_passes_with_several_kernels_of_one_source_side_by_side) {
  if (kSanitized) GTEST_SKIP() << "what is exported is not built with a sanitizer";
  const Results of = results();
  const Variant* first = of.put(home_.store(), kF16, 10, of_family("gemv_rowdot"));
  ASSERT_TRUE(first);
  const Variant* second = of.put(home_.store(), kFused, 10,
                                 [&](const Variant& v) { return v.family == "gemv_rowdot" && v.id() != first->id(); });
  ASSERT_TRUE(second);
  of.put(home_.store(), kQ8, 10, of_family("naive"));
  of.put(home_.store(), kNorm, 10, of_family("rms_norm"));
  const Ended ended = run({kF16, kFused, kQ8, kNorm});
  ASSERT_EQ(ended.exit_code, 0) << ended.err;
  const ProcessResult made = make(out_, "test");
  EXPECT_EQ(made.exit_code, 0) << made.output;
  EXPECT_TRUE(has(made.output, "8 checks, 0 failed")) << made.output;  // each on its own shape and on an odd one
  EXPECT_TRUE(has(made.output, "n=53")) << made.output;
  const ProcessResult example = make(out_, "example");
  EXPECT_EQ(example.exit_code, 0) << example.output;
  EXPECT_TRUE(has(example.output, "done")) << example.output;

  for (const auto& entry : fs::recursive_directory_iterator(out_)) {
    const std::string extension = entry.path().extension().string();
    if (has(entry.path().string(), "/build/") || (extension != ".h" && extension != ".c" && extension != ".cpp"))
      continue;
    const std::string head = read_file(entry.path()).substr(0, 120);
    EXPECT_TRUE(has(head, "/* from    assay ") && has(head, ", exported 20")) << entry.path();
    EXPECT_FALSE(has(read_file(entry.path()), "dropin")) << entry.path();
  }
  const std::string header = read_file(out_ / "fast_cpu.h");
  for (const char* part :
       {kF16, "median 10.00 us, 50.0 % of the floor", "accuracy exact", "by assay 0.1.0 (0123456789ab)"})
    EXPECT_TRUE(has(header, part)) << part;
  const fs::path cpp = home_.folder / "user.cpp";
  std::ofstream(cpp) << "#include \"" << (out_ / "fast_cpu.h").string()
                     << "\"\nint main() { return fast_cpu_spec_count == 0; }\n";
  const ProcessResult user =
      run_process({"g++", "-std=c++17", "-Wall", "-Wextra", "-Werror", "-fsyntax-only", cpp}, 60);
  EXPECT_EQ(user.exit_code, 0) << user.output;
}

TEST_F(ExportTest, a_broken_kernel_makes_its_test_fail) {
  if (kSanitized) GTEST_SKIP() << "what is exported is not built with a sanitizer";
  export_drop_in();
  const fs::path kernel = out_ / "kernels2/test_plain.cpp";
  const std::string good = read_file(kernel);
  ASSERT_EQ(make(out_, "test").exit_code, 0) << make(out_, "test").output;
  const std::pair<const char*, const char*> mutants[] = {
      {"total += ", "total -= "},                                 // wrong everywhere
      {"= total;", "= total * (1 + 1e-4f);"},                     // a little wrong everywhere
      {"column < end;", "column + 1 < end;"},                     // the last of a share is never written
      {"= total;", "= column == n / 2 ? total * 1.5f : total;"},  // one element
      {"[column * d->strides[2]] = total;", "[(column + (column == n - 1)) * d->strides[2]] = total;"},  // beside D
      {"const int64_t n = b->dims[1]", "static_cast<float*>(a->data)[0] += 1; const int64_t n = b->dims[1]"},
      {"return ASSAY_OK;", "return ASSAY_FAILED;"},
      {"i < k;", "i < k - 1;"}};
  for (const auto& [from, to] : mutants) {
    std::ofstream(kernel, std::ios::trunc) << good;
    edit(kernel, from, to);
    const ProcessResult made = make(out_, "test");
    EXPECT_NE(made.exit_code, 0) << to;
    EXPECT_TRUE(has(made.output, "FAIL test_plain/plain")) << to << "\n" << made.output;
  }
}

TEST_F(ExportTest, an_earlier_export_is_replaced_and_nothing_else_is) {
  export_drop_in();
  fs::create_directories(out_ / "build");
  std::ofstream(out_ / "build/left.o") << "x";
  export_drop_in();
  EXPECT_FALSE(fs::exists(out_ / "build"));
  const auto refused = [&](const std::string& why) {
    const Ended ended = run({spec_line("24"), "--kernels", home_.kernels()});
    EXPECT_EQ(ended.exit_code, 2);
    EXPECT_TRUE(has(ended.err, why)) << ended.err;
    EXPECT_EQ(count_of(ended.err, "\n"), 1u) << ended.err;
  };
  std::ofstream(out_ / "mine.txt") << "mine";
  refused("it holds mine.txt, which no export wrote");
  EXPECT_EQ(read_file(out_ / "mine.txt"), "mine");
  fs::remove(out_ / "mine.txt");
  edit(out_ / "README.md", "#", "##");
  refused("README.md in it was changed since it was exported");
  fs::remove_all(out_);
  fs::create_directories(out_);
  export_drop_in();  // empty: fine
  fs::remove_all(out_);
  fs::create_directories(out_);
  std::ofstream(out_ / "mine.txt") << "mine";
  refused("it holds files that no export wrote");
  std::ofstream(out_ / "assay_export.json") << "{}";
  refused("assay_export.json is none that an export writes");
  fs::remove_all(out_);
  std::ofstream(out_) << "a file";
  refused("it is there, and is no folder");
  fs::remove(out_);
  out_ = home_.folder / "no/out";
  refused("there is no folder");
  for (const auto& entry : fs::directory_iterator(home_.folder)) EXPECT_FALSE(has(entry.path().string(), ".partial"));
}

TEST_F(ExportTest, a_folder_that_cannot_be_written_is_told) {
  fs::create_directories(home_.folder / "closed");
  if (const std::string why = home_.drop_privileges(); !why.empty()) GTEST_SKIP() << why;
  out_ = home_.folder / "closed/out";
  fs::permissions(home_.folder / "closed", fs::perms::owner_read | fs::perms::owner_exec);
  const Ended ended = run({spec_line("24")});
  EXPECT_EQ(ended.exit_code, 2);
  EXPECT_TRUE(has(ended.err, "cannot be written")) << ended.err;
}

TEST_F(ExportTest, what_was_never_measured_is_told_with_the_command_that_measures_it) {
  const Ended none = run({spec_line("24")});
  EXPECT_EQ(none.exit_code, 2);
  EXPECT_TRUE(has(none.err, "1 of 1 specs has no results of today's kernels on cpu:0")) << none.err;
  EXPECT_TRUE(has(none.err, "measure first: assay probe --spec '" + spec_line("24") + "'")) << none.err;
  EXPECT_TRUE(has(run({"--workload", "*q8"}).err, "measure first: assay probe --workload '*q8'"));
  export_drop_in();
  fs::remove_all(out_);
  const Ended other = run({spec_line("24"), spec_line("25"), "--kernels", home_.kernels()});
  EXPECT_TRUE(has(other.err, "1 of 2 specs")) << other.err;
  EXPECT_FALSE(fs::exists(out_));
}

TEST_F(ExportTest, bad_input_is_told_in_a_line) {
  const std::pair<Arguments, const char*> cases[] = {
      {{}, "nothing to export: name a SPEC"},
      {{"op=matmul | n=3"}, "SPEC"},
      {{"op=nothing | n=3"}, "nothing"},
      {{"--workload", "qwen9"}, "--workload qwen9: not among"},
      {{"--model", (home_.folder / "none.gguf").string()}, "none.gguf"},
      {{"--model", (kSource / "README.md").string()}, "README.md"},
      {{spec_line("8"), "--m", "4"}, "add --model FILE"},
      {{spec_line("8"), "--accuracy", "perfect"}, "--accuracy"},
      {{spec_line("8"), "--mode", "warm"}, "warm"},
      {{spec_line("8"), "--device", "tpu:0"}, "tpu:0"},
      {{"op=matmul | batch=1 | m=1 | n=8 | k=33 | tA=0 | tB=1 | dtA=f16 | dtB=q8_0 | dtD=f16"}, "k"}};
  for (const auto& [arguments, why] : cases) {
    const Ended ended = run(arguments);
    EXPECT_EQ(ended.exit_code, 2) << why;
    EXPECT_TRUE(has(ended.err, why)) << why << ": " << ended.err;
    EXPECT_FALSE(fs::exists(out_)) << why;
  }
  results({home_.kernels()}).put(home_.store(), spec_line("24"), 5, named("test_plain/plain"));
  for (const char* prefix : {"assay_x", "9x", "A", "a-b"}) {
    const Ended ended = run({spec_line("24"), "--kernels", home_.kernels(), "--prefix", prefix});
    EXPECT_EQ(ended.exit_code, 2);
    EXPECT_TRUE(has(ended.err, "--prefix")) << ended.err;
  }
}

TEST_F(ExportTest, a_winner_that_was_measured_apart_is_called_so) {
  const Results of = results();
  of.put(home_.store(), kF16, 40, named("naive/loop"), 39);
  of.put(home_.store(), kF16, 30, named("gemv_rowdot/r2_u2_p0"), 24);
  const Ended ended = run({kF16});
  ASSERT_EQ(ended.exit_code, 0) << ended.err;
  EXPECT_TRUE(has(ended.out, "gemv_rowdot/r2_u2_p0, 30.00 us, 80.0 % of the floor")) << ended.out;
  EXPECT_TRUE(has(ended.out, "measured apart: the best reached 80 % of a floor of 24.0 us, naive/loop")) << ended.out;
}

TEST_F(ExportTest, a_vendors_library_stays_and_the_note_says_how_far_ahead_it_is) {
  const Results of = results();
  const auto is_vendors = [](const Variant& v) { return !is_portable(v); };
  bool has_vendor = false;
  const std::string line = "op=matmul | batch=1 | m=1 | n=96 | k=160 | tA=0 | tB=1 | dtA=f32 | dtB=f32 | dtD=f32";
  for (const PlannedCase& c : of.cases(line)) has_vendor |= is_vendors(*c.variant);
  if (!has_vendor) GTEST_SKIP() << "no vendor's variant for this processor";
  const Variant* vendor = of.put(home_.store(), line, 10, is_vendors);
  ASSERT_TRUE(vendor);
  const Ended alone = run({line});
  EXPECT_EQ(alone.exit_code, 2);
  EXPECT_TRUE(has(alone.err, "none of its 0 measured kernels that could be exported")) << alone.err;
  of.put(home_.store(), line, 25, named("naive/loop"));
  const Ended ended = run({line});
  ASSERT_EQ(ended.exit_code, 0) << ended.err;
  EXPECT_TRUE(has(ended.out, vendor->id() + " is 2.50 times as fast here")) << ended.out;
  EXPECT_TRUE(has(read_file(out_ / "README.md"), "2.50 times as fast"));
}

TEST(ExportGeometry, expressions_become_c_over_doubles_or_are_refused) {
  const std::vector<std::pair<std::string, int64_t>> parameters{{"ROWS", 2}, {"WAVE", 4}};
  EXPECT_EQ(c_expression("ceil(n/ROWS)", parameters), "ceil(s->n/2.0)");
  EXPECT_EQ(c_expression("WAVE==0 ? 1 : min(m, sms*8)", parameters), "4.0==0.0 ? 1.0 : fmin(s->m, s->sms*8.0)");
  for (const char* text : {"n^2", "n % 2", "sin(n)", "min(n, m, k)", "OTHER"})
    EXPECT_THROW(c_expression(text, parameters), Error) << text;
}

TEST_F(ExportTest, odd_shapes_are_as_odd_as_the_variant_takes) {
  const Results of = results();
  const auto odd_of = [&](const std::string& line, const std::string& variant) {
    for (const PlannedCase& c : of.cases(line))
      if (c.variant->id() == variant)
        if (const auto odd = odd_spec(parse_spec(line), *c.variant, of.device())) return odd->short_name();
    return std::string("none");
  };
  EXPECT_EQ(odd_of(kF16, "naive/loop"), "M:1 N:53 K:53");
  EXPECT_EQ(odd_of(kQ8, "naive/loop"), "M:1 N:53 K:352");  // blocks of 32
}

#ifdef ASSAY_HAS_CUDA
TEST(CudaExport, a_described_devices_winners_are_files_whose_geometry_is_the_manifests) {
  const Home home;
  const auto backend = make_cuda_backend();
  const fs::path description = kSource / "tests/data/h200.json", out = home.folder / "out";
  const Results of(*backend, load_device(description));
  const Variant* plain = of.put(home.store(), kF16, 2, of_family("dot_m1"));
  const Variant* fused = of.put(home.store(), kFused, 2, of_family("gemv"));
  ASSERT_TRUE(plain && fused);
  const Ended ended = home.run({"export", kF16, kFused, "--device", description, "--out", out});
  ASSERT_EQ(ended.exit_code, 0) << ended.err;
  for (const char* file : {"fast_cuda.h", "fast_cuda.c", "fast_cuda_geometry.c", "fast_cuda_tables.c", "Makefile",
                           "README.md", "tools/compile.c", "test/test.c", "test/vectors.h", "kernels/assay_cuda.h"})
    EXPECT_TRUE(fs::exists(out / file)) << file;
  EXPECT_TRUE(has(read_file(out / "Makefile"), "--gpu-architecture=sm_90a"));

  // The geometry and the entry names, without a GPU: printed by a program of the exported files.
  std::ofstream(home.folder / "show.c") << R"(#include <stdio.h>
#include "fast_cuda_kernel.h"
int main(void) {
  for (size_t i = 0; i < fast_cuda_spec_count; ++i) {
    fast_cuda_call call;
    char name[128];
    fast_cuda_begin(&call, &fast_cuda_specs[i]);
    const fast_cuda_geometry g = fast_cuda_geometry_of(&fast_cuda_specs[i], &call, 132);
    fast_cuda_entry_name(&call, "run", name, sizeof name);
    printf("%s %.0f,%.0f,%.0f %.0f %s\n", fast_cuda_specs[i].variant, g.grid[0], g.grid[1], g.grid[2], g.block[0], name);
  }
}
)";
  std::string images;
  for (const auto& entry : fs::directory_iterator(out / "winners")) {
    std::string symbol = "fast_cuda_" + entry.path().stem().string();
    std::replace(symbol.begin(), symbol.end(), '-', '_');
    images += "const unsigned char " + symbol + "_image[1];\n";
  }
  std::ofstream(home.folder / "images.c") << images;
  const ProcessResult built =
      run_process({"gcc", "-std=c11", "-Wall", "-Wextra", "-I" + out.string(), "-o", home.folder / "show",
                   home.folder / "show.c", home.folder / "images.c", out / "fast_cuda_geometry.c",
                   out / "fast_cuda_tables.c", out / "fast_cuda_choose.c", "-lm"},
                  60);
  ASSERT_EQ(built.exit_code, 0) << built.output;
  const ProcessResult shown = run_process({(home.folder / "show").string()}, 10);
  for (const auto& [line, variant] : {std::pair(kF16, plain), std::pair(kFused, fused)}) {
    const Spec spec = parse_spec(line);
    const Geometry g = variant->geometry(launch_sizes(*spec.op, spec.tensors, of.device()));
    EXPECT_TRUE(has(shown.output, fmt::format("{} {},{},{} {} run_nt_f16_f16_f16\n", variant->id(), g.grid[0],
                                              g.grid[1], g.grid[2], g.block[0])))
        << shown.output;
  }
  if (backend->compiler().version.empty()) return;  // no NVRTC here
  const ProcessResult made = make(out, "build/tests");
  EXPECT_EQ(made.exit_code, 0) << made.output;
}
#endif

}  // namespace
}  // namespace assay
