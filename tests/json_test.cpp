// JSON values: what is read is written again, lists in braces mean what they look like, and a wrong question is an
// Error.
#include "base/json.h"

#include <gtest/gtest.h>

#include <limits>
#include <map>

#include "base/error.h"
#include "base/file.h"

namespace assay {
namespace {

std::string error_of(const std::string& text) {
  try {
    parse_json(text, "f.json");
    return "";
  } catch (const Error& e) {
    return e.what();
  }
}

TEST(JsonValue, WhatIsReadIsWrittenAgain) {
  for (const std::string text :
       {R"({"b":1,"a":[true,false,null,"x\"\n",-1,1.5,0.1,1e+300,18446744073709551615,-9223372036854775808],"c":{}})",
        "[]", "{}", "\"\"", "0", "-0.0", R"(["ä€𝄞"])"})
    EXPECT_EQ(Json::parse(text).dump(), text);
}

TEST(JsonValue, TheShippedFilesComeBackAsTheyAre) {
  for (const char* name : {"kernels/cpu/matmul.json", "tables/cpu.json"}) {
    const std::string text = read_file(std::string(ASSAY_SOURCE_DIR) + "/" + name);
    const Json json = Json::parse(text);
    EXPECT_GT(json.size(), 0u) << name;
    EXPECT_EQ(Json::parse(json.dump(2)), json) << name;
  }
}

TEST(JsonValue, AListOfPairsThatBeginWithATextIsAnObjectAndAnyOtherAnArray) {
  const Json object = {{"a", 1}, {"b", {{"c", nullptr}}}};
  EXPECT_EQ(object.dump(), R"({"a":1,"b":{"c":null}})");
  EXPECT_EQ(Json({"a", 1}).dump(), R"(["a",1])");
  EXPECT_EQ(Json({{1, 2}, {3, 4}}).dump(), "[[1,2],[3,4]]");
  EXPECT_EQ(Json::array({object}).dump(), "[" + object.dump() + "]");
  EXPECT_EQ(Json(std::vector<int64_t>{1, 2}).dump(), "[1,2]");
  EXPECT_EQ(Json(std::map<std::string, double>{{"y", 0.5}, {"x", 2}}).dump(), R"({"x":2.0,"y":0.5})");
}

TEST(JsonValue, CopiesAreApartAndMovesLeaveNull) {
  Json a = {{"list", {1, 2}}};
  Json b = a;
  b["list"].push_back(3);
  EXPECT_EQ(a["list"].size(), 2u);
  EXPECT_EQ(b["list"].back(), 3);
  Json c = std::move(b);
  EXPECT_EQ(c["list"].size(), 3u);
  c = c["list"];  // of itself
  EXPECT_EQ(c.dump(), "[1,2,3]");
}

TEST(JsonValue, NumbersAreEqualByValue) {
  EXPECT_EQ(Json(1), 1u);
  EXPECT_EQ(Json(1), 1.0);
  EXPECT_NE(Json(-1), std::numeric_limits<uint64_t>::max());
  EXPECT_NE(Json(1), true);
  EXPECT_NE(Json("1"), 1);
  EXPECT_EQ(Json(std::numeric_limits<uint64_t>::max()).get<uint64_t>(), std::numeric_limits<uint64_t>::max());
}

TEST(JsonValue, KeysAreSetKeptInOrderAndErased) {
  Json json;
  json["b"] = 1;
  json["a"] = 2;
  json.update({{"b", 3}, {"c", 4}});
  EXPECT_EQ(json.dump(), R"({"b":3,"a":2,"c":4})");
  json.erase("a");
  json.erase("never");
  std::string keys;
  for (const auto& [key, value] : json.items()) keys += key;
  EXPECT_EQ(keys, "bc");
}

TEST(JsonValue, AskedForWhatItIsNotItThrows) {
  const Json json = {{"n", 1}};
  EXPECT_THROW(json["m"], Error);
  EXPECT_THROW(json[0], Error);
  EXPECT_THROW(json["n"].get<std::string>(), Error);
  EXPECT_THROW(json["n"].get<bool>(), Error);
  EXPECT_THROW(Json("x").get<double>(), Error);
  EXPECT_THROW(Json("x").items(), Error);
  EXPECT_EQ(Json().size(), 0u);
  for (const Json& each : Json("x")) ADD_FAILURE() << each;
}

TEST(JsonValue, WhatIsNoJsonIsToldWithItsLine) {
  EXPECT_NE(error_of("{\n\"a\": }").find("f.json:2: not valid JSON: parse error"), std::string::npos)
      << error_of("{\n\"a\": }");
  EXPECT_NE(error_of("[1e999]").find("f.json: not usable JSON"), std::string::npos) << error_of("[1e999]");
  EXPECT_NE(error_of(R"({"a":{"k":1,"k":2}})").find("the key \"k\" stands twice"), std::string::npos);
  EXPECT_EQ(error_of(R"([{"k":1},{"k":2}])"), "");
  EXPECT_NE(error_of(""), "");
  EXPECT_TRUE(Json::parse_or_null("{").is_null());
  EXPECT_EQ(Json::parse_or_null(R"({"k":1,"k":2})").dump(), R"({"k":2})");
}

TEST(JsonValue, NestingHasALimit) {
  EXPECT_EQ(error_of(std::string(1000, '[') + std::string(1000, ']')), "");
  EXPECT_NE(error_of(std::string(100000, '[')).find("nested deeper than"), std::string::npos);
}

TEST(JsonValue, WhatIsNoUtf8IsReplaced) { EXPECT_EQ(Json("a\xff").dump(), "\"a\xef\xbf\xbd\""); }

}  // namespace
}  // namespace assay
