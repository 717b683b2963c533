// What a file is that a page shall show, told by its content.
#include "cli/page_input.h"

#include <unistd.h>

#include "base/error.h"
#include "base/file.h"
#include "base/terminal.h"
#include "trace/file_kind.h"

namespace assay {
namespace {

constexpr size_t kHead = 64 * 1024;

std::string head_of(const std::string& file) {
  const int descriptor = open_input(file, "; name a store, a trace, a table, a report or results of opbench");
  std::string head(kHead, '\0');
  size_t size = 0;
  for (ssize_t n = 1; n > 0 && size < kHead;) {
    n = pread(descriptor, head.data() + size, kHead - size, static_cast<off_t>(size));
    if (n > 0) size += static_cast<size_t>(n);
  }
  close(descriptor);
  head.resize(size);
  return head;
}

/// A trace's line is an object of its own; other JSON goes on over lines, or says its schema.
bool looks_like_trace(const std::string& head) {
  const size_t first = head.find_first_not_of(" \t\r\n");
  if (first == std::string::npos || head[first] != '{') return true;
  const std::string line = head.substr(first, head.find('\n', first) - first);
  const Json json = Json::parse_or_null(line);
  return json.is_object() && !json.contains("schema");
}

/// Lines of text may stand before a trace's first event. A model or a program has lines with a brace first, too.
bool has_event_line(const std::string& head) {
  for (size_t at = head.find("\n{"); at != std::string::npos; at = head.find("\n{", at + 1)) {
    const size_t end = head.find('\n', at + 1);
    if (end == std::string::npos) return head.size() == kHead;
    if (Json::parse_or_null(head.substr(at + 1, end - at - 1)).is_object()) return true;
  }
  return false;
}

/// What is packed its reader unpacks, or names.
bool may_be_json_or_packed(const std::string& head, const std::string& file) {
  return !compressed_with(head).empty() || !packed_kind(head, file).what.empty() || head.starts_with('{') ||
         head.starts_with('[') || has_event_line(head);
}

/// What the page shows of a table: `assay table check` says more.
void check_table(const Json& table, const std::string& file) {
  for (size_t i = 0; i < table["devices"].size(); ++i) {
    const Json& device = table["devices"][i];
    const bool is_section = device.is_object() && device.contains("backend") && device["backend"].is_string() &&
                            device.contains("entries") && device["entries"].is_array();
    if (!is_section) fail("{}: /devices/{} is no section of a dispatch table (docs/dispatch-table.md)", file, i);
  }
}

/// Whatever it calls its rows.
void check_has_rows(const Json& opbench, const std::string& file) {
  for (const auto& [key, value] : opbench.items())
    if (value.is_array() && !value.empty() && value[0].is_object() && value[0].contains("framework")) return;
  fail("{}: holds no result of opbench, so there is nothing to show; measure first: assay opbench --json {}", file,
       file);
}

}  // namespace

PageInput page_input(const std::string& file) {
  PageInput input;
  input.file = file;
  if (file == "-") return input;  // standard input is read once: as a trace
  const std::string head = head_of(file);
  input.packed_with = compressed_with(head);
  if (head.starts_with("SQLite format 3")) {
    input.kind = PageInput::Kind::store;
    return input;
  }
  if (!may_be_json_or_packed(head, file)) {
    ReadTotals totals;
    totals.bytes = head.size();
    fail("{}: no store, trace, table, report or result of opbench; it looks like {}", file,
         other_kind(head, totals, file).what);
  }
  if (looks_like_trace(head)) return input;
  input.text = read_file(file);
  Json json = parse_json(input.text, file);
  const Json schema = json.is_object() && json.contains("schema") ? json["schema"] : Json();
  if (schema == "assay-report") {
    input.kind = PageInput::Kind::report;
    return input;
  }
  if (json.is_object() && json.contains("devices") && json["devices"].is_array())
    check_table(json, file), input.kind = PageInput::Kind::table;
  else if (schema.is_string() && schema.get<std::string>().find("opbench") != std::string::npos)
    check_has_rows(json, file), input.kind = PageInput::Kind::opbench;
  else
    fail(
        "{}: JSON, but no report of assay probe, no dispatch table, no result of opbench and no trace (its \"schema\" "
        "is "
        "{})",
        file, cut_end(schema.dump(), 40));
  input.text.clear();
  input.json = std::move(json);
  return input;
}

}  // namespace assay
