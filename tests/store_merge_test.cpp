// Laws of merging stores: nothing is lost or doubled, nothing newer is shadowed, nothing foreign is taken.
#include "store/database.h"
#include "store_fixture.h"

namespace assay {
namespace {

class store_merge : public StoreTest {
 protected:
  fs::path other_ = folder_ / "other.db";
  static CaseRecord at(const std::string& key, int64_t time, double us = 10) {
    CaseRecord record = small_record(key, us);
    record.measured_at = time;
    return record;
  }
};

TEST_F(store_merge, takes_what_is_missing_and_nothing_twice) {
  {
    Store other(other_);
    other.put(at("a", 5));
    other.put(at("b", 5, 20));
    other.put(EnvironmentRecord{"e", "cpu: other"});
    other.put(CeilingRecord{"device", "{}", 7});
  }
  Store store(file_);
  store.put(at("a", 9, 11));
  const Store::Merged merged = store.merge(other_);
  EXPECT_EQ(merged.cases, 1);
  EXPECT_EQ(merged.known, 1);
  EXPECT_EQ(merged.environments, 1);
  EXPECT_EQ(merged.ceilings, 1);
  EXPECT_EQ(store.find("a")->device_us[0], 11) << "the newer one stands";
  EXPECT_EQ(store.find("b")->device_us[0], 20);
  EXPECT_EQ(store.environment("e")->text, "cpu: other");
  const Store::Merged again = store.merge(other_);
  EXPECT_EQ(again.cases + again.environments + again.ceilings, 0);
  EXPECT_EQ(again.known, 2);
  EXPECT_EQ(store.newest_of_each_key().size(), 2u);
}

TEST_F(store_merge, takes_the_newer_result_of_a_key) {
  Store(other_).put(at("a", 9, 12));
  Store store(file_);
  store.put(at("a", 5, 10));
  EXPECT_EQ(store.merge(other_).cases, 1);
  EXPECT_EQ(store.find("a")->device_us[0], 12);
}

TEST_F(store_merge, takes_nothing_onto_a_full_disk_and_says_so) {
  {
    Store other(other_);
    for (int i = 0; i < 200; ++i) other.put(large_record("key " + std::to_string(i)));
  }
  { const Store made(file_); }
  Store store(file_, Store::Access::read_write, 40);
  try {
    store.merge(other_);
    ADD_FAILURE() << "40 pages hold 200 records";
  } catch (const Error& e) {
    EXPECT_NE(std::string(e.what()).find("the disk is full"), std::string::npos) << e.what();
  }
  EXPECT_TRUE(store.newest_of_each_key().empty());
}

TEST_F(store_merge, refuses_what_is_no_store_and_itself_and_takes_nothing) {
  Store store(file_);
  EXPECT_NE(error_of([&] { store.merge(folder_ / "gone.db"); }), "");
  EXPECT_NE(error_of([&] { store.merge(file_); }).find("is the store itself"), std::string::npos);
  {
    std::FILE* f = std::fopen(other_.c_str(), "w");
    std::fputs("no store at all, but long enough to look at", f);
    std::fclose(f);
  }
  EXPECT_NE(error_of([&] { store.merge(other_); }).find("not an assay store"), std::string::npos);
  EXPECT_TRUE(store.newest_of_each_key().empty());
}

TEST_F(store_merge, names_the_file_whose_row_cannot_be_read) {
  Store(other_).put(at("a", 5));
  Store store(file_);
  for (const char* damage : {"outcome = 'great'", "accuracy = 'exactly'", "tags = '{'", "tags = '7'"}) {
    Database(other_, Database::Open::existing).execute(std::string("UPDATE cases SET ") + damage);
    const std::string why = error_of([&] { store.merge(other_); });
    EXPECT_TRUE(why.find(other_.string()) == 0 && why.find("damaged") != std::string::npos) << damage << ": " << why;
    Database(other_, Database::Open::existing)
        .execute("UPDATE cases SET outcome = 'pass', accuracy = 'exact', tags = '[]'");
  }
  EXPECT_TRUE(store.newest_of_each_key().empty());
}

TEST_F(store_merge, gives_times_by_device_for_who_wants_to_know_what_was_fast) {
  Store store(file_);
  CaseRecord record = small_record("a");
  record.key_text = "spec: x\n-- device --\nmodel: A\n";
  record.math_line = "op=swiglu | m=1";
  store.put(record);
  record.key = "b", record.outcome = Outcome::wrong;
  store.put(record);
  const std::vector<PastTime> times = store.past_times();
  ASSERT_EQ(times.size(), 1u);
  EXPECT_EQ(times[0].device, "-- device --\nmodel: A\n");
  EXPECT_EQ(times[0].us, 11);
}

}  // namespace
}  // namespace assay
