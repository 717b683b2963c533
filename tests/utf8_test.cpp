// Laws of UTF-8: exactly the characters of Unicode are whole, and what lacks bytes is told from what is wrong.
#include "base/utf8.h"

#include <gtest/gtest.h>

#include <string>

namespace assay {
namespace {

std::string encoded(uint32_t code) {
  if (code < 0x80) return {char(code)};
  std::string text;
  const int tails = code < 0x800 ? 1 : code < 0x10000 ? 2 : 3;
  const int marks[] = {0, 0xc0, 0xe0, 0xf0};
  text += char(marks[tails] | int(code >> (6 * tails)));
  for (int i = tails - 1; i >= 0; --i) text += char(0x80 | ((code >> (6 * i)) & 0x3f));
  return text;
}

TEST(utf8, every_code_point_but_surrogates_is_whole_and_its_beginnings_are_unfinished) {
  for (uint32_t code = 0; code < 0x120000; code = code < 0x3000 ? code + 1 : code + 17) {
    const std::string text = encoded(code);
    const bool good = code < 0x110000 && (code < 0xd800 || code > 0xdfff);
    ASSERT_EQ(code_point_bytes(text), good ? text.size() : 0) << code;
    ASSERT_EQ(utf8_front("ab" + text + "c"), good ? text.size() + 3 : 2) << code;
    ASSERT_EQ(unfinished_code_point("a" + text), 0u) << code;
    if (!good) continue;
    for (size_t bytes = 1; bytes < text.size(); ++bytes) {
      ASSERT_EQ(code_point_bytes(text.substr(0, bytes)), 0u) << code;
      ASSERT_EQ(unfinished_code_point("a" + text.substr(0, bytes)), bytes) << code;
    }
  }
}

TEST(utf8, overlong_forms_lone_continuations_and_impossible_bytes_are_neither_whole_nor_unfinished) {
  for (const std::string text : {"\xc0\x80", "\xc1\xbf", "\xe0\x9f\xbf", "\xf0\x8f\xbf\xbf", "\x80", "\xbf\xbf", "\xf5",
                                 "\xff", "\xe0\x80", "\xed\xa0", "\xf4\x90", "\xc3(", "\xe2\x82("}) {
    EXPECT_EQ(code_point_bytes(text), 0u);
    EXPECT_EQ(unfinished_code_point(text), 0u) << testing::PrintToString(text);
  }
  EXPECT_EQ(unfinished_code_point(""), 0u);
  EXPECT_EQ(utf8_front(""), 0u);
}

TEST(utf8, long_texts_are_good_up_to_the_first_bad_byte_wherever_it_lies) {
  for (size_t at = 0; at < 40; ++at) {
    std::string text(40, 'x');
    text[at] = char(0xff);
    EXPECT_EQ(utf8_front(text), at);
  }
}

}  // namespace
}  // namespace assay
