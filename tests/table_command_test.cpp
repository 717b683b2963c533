// assay table, and which table the engine takes: what is shown, what is refused and why, each in one line.
#include <fmt/format.h>
#include <gtest/gtest.h>
#include <sys/utsname.h>

#include "kernel/dispatch_table.h"
#include "measure/case_key.h"
#include "refusals.h"

namespace assay {
namespace {

const fs::path kShipped = fs::path(ASSAY_SOURCE_DIR) / "tables/cpu.json";
const fs::path kModel = fs::path(ASSAY_SOURCE_DIR) / "../shared/data/models/tiny-qwen2-f16.gguf";

class table_command : public testing::Test {
 protected:
  /// A table of this CPU, whatever it is, with these members of its section and these entries.
  fs::path table(const std::string& entries, const std::string& head = "", const std::string& name = "t.json") const {
    const fs::path file = home.folder / name;
    write_file(file, R"({"schema":1,"devices":[{"backend":"cpu")" + head + R"(,"entries":[)" + entries + "]}]}");
    return file;
  }
  /// What a section needs whose entries were measured on this device.
  static std::string measured() {
    utsname system{};
    uname(&system);
    return fmt::format(R"(,"properties":{{"architecture":"{}"}},"method":{})", system.machine, kMethodVersion);
  }
  static std::string entry(const std::string& bucket, const std::string& variant, const std::string& more = "") {
    return R"({"bucket":")" + bucket + R"(","variant":")" + variant + "\"" + more + "}";
  }
  /// Where tune would put one of this user's.
  fs::path own(const std::string& name, const std::string& text) const {
    const fs::path folder = home.folder / "state/assay/tables";
    fs::create_directories(folder);
    write_file(folder / name, text);
    return folder / name;
  }
  std::string run_verbose() const {
    return home.run({"run", kModel, "--raw", "-p", "a", "-n", "1", "--quiet", "-v"}).err;
  }

  const std::string plain = entry("op=matmul", "naive/loop");
  Home home;
};

TEST_F(table_command, shows_entries_and_checks_that_they_hold) {
  const Ended shown = home.run({"table", "show", kShipped});
  EXPECT_EQ(shown.exit_code, 0) << shown.err;
  for (const char* part : {"op=matmul | dtB=f16", "float_tiles/f16_t2_p0", "f16_tiles16", "naive/loop", "holds"})
    EXPECT_TRUE(has(shown.out, part)) << part << "\n" << shown.out;
  const Ended checked = home.run({"table", "check", kShipped});
  EXPECT_EQ(checked.exit_code, 0) << checked.err;
  EXPECT_TRUE(has(checked.out, "holds on cpu:0")) << checked.out;
}

TEST_F(table_command, shows_evidence_and_what_has_expired) {
  const fs::path file = table(entry("op=matmul | m=1", "naive/loop",
                                    R"(,"source":"00ff","evidence":{"result":"abc123","us":12.5,"margin_percent":3,)"
                                    R"("ties":["q8_dot/i8act_r2_p0"]})") +
                                  "," + entry("op=matmul", "naive/nothing"),
                              measured());
  const Ended shown = home.run({"table", "show", file});
  EXPECT_EQ(shown.exit_code, 0) << shown.err;
  for (const char* part :
       {"abc123", "12.50", "3.0", "q8_dot/i8act_r2_p0", "expired", "another source", "no variant naive/nothing"})
    EXPECT_TRUE(has(shown.out, part)) << part << "\n" << shown.out;
}

TEST_F(table_command, refuses_what_does_not_hold_with_the_reason) {
  const auto refused = [&](const fs::path& file, const std::vector<std::string>& parts) {
    expect_refused(home, {"table", "check", file}, parts);
  };
  refused(table(entry("op=matmul", "naive/lop")), {"there is no variant naive/lop", "naive has naive/loop"});
  refused(table(plain, R"(,"properties":{"model":"Abacus"})"), {"is of another device", "Abacus"});
  refused(table(plain, R"(,"properties":{"features":"none"})"),
          {"has expired", "its features have none, unknown here, and lack ", " more"});
  refused(table(plain, R"(,"properties":{"driver":"1.2"})"), {"has expired", "its driver is \"1.2\"", "none is known"});
  refused(table(plain, R"(,"properties":{"threads used":"999"})"), {"is for other threads", "999"});
  refused(table(plain, R"(,"method":1)"), {"has expired", "by method 1"});
  refused(table(plain, R"(,"isa":"amx")"), {"is a table for cpu with amx"});
  refused(table(entry("op=matmul", "naive/loop", R"(,"source":"00")"), measured()),
          {"has expired", "another source", "assay tune"});
  refused(table(entry("op=matmul", "naive/loop", R"(,"source":"00")")), {"/entries/0", "has no properties"});
  refused(table(plain + "," + entry("op = matmul", "naive/loop")), {"/entries/1", "entry 0 is for the same bucket"});
  refused(table(plain + "," + entry("op=matmul | m=1", "naive/loop")), {"/entries/1", "never counts"});
  refused(table(entry("op=matmul", "naive/loop", R"(,"accuracy":"int8_activation")")), {"is of class exact"});
  refused(table(entry("op=matmul", "naive/loop", R"(,"storage":"tiles")")), {"the entry says \"tiles\""});
  refused(table(entry("op=matmul", "naive/loop", R"(,"fallback":["naive/loop"])")), {"its own fallback"});
  refused(table(entry("op=matmul", "ceiling/read")), {"ceiling"});
  refused(table(entry("op=matmul", "naive/loop", R"(,"evidence":{"margin_percent":4})")), {"missing key \"result\""});
  refused(table(entry("op=matmul", "naive/loop", R"(,"evidence":{"result":"a","us":1,"margin_percent":-4})")),
          {"margin_percent", "from 0 on"});
  const auto beside = [&](const std::string& section) {
    const fs::path file = home.folder / "two.json";
    write_file(file, R"({"schema":1,"devices":[)" + section + R"(,{"backend":"cpu","entries":[)" + plain + "]}]}");
    return file;
  };
  refused(beside(R"({"backend":"cppu","entries":[]})"), {"/devices/0/backend", "did you mean cpu"});
  refused(beside(R"({"backend":"cpu","isa":"amx","entries":[)" + entry("op=matmul", "naive/lop") + "]}"),
          {"there is no variant naive/lop"});
  const std::string whole = read_file(kShipped);
  for (const size_t length : {size_t(0), size_t(1), whole.size() / 2, whole.size() - 3}) {
    write_file(home.folder / "cut.json", whole.substr(0, length));
    refused(home.folder / "cut.json", {"cut.json"});
  }
  refused(home.folder / "gone.json", {"gone.json"});
  expect_refused(home, {"table", "chek", kShipped}, {"choose show, check or diff", "did you mean check"});
  expect_refused(home, {"table", "shw"}, {"choose show, check or diff", "did you mean show"});
  expect_refused(home, {"table", "show"}, {"takes 1 file, 0 are given"});
  expect_refused(home, {"table", "diff", kShipped}, {"takes 2 files, 1 are given"});
}

TEST_F(table_command, diff_names_the_entries_that_differ) {
  const fs::path a = table(entry("op=matmul | m=1", "gemv_rowdot/r2_u2_p0") + "," + plain, "", "a.json");
  const fs::path b = table(entry("op=matmul | m=1", "gemv_rowdot/r4_u2_p0") + "," + plain, "", "b.json");
  const Ended same = home.run({"table", "diff", a, a}), differ = home.run({"table", "diff", a, b});
  EXPECT_EQ(same.exit_code, 0) << same.err;
  EXPECT_EQ(differ.exit_code, 1) << differ.err;
  EXPECT_TRUE(has(differ.out, "gemv_rowdot/r2_u2_p0") && has(differ.out, "gemv_rowdot/r4_u2_p0")) << differ.out;
  EXPECT_FALSE(has(differ.out, "naive/loop")) << differ.out;
}

TEST_F(table_command, run_takes_the_newest_that_holds_and_says_which) {
  if (!fs::exists(kModel)) GTEST_SKIP() << "no ../shared/data/models here";
  EXPECT_TRUE(has(run_verbose(), "tables/cpu.json (cpu with")) << run_verbose();
  const std::string good = read_file(kShipped);  // whose kernels the first run compiled
  const fs::path old = own("old.json", good), newer = own("newer.json", good);
  const auto now = fs::file_time_type::clock::now();
  fs::last_write_time(old, now - std::chrono::hours(2));
  fs::last_write_time(newer, now - std::chrono::hours(1));
  EXPECT_TRUE(has(run_verbose(), "table " + newer.string())) << run_verbose();
  own("of_another.json", read_file(table(plain, R"(,"properties":{"model":"Abacus"})")));
  own("torn.json", good.substr(0, good.size() / 2));
  const std::string said = run_verbose();
  EXPECT_TRUE(has(said, "table " + newer.string())) << said;
  EXPECT_TRUE(has(said, "not used: ") && has(said, "another device") && has(said, "torn.json")) << said;
  fs::permissions(newer, fs::perms::others_write, fs::perm_options::add);
  EXPECT_TRUE(has(run_verbose(), "table " + old.string())) << "one that anybody can write is nobody's";
}

TEST_F(table_command, of_the_newest_that_does_not_hold_run_and_bench_say_one_line) {
  if (!fs::exists(kModel)) GTEST_SKIP() << "no ../shared/data/models here";
  const auto said = [&] {
    const std::string run = home.run({"run", kModel, "--raw", "-p", "a", "-n", "1", "--quiet"}).err;
    EXPECT_EQ(home.run({"bench", kModel, "-p", "0", "-n", "1", "-r", "1"}).err, run);
    return run;
  };
  const auto line = [](const fs::path& file, const std::string& why) {
    return "assay: table " + file.string() + " is not used: " + why;
  };
  EXPECT_EQ(said(), "");
  const fs::path old = own("old.json", read_file(table(plain, R"(,"properties":{"driver":"1"})")));
  EXPECT_TRUE(has(said(), line(old, "has expired: "))) << said();
  EXPECT_TRUE(has(said(), "; run assay tune\n")) << said();
  fs::last_write_time(old, fs::file_time_type::clock::now() - std::chrono::hours(1));
  const fs::path torn = own("torn.json", "{");
  EXPECT_TRUE(has(said(), line(torn, ""))) << said();
  EXPECT_EQ(count_of(said(), "\n"), 1u) << "the newest alone: " << said();
  const fs::path open = own("torn.json", read_file(kShipped));
  EXPECT_EQ(said(), "") << "it holds, and is newer";
  fs::permissions(open, fs::perms(0666));
  EXPECT_TRUE(has(said(), line(open, "may be written by everybody (mode 666)"))) << said();
  EXPECT_TRUE(has(run_verbose(), line(open, "may be written")) && has(run_verbose(), line(old, "has expired")));
  expect_refused(home, {"table", "check", open}, {open.string(), "may be written by everybody", "run assay tune"});
  fs::remove(open);
  fs::remove(old);
  own("of_another.json", read_file(table(plain, R"(,"properties":{"model":"Abacus"})")));
  EXPECT_TRUE(has(said(), "is of another device")) << said();
  own("good.json", read_file(kShipped));
  EXPECT_EQ(said(), "") << "of this device the newest holds";
}

TEST_F(table_command, run_takes_the_shipped_one_where_the_home_has_none) {
  if (!fs::exists(kModel)) GTEST_SKIP() << "no ../shared/data/models here";
  home.variables["HOME"] = home.variables["XDG_STATE_HOME"] = "/nowhere/at/all";
  EXPECT_TRUE(has(run_verbose(), "tables/cpu.json (cpu with")) << run_verbose();
  home.variables.erase("HOME");
  home.variables["XDG_STATE_HOME"] = "";
  EXPECT_TRUE(has(run_verbose(), "shipped)")) << run_verbose();
}

}  // namespace
}  // namespace assay
