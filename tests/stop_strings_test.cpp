// Stop strings: found whatever pieces the answer comes in, and nothing of them shown.
#include "engine/stop_strings.h"

#include <gtest/gtest.h>

#include "base/error.h"

namespace assay {
namespace {

struct Shown {
  std::string text, found;
};

/// The text in pieces of so many bytes.
Shown stream(const std::vector<std::string>& stops, const std::string& text, size_t piece) {
  StopStrings stop(stops);
  Shown shown;
  for (size_t at = 0; at < text.size() && stop.found().empty(); at += piece)
    shown.text += stop.add(std::string_view(text).substr(at, piece));
  if (stop.found().empty()) shown.text += stop.finish();
  shown.found = stop.found();
  return shown;
}

TEST(stop_strings, end_the_answer_wherever_its_pieces_are_cut) {
  for (size_t piece = 1; piece < 30; ++piece) {
    SCOPED_TRACE(piece);
    Shown s = stream({"\nUser:", "END"}, "An answer.\nUser: next", piece);
    EXPECT_EQ(s.text, "An answer.");
    EXPECT_EQ(s.found, "\nUser:");
    s = stream({"aab"}, "xaaaab y", piece);
    EXPECT_EQ(s.text, "xaa");
    EXPECT_EQ(s.found, "aab");
    s = stream({"stop!"}, "a text that ends in stop", piece);
    EXPECT_EQ(s.text, "a text that ends in stop");
    EXPECT_EQ(s.found, "");
  }
}

TEST(stop_strings, show_at_once_what_cannot_become_one) {
  StopStrings stop({"abc"});
  EXPECT_EQ(stop.add("hello a"), "hello ");
  EXPECT_EQ(stop.add("b"), "");
  EXPECT_EQ(stop.add("d"), "abd");
}

TEST(stop_strings, that_begin_first_win) {
  const Shown s = stream({"later", "first"}, "x first later", 100);
  EXPECT_EQ(s.text, "x ");
  EXPECT_EQ(s.found, "first");
}

TEST(stop_strings, must_not_be_empty) { EXPECT_THROW(StopStrings({""}), Error); }

}  // namespace
}  // namespace assay
