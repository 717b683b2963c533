// What a file is that a page shall show, told by its content.
#include "cli/page_input.h"

#include <unistd.h>

#include "base/error.h"
#include "base/file.h"

namespace assay {
namespace {

constexpr size_t kHead = 64 * 1024;

std::string head_of(const std::string& file) {
  const int descriptor = open_input(file, "name a store, a trace, a table or a report");
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
  if (first == std::string::npos || head[first] != '{') return true;  // gz, zst, or what its reader shall name
  const std::string line = head.substr(first, head.find('\n', first) - first);
  const Json json = Json::parse(line, nullptr, false);
  return json.is_object() && !json.contains("schema");
}

}  // namespace

PageInput page_input(const std::string& file) {
  PageInput input;
  input.file = file;
  if (file == "-") return input;  // standard input is read once: as a trace
  const std::string head = head_of(file);
  if (head.starts_with("SQLite format 3")) {
    input.kind = PageInput::Kind::store;
    return input;
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
    input.kind = PageInput::Kind::table;
  else if (schema.is_string() && schema.get<std::string>().find("opbench") != std::string::npos)
    input.kind = PageInput::Kind::opbench;
  else
    fail(
        "{}: JSON, but no report of assay probe, no dispatch table, no result of opbench and no trace (its \"schema\" "
        "is "
        "{})",
        file, schema.dump());
  input.text.clear();
  input.json = std::move(json);
  return input;
}

}  // namespace assay
