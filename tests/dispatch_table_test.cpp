// The dispatch table: what it takes, what it refuses and how it says so, and which entry a spec gets.
#include "kernel/dispatch_table.h"

#include <gtest/gtest.h>

#include <functional>
#include <optional>
#include <set>

#include "base/error.h"
#include "base/json.h"

namespace assay {
namespace {

std::string one_device(const std::string& entries, const std::string& head = R"("backend":"cpu")") {
  return R"({"schema":1,"made_by":"a test","devices":[{)" + head + R"(,"entries":[)" + entries + "]}]}";
}
std::string entry(const std::string& bucket, const std::string& variant, const std::string& more = "") {
  return R"({"bucket":")" + bucket + R"(","variant":")" + variant + "\"" + more + "}";
}
const std::string kMeasured = R"("backend":"cpu","properties":{"model":"EPYC"},"method":8)";
const std::string kInt8 = R"(,"accuracy":"int8_activation")";

std::string refusal(const std::string& text) {
  try {
    parse_table(text, "t.json");
  } catch (const Error& e) {
    return e.what();
  }
  return "was taken";
}

void expect_refused(const std::string& text, const std::vector<std::string>& parts) {
  const std::string message = refusal(text);
  for (const std::string& part : parts)
    EXPECT_NE(message.find(part), std::string::npos) << "\"" << part << "\" is not in: " << message;
}

SpecFields math(const std::string& m, const std::string& n, const std::string& type) {
  return parse_spec("op=matmul | batch=1 | m=" + m + " | n=" + n + " | k=896 | tA=0 | tB=1 | dtA=f32 | dtB=" + type +
                    " | dtD=f32")
      .math;
}

TableTarget this_cpu() {
  return {"cpu", "cpu:0, a test", {"generic", "avx2", "avx512"}, {{"model", "EPYC"}, {"driver", "5"}}, 8};
}

TEST(spec_bucket, takes_specs_whose_named_fields_agree) {
  const SpecBucket bucket("op=matmul | m=1 | n=100..2000 | dtB=q8_0", "test");
  EXPECT_TRUE(bucket.matches(math("1", "896", "q8_0")));
  EXPECT_FALSE(bucket.matches(math("2", "896", "q8_0")));
  EXPECT_FALSE(bucket.matches(math("1", "99", "q8_0")));
  EXPECT_FALSE(bucket.matches(math("1", "2001", "q8_0")));
  EXPECT_FALSE(bucket.matches(math("1", "896", "f16")));
  EXPECT_FALSE(SpecBucket("op=rms_norm", "test").matches(math("1", "896", "f16")));
  EXPECT_TRUE(SpecBucket("op=matmul | m=2..", "test").matches(math("512", "896", "f16")));
}

TEST(spec_bucket, has_one_form_however_it_is_written) {
  EXPECT_EQ(SpecBucket("m=1 | op=matmul | k=32..32", "test").line(),
            SpecBucket("op=matmul | k=32 | m=1", "test").line());
  EXPECT_EQ(SpecBucket("op=matmul | m=2..", "test").line(), "op=matmul | m=2..");
}

TEST(spec_bucket, refuses_what_no_spec_can_be) {
  for (const char* line : {"m=1", "op=matmul | rows=4", "op=matmul | m=4..2", "op=matmul | m=a..b", "op=matmull",
                           "op=matmul | m=1 | m=2", "op=matmul |", "", "op=matmul | m=-1", "op=matmul | k=0",
                           "op=rope | m=many", "op=matmul | n0=?", "op=matmul | n=0..0"})
    EXPECT_THROW(SpecBucket(line, "test"), Error) << line;
}

TEST(dispatch_table, gives_a_spec_the_first_entry_that_takes_it) {
  const DispatchTable table = parse_table(
      one_device(entry("op=matmul | m=1 | n=896", "a/1") + "," + entry("op=matmul | m=1", "b/2")), "t.json");
  const TableDevice& device = table.device_for(this_cpu());
  EXPECT_EQ(find_entry(device, math("1", "896", "f16"))->variant, "a/1");
  EXPECT_EQ(find_entry(device, math("1", "897", "f16"))->variant, "b/2");
  EXPECT_EQ(find_entry(device, math("2", "897", "f16")), nullptr);
}

TEST(dispatch_table, comes_back_from_its_text) {
  const std::string text =
      one_device(entry("op=matmul | m=1 | n=2..9", "a/1",
                       R"(,"storage":"tiles","fallback":["c/d","e/f"],"source":"00ff",)"
                       R"("evidence":{"result":"abc","us":4,"margin_percent":2.5,"ties":["g/h"]})" +
                           kInt8),
                 R"("backend":"cpu","isa":"avx2","properties":{"model":"EPYC"},"method":8,)"
                 R"("steps":[{"model":"a.gguf","depth":9,"predicted_ms":2.5,"achieved_ms":2}])");
  const DispatchTable table = parse_table(text, "t.json");
  EXPECT_EQ(table.devices.at(0).steps.at(0).predicted_ms, 2.5);
  EXPECT_EQ(table.devices.at(0).steps.at(0).depth, 9);
  const std::string written = table_text(table);
  EXPECT_EQ(table_text(parse_table(written, "t.json")), written);
  const TableEntry& e = table.devices.at(0).entries.at(0);
  EXPECT_EQ(e.storage, "tiles");
  EXPECT_EQ(e.fallback, (std::vector<std::string>{"c/d", "e/f"}));
  EXPECT_EQ(e.evidence.margin_percent, 2.5);
  EXPECT_EQ(e.accuracy, Accuracy::int8_activation);
}

TEST(dispatch_table, refuses_two_entries_for_one_bucket) {
  expect_refused(one_device(entry("op=matmul | m=1", "a/1") + "," + entry("m=1..1 | op=matmul", "b/2")),
                 {"t.json at /devices/0/entries/1", "entry 0 is for the same bucket"});
}

TEST(dispatch_table, refuses_a_step_that_cannot_be) {
  const auto with_step = [](const std::string& times) {
    return one_device(entry("op=matmul", "a/1"),
                      R"("backend":"cpu","steps":[{"model":"a.gguf","depth":9,)" + times + "}]");
  };
  expect_refused(with_step(R"("predicted_ms":-1)"), {"/devices/0/steps/0/predicted_ms", "from 0 on"});
  expect_refused(with_step(R"("achieved_ms":2,"low_ms":3,"high_ms":4)"),
                 {"/devices/0/steps/0", "outside its own interval"});
  expect_refused(with_step(R"("achieved_ms":5,"low_ms":3,"high_ms":4)"), {"outside its own interval"});
  expect_refused(with_step(R"("ms":5)"), {"ms"});
  expect_refused(with_step(R"("achieved_ms":5,"low_ms":3)"), {"one end of an interval"});
  const std::string step = R"({"model":"a.gguf","depth":9,"predicted_ms":)";
  const auto with_steps = [](const std::string& steps) {
    return one_device(entry("op=matmul", "a/1"), R"("backend":"cpu","steps":[)" + steps + "]");
  };
  expect_refused(with_steps(step + "5}," + step + "6}"), {"/devices/0/steps/1", "step 0 is of a.gguf at depth 9, too"});
  expect_refused(with_steps(R"({"model":"","depth":9})"), {"/devices/0/steps/0/model", "names no model"});
}

TEST(dispatch_table, refuses_a_mix_of_classes_for_one_weight) {
  const std::vector<std::string> words = {"mixes accuracy classes", "int8_activation", "exact", "x/8", "y/32"};
  expect_refused(one_device(entry("op=matmul | m=1 | dtB=q8_0", "x/8", kInt8) + "," +
                            entry("op=matmul | m=2.. | dtB=q8_0", "y/32")),
                 words);
  expect_refused(
      one_device(entry("op=matmul | m=1 | dtB=q8_0", "x/8", kInt8) + "," + entry("op=matmul | dtB=q8_0", "y/32")),
      words);
  expect_refused(one_device(entry("op=matmul | m=1 | n=896..1000", "x/8", kInt8) + "," +
                            entry("op=matmul | m=2..8 | n=1000..2000", "y/32")),
                 words);
}

TEST(dispatch_table, takes_other_classes_for_other_weights) {
  const std::string table =
      one_device(entry("op=matmul | m=1 | n=151936 | dtB=q8_0", "y/32") + "," +
                 entry("op=matmul | m=2.. | n=151936 | dtB=q8_0", "y/32") + "," +
                 entry("op=matmul | m=1 | dtB=q8_0", "x/8", kInt8) + "," +
                 entry("op=matmul | m=2.. | dtB=q8_0", "x/8", kInt8) + "," + entry("op=matmul | dtB=f16", "y/32"));
  EXPECT_EQ(refusal(table), "was taken");
}

TEST(dispatch_table, refuses_files_that_are_none) {
  const std::string good = one_device(entry("op=matmul", "a/1"));
  EXPECT_EQ(refusal(good), "was taken");
  for (size_t length = 0; length < good.size(); ++length)
    EXPECT_NE(refusal(good.substr(0, length)), "was taken") << length;
  expect_refused(good.substr(0, 60), {"t.json:1: not valid JSON"});
  expect_refused(R"({"schema":2,"devices":[]})", {"/schema", "reads schema 1, not 2"});
  expect_refused(R"({"schema":1,"device":[]})", {"unknown key \"device\"", "devices"});
  expect_refused(one_device(entry("op=matmul", "a/1", R"(,"accuracy":"exactly")")), {"/accuracy", "exactly"});
  expect_refused(one_device(entry("op=matmul", "a/1", R"(,"margin":3)")), {"unknown key \"margin\""});
  expect_refused(one_device(entry("op=matmul", "")), {"/variant"});
  expect_refused(one_device(entry("op=matmul | q=3", "a/1")), {"/bucket", "field q is unknown"});
}

/// Calls `each` with every value of `json`, its place, and how to put another there (nothing: it goes).
using Put = std::function<Json(std::optional<Json>)>;
void for_each_value(const Json& json, const std::string& place, const Put& put,
                    const std::function<void(const std::string&, const Json&, const Put&)>& each) {
  const auto without = [](const Json& all, size_t number, const std::optional<Json>& value) {
    Json other = all.is_object() ? Json::object() : Json::array();
    size_t i = 0;
    const auto take = [&](const std::string* key, const Json& old) {
      const Json* const taken = i++ == number ? (value ? &*value : nullptr) : &old;
      if (taken && key) other[*key] = *taken;
      if (taken && !key) other.push_back(*taken);
    };
    if (all.is_object())
      for (const auto& [key, old] : all.items()) take(&std::as_const(key), old);
    else
      for (const Json& old : all) take(nullptr, old);
    return other;
  };
  each(place, json, put);
  if (!json.is_object() && !json.is_array()) return;
  std::vector<std::string> keys;
  if (json.is_object())
    for (const auto& [key, value] : json.items()) keys.push_back(key);
  for (size_t i = 0; i < json.size(); ++i)
    for_each_value(
        json.is_object() ? json.at(keys[i]) : json.at(i),
        place + "/" + (json.is_object() ? keys[i] : std::to_string(i)),
        [&json, &put, &without, i](std::optional<Json> value) { return put(without(json, i, value)); }, each);
}

/// Nothing: the value is left alone. Else what stands in its place, or nothing.
using Change = std::optional<std::optional<Json>>;
Change put(Json json) { return Change(std::in_place, std::move(json)); }
Change leave_out() { return Change(std::in_place, std::nullopt); }

/// What a change of one value leads to: "" where nothing is wrong with it.
class one_changed_value : public testing::Test {
 protected:
  one_changed_value() {
    for (const char* family : {"a", "b", "c"}) {
      kernels.push_back({});
      kernels.back().family = family, kernels.back().name = "1";
      kernels.back().storage = "tiles", kernels.back().accuracy = Accuracy::int8_activation;
    }
  }
  std::string problem(const Json& table) const {
    std::vector<const Variant*> variants;
    for (const Variant& v : kernels) variants.push_back(&v);
    try {
      const DispatchTable read = parse_table(table.dump(), "t.json");
      check_entries(read, read.device_for(this_cpu()), variants,
                    [](const Variant& v) { return v.family == "a" ? "00ff" : "00fe"; });
    } catch (const Error& e) {
      EXPECT_NE(std::string(e.what()), "");
      EXPECT_EQ(std::string(e.what()).find('\n'), std::string::npos) << e.what();
      return e.what();
    }
    return "";
  }
  /// Every place where the changed table is taken.
  std::set<std::string> taken(const std::function<Change(const Json&)>& change) const {
    std::set<std::string> places;
    for_each_value(
        good, "", [](std::optional<Json> value) { return value.value_or(Json()); },
        [&](const std::string& place, const Json& value, const Put& put) {
          const auto changed = change(value);
          if (changed && problem(put(*changed)).empty()) places.insert(place);
        });
    return places;
  }

  std::vector<Variant> kernels;
  const Json good = Json::parse(
      one_device(entry("op=matmul | m=1 | n=2..9", "a/1",
                       R"(,"storage":"tiles","fallback":["b/1","c/1"],"source":"00ff",)"
                       R"("evidence":{"result":"abc","us":12,"margin_percent":2.5,"ties":["c/1"]})" +
                           kInt8),
                 R"("backend":"cpu","isa":"avx2","properties":{"model":"EPYC","driver":"5"},"method":8,)"
                 R"("steps":[{"model":"a.gguf","depth":9,"floor_ms":1,"predicted_ms":2.5,"achieved_ms":2,"low_ms":1,)"
                 R"("high_ms":3,"default_predicted_ms":3,"default_achieved_ms":3}])"));
};

TEST_F(one_changed_value, left_out_is_missed_where_something_is_judged_by_it) {
  ASSERT_EQ(problem(good), "");
  const std::string step = "/devices/0/steps/0/", entry = "/devices/0/entries/0/";
  // What holds for less than the table said is fewer promises; what a section or a step may leave unsaid is listed.
  const std::set<std::string> may_go{"/made_by",
                                     "/devices/0/isa",
                                     "/devices/0/properties/model",
                                     "/devices/0/properties/driver",
                                     "/devices/0/entries/0",
                                     entry + "fallback",
                                     entry + "fallback/0",
                                     entry + "fallback/1",
                                     entry + "evidence",
                                     entry + "evidence/ties/0",
                                     "/devices/0/steps",
                                     "/devices/0/steps/0",
                                     step + "floor_ms",
                                     step + "predicted_ms",
                                     step + "default_predicted_ms",
                                     step + "default_achieved_ms"};
  EXPECT_EQ(taken([](const Json&) { return leave_out(); }), may_go);
}

TEST_F(one_changed_value, of_another_type_is_refused) {
  for (const char* other :
       {"null", "true", "7", "-7", "0.5", "\"x\"", "\"\"", "[]", "[[]]", "{}", "[null]", R"({"x":1})"}) {
    const Json json = Json::parse(other);
    const auto kind = [](const Json& j) {
      return j.is_null() ? 0 : j.is_boolean() ? 1 : j.is_number() ? 2 : j.is_string() ? 3 : j.is_array() ? 4 : 5;
    };
    EXPECT_EQ(taken([&](const Json& value) { return kind(value) == kind(json) ? Change() : put(json); }),
              std::set<std::string>())
        << other;
  }
}

TEST_F(one_changed_value, listed_twice_is_refused) {
  const auto twice = [](const Json& value) {
    if (!value.is_array() || value.empty()) return Change();
    Json more = value;
    more.push_back(value.at(0));
    return put(more);
  };
  EXPECT_EQ(taken(twice), std::set<std::string>());
}

TEST_F(one_changed_value, below_zero_is_refused) {
  const auto negative = [](const Json& value) {
    if (!value.is_number()) return Change();
    return put(value.is_whole() ? Json(-value.get<int64_t>()) : Json(-value.get<double>()));
  };
  EXPECT_EQ(taken(negative), std::set<std::string>());
}

TEST_F(one_changed_value, empty_or_unknown_is_refused) {
  const auto empty = [](const Json& value) { return value.is_string() ? put(Json("")) : Change(); };
  EXPECT_EQ(taken(empty), std::set<std::string>({"/made_by", "/devices/0/isa"}));
  const auto unknown = [](const Json& value) {
    if (!value.is_object()) return Change();
    Json more = value;
    more["unknown"] = 1;
    return put(more);
  };
  EXPECT_EQ(taken(unknown), std::set<std::string>());
}

TEST_F(one_changed_value, that_is_no_number_is_refused) {
  const std::string text = good.dump();
  for (const char* number : {"12.5e", "NaN", "Infinity", "1e999", "-1e999", "0x10", "+1"})
    for (size_t at = text.find("\"us\":"); at != std::string::npos; at = std::string::npos) {
      std::string changed = text;
      changed.replace(at + 5, changed.find(',', at) - at - 5, number);
      EXPECT_NE(refusal(changed), "was taken") << number;
    }
  Json none = good;
  none["devices"][0]["entries"][0]["evidence"]["us"] = 0;
  expect_refused(none.dump(), {"/evidence/us", "above 0"});
  none = good;
  none["devices"][0]["entries"][0]["evidence"]["ties"][0] = "d/1";
  EXPECT_NE(problem(none).find("its evidence names a tie: there is no variant d/1"), std::string::npos)
      << problem(none);
}

TEST(dispatch_table, of_another_device_is_refused_with_what_it_is_for) {
  const auto why = [](const std::string& head) {
    try {
      parse_table(one_device(entry("op=matmul", "a/1"), head), "t.json").device_for(this_cpu());
    } catch (const Error& e) {
      return std::string(e.what());
    }
    return std::string("was taken");
  };
  EXPECT_EQ(why(R"("backend":"cpu","isa":"avx2")"), "was taken");
  EXPECT_NE(why(R"("backend":"cuda")").find("a table for cuda, not for cpu:0, a test"), std::string::npos);
  EXPECT_NE(why(R"("backend":"cpu","isa":"amx")").find("cpu with amx, not for"), std::string::npos);
  EXPECT_NE(why(R"("backend":"cpu","properties":{"driver":"4"})").find("its driver is \"4\", here it is \"5\""),
            std::string::npos);
  EXPECT_NE(why(R"("backend":"cpu","method":7)").find("by method 7, this is method 8"), std::string::npos);
}

TEST(dispatch_table, of_several_devices_gives_the_closest) {
  const auto device = [](const std::string& head, const std::string& variant) {
    return "{" + head + R"(,"entries":[)" + entry("op=matmul", variant) + "]}";
  };
  const auto chosen = [&](const std::string& more) {
    const DispatchTable table = parse_table(R"({"schema":1,"devices":[)" + device(R"("backend":"cpu")", "any/1") + "," +
                                                device(R"("backend":"cpu","isa":"avx512")", "wide/1") + "," +
                                                device(R"("backend":"cpu","isa":"avx2")", "narrow/1") + more + "]}",
                                            "t.json");
    return table.device_for(this_cpu()).entries[0].variant;
  };
  EXPECT_EQ(chosen(""), "wide/1");
  EXPECT_EQ(chosen("," + device(R"("backend":"cpu","properties":{"model":"EPYC"})", "own/1")), "own/1");
  EXPECT_EQ(chosen("," + device(R"("backend":"cpu","properties":{"model":"Xeon"})", "own/1")), "wide/1");
}

Variant variant(const std::string& family, const std::string& name, Accuracy accuracy = Accuracy::exact) {
  Variant v;
  v.family = family, v.name = name, v.accuracy = accuracy;
  v.supports.op = {"matmul"};
  return v;
}

TEST(dispatch_table, names_what_there_is_where_a_variant_is_unknown) {
  const Variant a = variant("dots", "r2"), b = variant("dots", "r4"), c = variant("tiles", "t8");
  const std::vector<const Variant*> all{&a, &b, &c};
  const auto why = [&](const std::string& text) {
    const DispatchTable table = parse_table(text, "t.json");
    try {
      check_entries(table, table.devices[0], all, [](const Variant&) { return "new"; });
    } catch (const Error& e) {
      return std::string(e.what());
    }
    return std::string("was taken");
  };
  EXPECT_EQ(why(one_device(entry("op=matmul", "dots/r2"))), "was taken");
  EXPECT_NE(why(one_device(entry("op=matmul", "dots/r3"))).find("dots has dots/r2, dots/r4"), std::string::npos);
  EXPECT_NE(why(one_device(entry("op=matmul", "other/x"))).find("families are dots, tiles"), std::string::npos);
  EXPECT_NE(why(one_device(entry("op=matmul", "dots/r2", R"(,"fallback":["gone/x"])"))).find("gone/x"),
            std::string::npos);
  EXPECT_NE(why(one_device(entry("op=rms_norm", "dots/r2"))).find("does not compute rms_norm"), std::string::npos);
  EXPECT_NE(why(one_device(entry("op=matmul", "dots/r2", kInt8))).find("is of class exact, the entry says int8"),
            std::string::npos);
  EXPECT_NE(why(one_device(entry("op=matmul", "dots/r2", R"(,"storage":"tiles")"))).find("the entry says \"tiles\""),
            std::string::npos);
  EXPECT_NE(why(one_device(entry("op=matmul", "dots/r2", R"(,"source":"old")"), kMeasured)).find("another source"),
            std::string::npos);
  EXPECT_EQ(why(one_device(entry("op=matmul", "dots/r2", R"(,"source":"new")"), kMeasured)), "was taken");
}

}  // namespace
}  // namespace assay
