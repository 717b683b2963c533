// include/assay_table.h, compiled as C: the same answers as the reader of this program, and no crash on what is no
// table.
#include <gtest/gtest.h>

#include "assay_program.h"
#include "base/process.h"
#include "kernel/dispatch_table.h"
#include "text_lines.h"

namespace assay {
namespace {

class table_header : public testing::Test {
 protected:
  void SetUp() override {
    const fs::path source(ASSAY_SOURCE_DIR);
    program = home.folder / "table_reader";
    const ProcessResult compiled =
        run_process({"cc", "-std=c11", "-Wall", "-Wextra", "-Wpedantic", "-Werror", "-O1", "-I", source / "include",
                     source / "docs/examples/table_reader.c", "-o", program},
                    60);
    ASSERT_EQ(compiled.exit_code, 0) << compiled.output;
  }
  ProcessResult ask(const fs::path& table, const std::string& backend, const std::string& spec,
                    const std::vector<std::string>& isa = {}) const {
    std::vector<std::string> argv{program, table, backend, spec};
    argv.insert(argv.end(), isa.begin(), isa.end());
    return run_process(argv, 10);
  }

  const fs::path shipped = fs::path(ASSAY_SOURCE_DIR) / "tables/cpu.json";
  Home home;
  fs::path program;
};

TEST_F(table_header, gives_what_this_program_chooses) {
  const DispatchTable table = load_table(shipped);
  for (const std::vector<std::string>& isa :
       {std::vector<std::string>{"generic"}, {"generic", "avx2"}, {"generic", "avx2", "avx512"}}) {
    const TableDevice& device = table.device_for({"cpu", "test", isa, {}, 0});
    for (const char* m : {"1", "64"})
      for (const char* type : {"f16", "q8_0", "q4_0", "q6_k"}) {
        const std::string spec = fmt::format("op=matmul | m={} | n=896 | k=896 | dtB={}", m, type);
        const TableEntry* entry = find_entry(device, parse_spec_fields(spec));
        ASSERT_NE(entry, nullptr);
        std::string expected = fmt::format("accuracy {}, storage \"{}\"\n{}\n", accuracy_name(entry->accuracy),
                                           entry->storage, entry->variant);
        for (const std::string& other : entry->fallback) expected += other + "\n";
        EXPECT_EQ(ask(shipped, "cpu", spec, isa).output, expected) << spec;
      }
  }
}

TEST_F(table_header, reads_ranges_and_leaves_what_no_bucket_takes) {
  const fs::path file = home.folder / "t.json";
  write_file(file, R"({"schema":1,"devices":[{"backend":"cpu","entries":[
    {"bucket":"op=matmul | m=2.. | n=10..20","variant":"wide/\"1\""},{"bucket":"op=rms_norm","variant":"norm/2"}]}]})");
  EXPECT_TRUE(has(ask(file, "cpu", "op=matmul | m=2 | n=10").output, "wide/\"1\""));
  EXPECT_TRUE(has(ask(file, "cpu", "op=rms_norm | m=1").output, "norm/2"));
  for (const char* spec : {"op=matmul | m=1 | n=10", "op=matmul | m=2 | n=21", "op=matmul | m=2", "op=swiglu", ""})
    EXPECT_EQ(ask(file, "cpu", spec).exit_code, 1) << spec;
}

TEST_F(table_header, says_why_a_file_is_no_table_for_the_device) {
  EXPECT_TRUE(has(ask(shipped, "cuda", "op=matmul").output, "no entries for this cuda device"));
  EXPECT_TRUE(has(ask(home.folder / "gone.json", "cpu", "op=matmul").output, "cannot be opened"));
  const std::string text = read_file(shipped);
  const fs::path cut = home.folder / "cut.json";
  for (size_t length = 0; length < text.rfind('}'); length += 97) {
    write_file(cut, text.substr(0, length));
    const ProcessResult result = ask(cut, "cpu", "op=matmul | m=1 | dtB=f16");
    EXPECT_EQ(result.exit_code, 2) << length << ": " << result.output;
  }
}

}  // namespace
}  // namespace assay
