// Laws of `assay report`, without a browser: one file, the rows of all other forms, inputs known by their content.
#include "report/page.h"

#include "page_store.h"
#include "refusals.h"
#include "report/rows.h"
#include "trace_lines.h"

namespace assay {
namespace {

class page : public testing::Test {
 protected:
  page() { make_page_store(at("a.sqlite")); }
  fs::path at(const std::string& name) const { return home_.folder / name; }
  std::string make(Arguments inputs, const Arguments& more = {}) {
    inputs.insert(inputs.begin(), "report");
    inputs.insert(inputs.end(), {"--out", at("page.html").string()});
    inputs.insert(inputs.end(), more.begin(), more.end());
    ended_ = home_.run(inputs);
    EXPECT_EQ(ended_.exit_code, 0) << ended_.err;
    return ended_.exit_code == 0 ? read_file(at("page.html")) : "";
  }
  Json data(const Arguments& inputs, const Arguments& more = {}) {
    const std::string text = make(inputs, more), begin = R"(<script type="application/json" id="data">)";
    const size_t from = text.find(begin) + begin.size();
    return Json::parse(text.substr(from, text.find("</script>", from) - from));
  }
  Home home_;
  Ended ended_;
};

TEST_F(page, is_one_file_that_asks_for_no_other) {
  const std::string text = make({at("a.sqlite")});
  const std::string head = text.substr(0, text.find("id=\"data\""));
  for (const std::string name : {"src=\"", "href=\""})
    EXPECT_EQ(count_of(head, name), count_of(head, name + "d")) << name << " asks for something other than data:";
  EXPECT_EQ(count_of(text, "<script src"), 0u);
  EXPECT_EQ(count_of(text, "@import"), 0u);
  EXPECT_EQ(count_of(text, "<!--assay:"), 0u);
  EXPECT_EQ(count_of(text, "/*assay:"), 0u);
  EXPECT_TRUE(has(text, "Bostock"));  // the library's licence
}

TEST_F(page, text_of_the_data_ends_no_script) {
  const Json json = data({at("a.sqlite")});  // it parses, although a detail holds </script>
  EXPECT_TRUE(has(json.dump(), "</script>"));
}

TEST_F(page, has_the_rows_of_the_case_table) {
  const Json json = data({at("a.sqlite")});
  ASSERT_EQ(json["stores"]["sections"].size(), 1u);
  const Json& section = json["stores"]["sections"][0];
  const StoreSections made = sections_of_store(Store(at("a.sqlite"), Store::Access::read_only), {}, {"naive/loop"});
  const Table table = case_table(made.sections[0].report);
  ASSERT_EQ(section["cases"]["columns"].size(), table.columns.size());
  ASSERT_EQ(section["cases"]["rows"].size(), table.rows.size());
  for (size_t row = 0; row < table.rows.size(); ++row)
    for (size_t i = 0; i < table.columns.size(); ++i) {
      const Json& cell = section["cases"]["rows"][row][i];
      const double* number = std::get_if<double>(&table.rows[row][i]);
      const std::string* text = std::get_if<std::string>(&table.rows[row][i]);
      EXPECT_TRUE(!number || !std::isfinite(*number) || cell == *number) << table.columns[i].key << " " << cell;
      EXPECT_TRUE(!text || cell == *text) << table.columns[i].key << " " << cell;
    }
}

TEST_F(page, samples_are_those_of_the_store_to_four_digits) {
  const Json section = data({at("a.sqlite")})["stores"]["sections"][0];
  const size_t best = section["specs"][0]["first"];
  const Json& samples = section["samples"][best];
  ASSERT_EQ(samples["v"].size(), 40u);
  const StoreSections made = sections_of_store(Store(at("a.sqlite"), Store::Access::read_only), {}, {});
  const CaseRecord& record = made.sections[0].report.specs[0].cases[0].record;
  for (size_t i = 0; i < 40; ++i)
    EXPECT_NEAR(samples["v"][i].get<double>() * std::pow(10, -samples["e"].get<int>()), record.device_us[i],
                record.device_us[i] * 1e-3);
}

TEST_F(page, more_samples_than_asked_for_are_binned_and_none_is_lost) {
  const Json section = data({at("a.sqlite")}, {"--most-samples", "100"})["stores"]["sections"][0];
  EXPECT_TRUE(section["binned"].get<bool>());
  for (const Json& samples : section["samples"]) {
    if (samples.is_null()) continue;
    int64_t count = 0;
    for (const Json& bin : samples["bins"]) count += bin[1].get<int64_t>();
    EXPECT_EQ(count, 40);
    EXPECT_LE(samples["bins"].size(), 48u);
  }
}

TEST_F(page, two_devices_of_one_store_are_two_sections) {
  {
    Store store(at("a.sqlite"));
    store.put(EnvironmentRecord{"e2", environment_text("bbbb", "Other CPU")});
    CaseRecord other = page_record("64", "gemv/r4", 9);
    other.key = "other", other.environment = "e2", other.measured_at += 1000;
    store.put(other);
  }
  const Json sections = data({at("a.sqlite")})["stores"]["sections"];
  ASSERT_EQ(sections.size(), 2u);
  EXPECT_EQ(sections[0]["device_text"], "Other CPU");  // the newest result comes first
  EXPECT_EQ(sections[0]["commit"], "bbbb");
  EXPECT_EQ(sections[1]["device_text"], "Example CPU");
}

TEST_F(page, history_has_a_point_a_commit_and_the_newest_of_each_key) {
  {
    Store store(at("a.sqlite"));
    store.put(EnvironmentRecord{"e2", environment_text("bbbb", "Example CPU")});
    CaseRecord faster = page_record("64", "gemv/r4", 3, 1'760'100'000);
    faster.key = "newer source", faster.environment = "e2";
    store.put(faster);
  }
  const Json history = data({at("a.sqlite")})["stores"]["history"];
  std::vector<Json> points;
  for (const Json& point : history["points"])
    if (has(point[0], "n=64 | k=64")) points.push_back(point);
  ASSERT_EQ(points.size(), 2u);
  EXPECT_EQ(points[0][3], "aaaa11112222");
  EXPECT_EQ(points[1][3], "bbbb");
  EXPECT_NEAR(points[1][5].get<double>(), 3, 0.01);
}

TEST_F(page, two_stores_are_compared_as_assay_compare_does) {
  make_page_store(at("b.sqlite"), 1.5, "bbbb");
  const Json stores = data({at("a.sqlite"), at("b.sqlite")})["stores"];
  ASSERT_EQ(stores["sections"].size(), 2u);
  ASSERT_EQ(stores["comparisons"].size(), 1u);
  const Ended compared = home_.run({"compare", at("a.sqlite"), at("b.sqlite"), "--format", "json"});
  const Json cases = Json::parse(compared.out)["cases"];
  EXPECT_EQ(stores["comparisons"][0]["rows"]["rows"].size(), cases.size());
  EXPECT_TRUE(has(stores["comparisons"][0]["counts"], "SLOWER")) << stores["comparisons"][0]["counts"];
}

TEST_F(page, a_json_report_is_shown_as_its_store_is) {
  const Json json = data({at("a.sqlite")});
  SweepReport report = sections_of_store(Store(at("a.sqlite"), Store::Access::read_only), {}, {}).sections[0].report;
  write_file(at("a.json"), json_report(report));
  const Json other = data({at("a.json")});
  EXPECT_EQ(other["stores"]["sections"][0]["cases"]["rows"].size(),
            json["stores"]["sections"][0]["cases"]["rows"].size());
  EXPECT_TRUE(other["stores"]["sections"][0]["ceilings"].is_null());
}

TEST_F(page, a_trace_gives_its_account_and_one_token) {
  write_file(at("run.jsonl"), page_trace_text());
  const Json trace = data({at("run.jsonl")})["traces"][0];
  EXPECT_EQ(trace["accounting"]["stretches"]["decode"]["tokens"], 12);
  EXPECT_EQ(trace["one_token"]["token"], 7);  // the median of twelve that grow, counted over prompt and decode
  EXPECT_EQ(trace["one_token"]["position"], 7);
  EXPECT_EQ(trace["one_token"]["slices"].size(), 8u);
  EXPECT_EQ(data({at("run.jsonl")}, {"--token", "2"})["traces"][0]["one_token"]["position"], 2);
}

TEST_F(page, a_damaged_trace_is_shown_as_far_as_it_goes_and_exit_2) {
  std::string lines;
  for (int i = 0; i < 5000; ++i) lines += gpu_line("kernel" + std::to_string(i * 7919 % 4999), std::to_string(i));
  write_file(at("t.jsonl"), lines);
  ASSERT_EQ(run_in_shell(home_, "gzip t.jsonl").exit_code, 0);
  const std::string whole = read_file(at("t.jsonl.gz"));
  std::string flipped = whole;
  flipped[whole.size() / 2] ^= 0x10;
  make({at("t.jsonl.gz")});
  for (const std::string& damaged : {whole.substr(0, whole.size() / 2), flipped, whole + "junk"}) {
    write_file(at("damaged.gz"), damaged);
    fs::remove(at("page.html"));
    const Ended ended = home_.run({"report", at("damaged.gz"), "--out", at("page.html")});
    EXPECT_EQ(ended.exit_code, 2) << ended.err;
    EXPECT_EQ(home_.run({"analyze", at("damaged.gz")}).exit_code, ended.exit_code);
    EXPECT_TRUE(has(ended.err, "damaged.gz") && has(ended.err, "the page covers the ")) << ended.err;
    EXPECT_TRUE(fs::exists(at("page.html")));
  }
}

TEST_F(page, tables_and_frameworks_are_known_by_their_content) {
  write_file(at("table"), page_table_text());
  {
    Store store(at("a.sqlite"));
    CaseRecord record = page_record("64", "torch", 12);
    record.mode = "opbench", record.spec_line = record.math_line = "softmax 1x1024", record.key = "t";
    store.put(record);
  }
  const Json json = data({at("table"), at("a.sqlite")});
  EXPECT_EQ(json["tables"][0]["table"]["made_by"], "a test");
  ASSERT_EQ(json["opbench"].size(), 1u);
  EXPECT_EQ(json["opbench"][0]["results"]["cells"][0]["framework"], "torch");
  EXPECT_EQ(json["stores"]["sections"].size(), 1u);  // they are no cases
}

TEST_F(page, an_output_that_is_an_input_is_refused) {
  const std::string before = read_file(at("a.sqlite"));
  const Ended ended = home_.run({"report", at("a.sqlite"), "--out", at("a.sqlite")});
  EXPECT_EQ(ended.exit_code, 2);
  EXPECT_TRUE(has(ended.err, "is the same file as")) << ended.err;
  EXPECT_EQ(read_file(at("a.sqlite")), before);
}

TEST_F(page, what_cannot_be_shown_is_an_error_in_a_line_and_leaves_no_page) {
  write_file(at("other.json"), R"({"schema": "something-else"})");
  write_file(at("text"), "no trace\n");
  write_file(at("model"), "GGUF\3\n\n\n");
  Store(at("empty.sqlite"));
  for (const char* name : {"other.json", "text", "model", "empty.sqlite", "missing"}) {
    const Ended ended = home_.run({"report", at(name), "--out", at("none.html")});
    EXPECT_EQ(ended.exit_code, 2) << name;
    EXPECT_TRUE(has(ended.err, name)) << ended.err;
    EXPECT_EQ(std::count(ended.err.begin(), ended.err.end(), '\n'), 1) << ended.err;
    EXPECT_FALSE(fs::exists(at("none.html"))) << name;
  }
}

TEST_F(page, reading_a_store_leaves_it_as_it_was) {
  const std::string before = read_file(at("a.sqlite"));
  make({at("a.sqlite")});
  EXPECT_EQ(read_file(at("a.sqlite")), before);
}

}  // namespace
}  // namespace assay
