// Recognised by first bytes, else by what the first lines are made of.
#include "trace/file_kind.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>

namespace assay {
namespace {

using namespace std::string_view_literals;

constexpr const char* kFormat = "analyze reads one JSON event a line (docs/trace-format.md)";

struct Magic {
  std::string_view bytes;
  const char *what, *command;  // command: what unpacks it to standard output; nullptr: nothing does
  size_t at = 0;
};
constexpr std::array kPacked = {
    Magic{"\xfd\x37zXZ\0"sv, "xz-compressed data", "xz -dc"},
    Magic{"PK\x03\x04"sv, "a zip archive", "unzip -p"},
    Magic{"PK\x05\x06"sv, "an empty zip archive", "unzip -p"},
    Magic{"BZh"sv, "bzip2-compressed data", "bzip2 -dc"},
    Magic{"7z\xbc\xaf\x27\x1c"sv, "a 7z archive", "7z x -so"},
    Magic{"\x04\x22\x4d\x18"sv, "lz4-compressed data", "lz4 -dc"},
    Magic{"\x5d\0\0"sv, "lzma-compressed data", "xz -dc --format=lzma"},
    Magic{"LZIP"sv, "lzip-compressed data", "lzip -dc"},
    Magic{"\x89LZO\0"sv, "lzop-compressed data", "lzop -dc"},
    Magic{"\x1f\x9d"sv, "data of compress (.Z)", "gzip -dc"},
    Magic{"Rar!\x1a\x07"sv, "a rar archive", "unrar p -inul"},
    Magic{"\xff\x06\0\0sNaPpY"sv, "snappy-compressed data", "snzip -dc"},
    Magic{"ustar"sv, "a tar archive", "tar -xOf", 257},
};
constexpr std::array kBinary = {
    Magic{"\x7f"
          "ELF"sv,
          "a program or library (ELF)", nullptr},
    Magic{"GGUF"sv, "a model (GGUF)", nullptr},
    Magic{"SQLite format 3\0"sv, "an SQLite database", nullptr},
    Magic{"\x89PNG"sv, "a picture (PNG)", nullptr},
    Magic{"\xff\xd8\xff"sv, "a picture (JPEG)", nullptr},
    Magic{"%PDF"sv, "a PDF", nullptr},
    Magic{"PAR1"sv, "Parquet data", nullptr},
};

template <size_t N>
const Magic* find_magic(const std::array<Magic, N>& list, std::string_view head) {
  const auto found = std::find_if(list.begin(), list.end(), [&](const Magic& magic) {
    return head.size() > magic.at && head.substr(magic.at).starts_with(magic.bytes);
  });
  return found == list.end() ? nullptr : &*found;
}

/// bzip2's three letters begin texts, too: a digit and the mark of a block or of the end follow.
bool is_really(const Magic& magic, std::string_view head) {
  if (magic.bytes == "BZh"sv)
    return head.size() >= 10 && head[3] >= '1' && head[3] <= '9' &&
           (head.substr(4, 6) == "1AY&SY"sv || head.substr(4, 6) == "\x17rE8P\x90"sv);
  if (magic.bytes == "\x5d\0\0"sv) return head.size() >= 13 && head[3] < '\x11';
  return true;
}

std::string piped(const std::string& command, const std::string& path) {
  return fmt::format("unpack it first, or pipe it in: {}{} | assay analyze -", command, path == "-" ? "" : " " + path);
}

bool is_blank(char c) { return c == ' ' || (c >= '\t' && c <= '\r'); }

bool is_utf16(std::string_view head) {
  if (head.starts_with("\xff\xfe"sv) || head.starts_with("\xfe\xff"sv)) return true;
  size_t nuls[2] = {};
  for (size_t i = 0; i < head.size(); ++i) nuls[i % 2] += head[i] == '\0';
  const size_t half = head.size() / 2;
  return half > 8 && std::max(nuls[0], nuls[1]) * 10 > half * 9 && std::min(nuls[0], nuls[1]) * 10 < half;
}

bool is_binary(std::string_view head) {
  const auto odd = std::count_if(head.begin(), head.end(), [](char c) {
    return (c >= 0 && c < ' ' && !is_blank(c) && c != '\x1b') || c == '\x7f';
  });
  return head.find('\0') != std::string_view::npos || size_t(odd) * 20 > head.size();
}

bool has(std::string_view text, std::string_view part) { return text.find(part) != std::string_view::npos; }

/// Of text that begins with a bracket.
FileKind json_kind(std::string_view text, const ReadTotals& totals, const std::string& path) {
  const std::string file = path == "-" ? "" : " " + path;
  if (has(text, "\"traceEvents\"") || (has(text, "\"ph\"") && has(text, "\"ts\"")))
    return {"a Chrome trace", std::string("its events are of another kind: ") + kFormat};
  if (has(text, "\"schema\":\"assay-") || has(text, "\"schema\": \"assay-"))
    return {"a report of assay itself", "give the trace that it was made from"};
  const char* filter = text.front() == '[' ? "'.[]'" : ".";
  if (totals.not_json > 0 && has(text, "\n"))
    return {"JSON that is written over several lines",
            fmt::format("write a value a line: jq -c {}{} | assay analyze -", filter, file)};
  if (text.front() == '[' && totals.lines - totals.blank == 1)
    return {"one JSON list", fmt::format("write a value a line: jq -c '.[]'{} | assay analyze -", file)};
  if (totals.not_json == 0)
    return {"JSON lines without an event's type", std::string(kFormat) + ": {\"event\":{\"type\":\"…\",\"data\":{…}}}"};
  return {"damaged JSON", kFormat};
}

size_t commas(std::string_view line) { return size_t(std::count(line.begin(), line.end(), ',')); }

FileKind text_kind(std::string_view text, const std::string& path) {
  if (text.front() == '<') return {"HTML or XML", kFormat};
  if (has(text, "Matmul benchmark summary") || has(text, "avg_gpu=") || has(text, "avg_cpu="))
    return {"a probe's log", "assay audit judges those: assay audit " + path};
  const std::string_view first = text.substr(0, text.find('\n')),
                         rest = text.substr(std::min(first.size() + 1, text.size()));
  if (commas(first) >= 2 && commas(first) == commas(rest.substr(0, rest.find('\n')))) return {"a table (CSV)", kFormat};
  return {"plain text", kFormat};
}

}  // namespace

FileKind packed_kind(std::string_view head, const std::string& path) {
  const Magic* magic = find_magic(kPacked, head);
  if (!magic || !is_really(*magic, head)) return {};
  return {magic->what, piped(magic->command, path)};
}

FileKind other_kind(std::string_view head, const ReadTotals& totals, const std::string& path) {
  if (totals.bytes == 0) return {"an empty file", "was the engine's tracing on when it ran?"};
  if (FileKind packed = packed_kind(head, path); !packed.what.empty()) return packed;
  if (const Magic* magic = find_magic(kBinary, head)) return {magic->what, kFormat};
  if (is_utf16(head))
    return {"UTF-16 text",
            fmt::format("pipe it in: iconv -f UTF-16 -t UTF-8{} | assay analyze -", path == "-" ? "" : " " + path)};
  if (is_binary(head)) return {"binary data", kFormat};
  std::string_view text = head.starts_with("\xef\xbb\xbf"sv) ? head.substr(3) : head;
  while (!text.empty() && is_blank(text.front())) text.remove_prefix(1);
  if (text.empty()) return {"blanks alone", kFormat};
  return text.front() == '{' || text.front() == '[' ? json_kind(text, totals, path) : text_kind(text, path);
}

}  // namespace assay
