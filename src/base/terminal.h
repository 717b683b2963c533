// What stands behind an output stream (terminal, width, colour), and text cut to the columns it takes there.
#pragma once
#include <cstdio>
#include <string>
#include <string_view>

namespace assay {

struct Terminal {
  bool interactive = false;  // a person reads along
  bool live = false;         // lines may be redrawn: interactive, and TERM is not dumb
  bool colour = false;       // live, and NO_COLOR is unset or empty
  size_t width = 0;          // columns; 0: not a terminal, so as wide as the text is
  size_t height = 0;         // lines; 0: not a terminal
};

Terminal describe_terminal(std::FILE* stream);

/// The columns that UTF-8 text takes: two for a wide character, none for control characters and escape sequences.
size_t display_width(std::string_view text);

/// The lines of a text as a terminal may show them, whoever wrote the names in it: what a terminal would obey (control
/// characters) or what turns other characters about becomes a blank; a byte that is no UTF-8 becomes "\\xff".
/// keeps_tabs: of text that is no table.
std::string printable(std::string_view text, bool keeps_tabs = false);

/// The same on one line, without doubled blanks.
std::string one_line(std::string_view text);

/// At most `width` columns: cut at the end, or in the middle (both ends of a name tell names apart), with ".." for what
/// is gone.
std::string cut_end(std::string_view text, size_t width);
std::string cut_middle(std::string_view text, size_t width);

/// The text in lines of at most `width` columns (0: as it is), broken at blanks where there are any; later lines begin
/// with `indent` blanks.
std::string wrap(std::string_view text, size_t width, size_t indent);
/// Each of a text's lines likewise.
std::string wrap_lines(std::string_view text, size_t width, size_t indent);

enum class Colour { bold, red, green, yellow, dim };

/// The text in that colour, or as it is where colour is not allowed.
std::string paint(std::string_view text, Colour colour, bool allowed);

}  // namespace assay
