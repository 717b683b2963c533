// Terminal detection, display width and colour.
#include "base/terminal.h"

#include <locale.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include <algorithm>
#include <cstdlib>
#include <cwchar>

#include "base/utf8.h"

namespace assay {
namespace {

constexpr size_t kUsualWidth = 80, kUsualHeight = 40;  // where a terminal does not say
constexpr char kEscape = '\x1b';

std::string_view environment(const char* name) {
  const char* value = std::getenv(name);
  return value ? std::string_view(value) : std::string_view();
}

/// A size that an environment variable asks for; 0 where it names none.
size_t asked_for(const char* name) {
  const long size = std::strtol(std::string(environment(name)).c_str(), nullptr, 10);
  return size > 0 && size < 10000 ? size_t(size) : 0;
}

/// The lesser of what the terminal says and what the environment asks for.
size_t lesser(size_t said, size_t asked, size_t usual) {
  if (said == 0 || asked == 0) return std::max(said, asked) > 0 ? std::max(said, asked) : usual;
  return std::min(said, asked);
}

/// "\xff": readable, and told from every other byte.
std::string escaped_byte(char byte) {
  constexpr char kDigits[] = "0123456789abcdef";
  const auto value = static_cast<unsigned char>(byte);
  return {'\\', 'x', kDigits[value >> 4], kDigits[value & 15]};
}

wchar_t decode_code_point(std::string_view bytes) {
  auto code = wchar_t(static_cast<unsigned char>(bytes[0]));
  if (bytes.size() > 1) code &= wchar_t(0x7f >> bytes.size());
  for (size_t i = 1; i < bytes.size(); ++i) code = wchar_t((code << 6) | (bytes[i] & 0x3f));
  return code;
}

/// Control characters, what turns the order of others about (U+202A to E, U+2066 to 9), further ends of lines.
bool is_obeyed(wchar_t code) {
  return code < ' ' || (code >= 0x7f && code < 0xa0) || (code >= 0x2028 && code <= 0x202e) ||
         (code >= 0x2066 && code <= 0x2069);
}

/// As the C library knows it for UTF-8, whatever the locale of the program; 1 where it does not know.
size_t character_width(wchar_t code) {
  static const locale_t utf8 = newlocale(LC_CTYPE_MASK, "C.UTF-8", nullptr);
  if (code < ' ' || (code >= 0x7f && code < 0xa0)) return 0;
  if (code < 0x7f || !utf8) return 1;
  const locale_t before = uselocale(utf8);
  const int width = wcwidth(code);
  uselocale(before);
  return width < 0 ? 1 : size_t(width);
}

/// What stands at the front of a text and is never parted: an escape sequence, a code point, or a byte that is none.
struct Piece {
  size_t bytes = 1, width = 1;
};

Piece first_piece(std::string_view text) {
  if (text[0] == kEscape && text.size() > 1 && text[1] == '[') {
    size_t end = 2;
    while (end < text.size() && (text[end] < '@' || text[end] > '~')) ++end;
    return {std::min(end + 1, text.size()), 0};
  }
  const size_t bytes = code_point_bytes(text);
  if (bytes == 0) return {1, 1};
  return {bytes, character_width(decode_code_point(text.substr(0, bytes)))};
}

/// The bytes of the longest front of the text that takes at most `width` columns.
size_t front_bytes(std::string_view text, size_t width) {
  size_t at = 0;
  for (size_t taken = 0; at < text.size();) {
    const Piece piece = first_piece(text.substr(at));
    if ((taken += piece.width) > width) break;
    at += piece.bytes;
  }
  return at;
}

}  // namespace

Terminal describe_terminal(std::FILE* stream) {
  Terminal terminal;
  const int descriptor = fileno(stream);
  terminal.interactive = descriptor >= 0 && isatty(descriptor) == 1;
  if (!terminal.interactive) return terminal;
  terminal.live = environment("TERM") != "dumb" && !environment("TERM").empty();
  terminal.colour = terminal.live && environment("NO_COLOR").empty();
  winsize size{};
  if (ioctl(descriptor, TIOCGWINSZ, &size) != 0) size = {};
  terminal.width = lesser(size.ws_col, asked_for("COLUMNS"), kUsualWidth);
  terminal.height = lesser(size.ws_row, asked_for("LINES"), kUsualHeight);
  return terminal;
}

size_t display_width(std::string_view text) {
  size_t width = 0;
  while (!text.empty()) {
    const Piece piece = first_piece(text);
    width += piece.width;
    text.remove_prefix(piece.bytes);
  }
  return width;
}

std::string printable(std::string_view text, bool keeps_tabs) {
  std::string shown;
  for (size_t at = 0; at < text.size();) {
    const std::string_view rest = text.substr(at);
    const size_t length = code_point_bytes(rest);
    at += std::max<size_t>(length, 1);
    if (length == 0)
      shown += escaped_byte(rest[0]);
    else if (rest[0] == '\n' || (keeps_tabs && rest[0] == '\t') ||
             !is_obeyed(decode_code_point(rest.substr(0, length))))
      shown += rest.substr(0, length);
    else if (!rest.starts_with("\r\n"))
      shown += ' ';
  }
  return shown;
}

std::string one_line(std::string_view text) {
  std::string line;
  for (const char c : printable(text)) {
    const bool is_blank = c == ' ' || c == '\n';
    if (!is_blank)
      line += c;
    else if (!line.empty() && line.back() != ' ')
      line += ' ';
  }
  if (!line.empty() && line.back() == ' ') line.pop_back();
  return line;
}

std::string cut_end(std::string_view text, size_t width) {
  if (display_width(text) <= width) return std::string(text);
  if (width <= 2) return std::string(text.substr(0, front_bytes(text, width)));
  return std::string(text.substr(0, front_bytes(text, width - 2))) + "..";
}

std::string cut_middle(std::string_view text, size_t width) {
  const size_t length = display_width(text);
  if (length <= width) return std::string(text);
  if (width < 8) return cut_end(text, width);
  const size_t head = (width - 2) / 3, tail = width - 2 - head;
  std::string_view rest = text;
  for (size_t left = length; left > tail;) {
    const Piece piece = first_piece(rest);
    left -= piece.width;
    rest.remove_prefix(piece.bytes);
  }
  return std::string(text.substr(0, front_bytes(text, head))) + ".." + std::string(rest);
}

std::string wrap(std::string_view text, size_t width, size_t indent) {
  if (width == 0) return std::string(text);
  indent = width > 2 ? std::min(indent, width / 2) : 0;  // a wide character has room
  std::string lines;
  for (size_t room = width; display_width(text) > room; room = width - indent) {
    size_t end = std::max(front_bytes(text, room), first_piece(text).bytes);
    if (const size_t blank = text.substr(0, end + 1).rfind(' ');
        blank != std::string_view::npos && text.find_first_not_of(' ') < blank)
      end = blank;
    lines += std::string(text.substr(0, end)) + "\n" + std::string(indent, ' ');
    text.remove_prefix(std::min(text.find_first_not_of(' ', end), text.size()));
  }
  return lines + std::string(text);
}

std::string wrap_lines(std::string_view text, size_t width, size_t indent) {
  std::string wrapped;
  while (!text.empty()) {
    const size_t end = std::min(text.find('\n'), text.size());
    wrapped += wrap(text.substr(0, end), width, indent) + (end < text.size() ? "\n" : "");
    text.remove_prefix(std::min(end + 1, text.size()));
  }
  return wrapped;
}

std::string paint(std::string_view text, Colour colour, bool allowed) {
  if (!allowed || text.empty()) return std::string(text);
  const char* code = "0";
  switch (colour) {
    case Colour::bold:
      code = "1";
      break;
    case Colour::red:
      code = "31";
      break;
    case Colour::green:
      code = "32";
      break;
    case Colour::yellow:
      code = "33";
      break;
    case Colour::dim:
      code = "2";
      break;
  }
  return std::string("\x1b[") + code + "m" + std::string(text) + "\x1b[0m";
}

}  // namespace assay
