// Terminal detection, display width and colour.
#include "base/terminal.h"

#include <sys/ioctl.h>
#include <unistd.h>

#include <algorithm>
#include <cstdlib>
#include <vector>

namespace assay {
namespace {

constexpr size_t kUsualWidth = 80;  // where a terminal does not say
constexpr char kEscape = '\x1b';

std::string_view environment(const char* name) {
  const char* value = std::getenv(name);
  return value ? std::string_view(value) : std::string_view();
}

size_t terminal_width(int descriptor) {
  winsize size{};
  if (ioctl(descriptor, TIOCGWINSZ, &size) == 0 && size.ws_col > 0) return size.ws_col;
  const long columns = std::strtol(std::string(environment("COLUMNS")).c_str(), nullptr, 10);
  return columns > 0 && columns < 10000 ? size_t(columns) : kUsualWidth;
}

bool continues_code_point(char c) { return (static_cast<unsigned char>(c) & 0xc0) == 0x80; }

/// Bytes of the UTF-8 code point at the front of the text; 0 where none is: also of overlong forms and surrogates.
size_t code_point_bytes(std::string_view text) {
  const auto byte = [&](size_t i) { return i < text.size() ? static_cast<unsigned char>(text[i]) : 0; };
  const int first = byte(0);
  if (first < 0x80) return 1;
  const size_t length = first >= 0xf0 ? 4 : first >= 0xe0 ? 3 : 2;
  if (first < 0xc2 || first > 0xf4) return 0;
  const int least = first == 0xe0 ? 0xa0 : first == 0xf0 ? 0x90 : 0x80;
  const int most = first == 0xed ? 0x9f : first == 0xf4 ? 0x8f : 0xbf;
  if (byte(1) < least || byte(1) > most) return 0;
  for (size_t i = 2; i < length; ++i)
    if (i >= text.size() || !continues_code_point(text[i])) return 0;
  return length;
}

/// "\xff": readable, and told from every other byte.
std::string escaped_byte(char byte) {
  constexpr char kDigits[] = "0123456789abcdef";
  const auto value = static_cast<unsigned char>(byte);
  return {'\\', 'x', kDigits[value >> 4], kDigits[value & 15]};
}

/// Where each code point begins, and the end.
std::vector<size_t> code_points(std::string_view text) {
  std::vector<size_t> starts;
  for (size_t i = 0; i < text.size(); ++i)
    if (!continues_code_point(text[i])) starts.push_back(i);
  starts.push_back(text.size());
  return starts;
}

}  // namespace

Terminal describe_terminal(std::FILE* stream) {
  Terminal terminal;
  const int descriptor = fileno(stream);
  terminal.interactive = descriptor >= 0 && isatty(descriptor) == 1;
  if (!terminal.interactive) return terminal;
  terminal.live = environment("TERM") != "dumb" && !environment("TERM").empty();
  terminal.colour = terminal.live && environment("NO_COLOR").empty();
  terminal.width = terminal_width(descriptor);
  return terminal;
}

size_t display_width(std::string_view text) {
  size_t width = 0;
  for (size_t i = 0; i < text.size(); ++i) {
    if (text[i] == kEscape && i + 1 < text.size() && text[i + 1] == '[') {
      for (i += 2; i < text.size() && (text[i] < '@' || text[i] > '~');) ++i;
    } else if (!continues_code_point(text[i]) && static_cast<unsigned char>(text[i]) >= ' ') {
      ++width;
    }
  }
  return width;
}

std::string one_line(std::string_view text) {
  std::string line;
  for (size_t at = 0; at < text.size();) {
    const std::string_view rest = text.substr(at);
    const size_t length = code_point_bytes(rest);
    const bool is_c1_control = length == 2 && rest[0] == '\xc2' && rest[1] < '\xa0';
    at += std::max<size_t>(length, 1);
    if (length == 0)
      line += escaped_byte(rest[0]);
    else if (length > 1 ? !is_c1_control : rest[0] > ' ' && rest[0] != '\x7f')
      line += rest.substr(0, length);
    else if (!line.empty() && line.back() != ' ')
      line += ' ';
  }
  if (!line.empty() && line.back() == ' ') line.pop_back();
  return line;
}

std::string cut_end(std::string_view text, size_t width) {
  const std::vector<size_t> starts = code_points(text);
  if (starts.size() - 1 <= width) return std::string(text);
  if (width <= 2) return std::string(text.substr(0, starts[width]));
  return std::string(text.substr(0, starts[width - 2])) + "..";
}

std::string cut_middle(std::string_view text, size_t width) {
  const std::vector<size_t> starts = code_points(text);
  const size_t length = starts.size() - 1;
  if (length <= width) return std::string(text);
  if (width < 8) return cut_end(text, width);
  const size_t head = (width - 2) / 3, tail = width - 2 - head;
  return std::string(text.substr(0, starts[head])) + ".." + std::string(text.substr(starts[length - tail]));
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
