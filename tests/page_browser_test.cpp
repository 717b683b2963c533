// The report page in Debian's headless Chromium: tests/page/checks.py looks at it. Label "browser"; skipped where there
// is none (make check installs it).
#include "page_store.h"

namespace assay {
namespace {

class page_in_browser : public testing::Test {
 protected:
  void SetUp() override {
    const char* path = std::getenv("PATH");
    bool found = false;
    for (const char* name : {"chromium", "chromium-browser"})
      for (size_t from = 0; path && from <= std::string(path).size();) {
        const std::string all = path, folder = all.substr(from, all.find(':', from) - from);
        found = found || access((folder + "/" + name).c_str(), X_OK) == 0;
        from += folder.size() + 1;
      }
    if (!found) GTEST_SKIP() << "no chromium here, so no browser looked at the page: apt-get install chromium";
  }
  fs::path at(const std::string& name) const { return home_.folder / name; }

  void check(Arguments inputs) {
    inputs.insert(inputs.begin(), "report");
    inputs.insert(inputs.end(), {"--out", at("page.html").string()});
    const Ended made = home_.run(inputs);
    ASSERT_EQ(made.exit_code, 0) << made.err;
    const std::string out = at("checks.txt");  // longer than other programs may take: on a busy machine minutes
    const int status = std::system(fmt::format("python3 '{}/tests/page/checks.py' '{}' >'{}' 2>&1", ASSAY_SOURCE_DIR,
                                               at("page.html").string(), out)
                                       .c_str());
    EXPECT_EQ(status, 0) << read_file(out);
    std::fputs(read_file(out).c_str(), stdout);
  }

  Home home_;
};

TEST_F(page_in_browser, a_store_with_all_kinds_of_outcomes_and_a_run_beside_it) {
  make_page_store(at("a.sqlite"));
  write_file(at("run.jsonl"), page_trace_text());
  write_file(at("table.json"), page_table_text());
  write_file(at("opbench.json"), page_opbench_text());
  check({at("a.sqlite"), at("run.jsonl"), at("table.json"), at("opbench.json")});
}

TEST_F(page_in_browser, two_stores_side_by_side_with_binned_samples) {
  make_page_store(at("a.sqlite"));
  make_page_store(at("b.sqlite"), 1.3, "bbbb", "Other CPU");
  check({at("a.sqlite"), at("b.sqlite"), "--most-samples", "10"});
}

TEST_F(page_in_browser, a_run_alone) {
  write_file(at("run.jsonl"), page_trace_text());
  check({at("run.jsonl")});
}

}  // namespace
}  // namespace assay
