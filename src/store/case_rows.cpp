// CaseRecord to a row of the cases table and back.
#include "store/case_rows.h"

#include <algorithm>
#include <bit>
#include <cmath>
#include <deque>
#include <limits>

#include "base/json.h"
#include "stats/summary.h"

namespace assay {
namespace {

// Every field once, in the order of the table: SQL, binding and reading all come from here. What people query comes
// first, the samples last: a row of some kilobytes then gives its short fields from its first page.
template <typename Record, typename Column>
void for_each_column(Record& record, Column&& column) {
  column("key", record.key);
  column("variant", record.variant);
  column("accuracy", record.accuracy);
  column("device", record.device);
  column("mode", record.mode);
  column("outcome", record.outcome);
  column("detail", record.detail);
  column("tags", record.tags);
  column("spec_line", record.spec_line);
  column("math_line", record.math_line);
  column("completion", record.completion);
  column("measured_at", record.measured_at);
  column("environment", record.environment);
  column("encode_us", record.encode_us);
  column("submit_us", record.submit_us);
  column("wait_us", record.wait_us);
  column("prepare_us", record.prepare_us);
  column("prepared_bytes", record.prepared_bytes);
  column("workspace_bytes", record.workspace_bytes);
  column("registers", record.registers);
  column("shared_bytes", record.shared_bytes);
  column("local_bytes", record.local_bytes);
  column("bytes", record.bytes);
  column("flops", record.flops);
  column("floor_us", record.floor_us);
  column("reachable_us", record.reachable_us);
  column("ceiling_gbps", record.ceiling_gbps);
  column("dram_bytes", record.dram_bytes);
  column("instructions", record.instructions);
  column("cycles", record.cycles);
  column("case_us", record.case_us);
  column("check_us", record.check_us);
  auto& errors = record.errors;
  column("elements_checked", errors.elements_checked);
  column("launches_checked", errors.launches_checked);
  column("launches_scanned", errors.launches_scanned);
  column("max_abs", errors.max_abs);
  column("max_rel", errors.max_rel);
  column("nmse", errors.nmse);
  column("worst_ratio", errors.worst_ratio);
  column("bound_c", errors.bound_c);
  column("bound_used", errors.bound_used);
  column("worst_index", errors.worst_index);
  column("worst_value", errors.worst_value);
  column("worst_reference", errors.worst_reference);
  column("nan_count", errors.nan_count);
  column("key_text", record.key_text);
  column("device_us", record.device_us);
  column("host_us", record.host_us);
  column("head_to_head_us", record.head_to_head_us);
  column("disturbed", record.disturbed);
}

// A column that an upgrade adds to older rows gets the default.
const char* sql_type(const std::string&) { return "TEXT NOT NULL DEFAULT ''"; }
const char* sql_type(const Outcome&) { return "TEXT NOT NULL"; }
const char* sql_type(const Accuracy&) { return "TEXT NOT NULL DEFAULT ''"; }
const char* sql_type(const std::vector<std::string>&) { return "TEXT NOT NULL DEFAULT '[]'"; }  // JSON
const char* sql_type(const int64_t&) { return "INTEGER NOT NULL DEFAULT 0"; }
const char* sql_type(const double&) { return "REAL"; }                                    // NULL: NaN
const char* sql_type(const std::vector<double>&) { return "BLOB NOT NULL DEFAULT x''"; }  // float64, little-endian
const char* sql_type(const std::vector<uint8_t>&) { return "BLOB NOT NULL DEFAULT x''"; }

std::string encode_doubles(const std::vector<double>& values) {
  std::string bytes(values.size() * 8, '\0');
  for (size_t i = 0; i < values.size(); ++i) {
    const uint64_t bits = std::bit_cast<uint64_t>(values[i]);
    for (size_t b = 0; b < 8; ++b) bytes[8 * i + b] = char(uint8_t(bits >> (8 * b)));
  }
  return bytes;
}

std::vector<double> decode_doubles(std::string_view bytes) {
  std::vector<double> values(bytes.size() / 8);
  for (size_t i = 0; i < values.size(); ++i) {
    uint64_t bits = 0;
    for (size_t b = 0; b < 8; ++b) bits |= uint64_t(uint8_t(bytes[8 * i + b])) << (8 * b);
    values[i] = std::bit_cast<double>(bits);
  }
  return values;
}

// Binds a record's fields one after the other; keeps what it had to encode until the statement has run.
struct Binder {
  Statement& statement;
  int next;
  std::deque<std::string> encoded = {};

  void operator()(const char*, const std::string& text) { statement.bind(next++, std::string_view(text)); }
  void operator()(const char*, Outcome outcome) { statement.bind(next++, outcome_name(outcome)); }
  void operator()(const char*, Accuracy accuracy) { statement.bind(next++, accuracy_name(accuracy)); }
  void operator()(const char*, int64_t value) { statement.bind(next++, value); }
  void operator()(const char*, double value) { statement.bind(next++, value); }
  void operator()(const char*, const std::vector<std::string>& tags) {
    encoded.push_back(Json(tags).dump());
    statement.bind(next++, std::string_view(encoded.back()));
  }
  void operator()(const char*, const std::vector<double>& samples) {
    encoded.push_back(encode_doubles(samples));
    statement.bind_blob(next++, encoded.back());
  }
  void operator()(const char*, const std::vector<uint8_t>& marks) {
    statement.bind_blob(next++, {reinterpret_cast<const char*>(marks.data()), marks.size()});
  }
};

// Reads a row's columns into a record's fields, one after the other.
struct Reader {
  const Statement& statement;
  const std::string& file;
  int next = 0;

  /// `take` is handed the next column's text; what it cannot read is the file's fault.
  template <typename Take>
  void undamaged(const char* column, const Take& take) {
    try {
      take(statement.text(next++));
    } catch (const Error& e) {
      throw DamagedFile(file, fmt::format("a row's {}: {}", column, e.what()));
    }
  }

  void operator()(const char*, std::string& text) { text = statement.text(next++); }
  void operator()(const char* column, Outcome& outcome) {
    undamaged(column, [&](const std::string& name) { outcome = parse_outcome(name); });
  }
  void operator()(const char* column, Accuracy& accuracy) {
    undamaged(column, [&](const std::string& name) {
      if (!name.empty()) accuracy = parse_accuracy(name);
    });
  }
  void operator()(const char*, int64_t& value) { value = statement.integer(next++); }
  void operator()(const char*, double& value) { value = statement.real(next++); }
  void operator()(const char* column, std::vector<std::string>& tags) {
    undamaged(column, [&](const std::string& text) {
      if (text != "[]") tags = JsonReader(parse_json(text, column), column).strings();
    });
  }
  void operator()(const char* column, std::vector<double>& samples) {
    const std::string_view bytes = statement.blob(next++);
    if (bytes.size() % 8) throw DamagedFile(file, fmt::format("{} of {} bytes", column, bytes.size()));
    samples = decode_doubles(bytes);
  }
  void operator()(const char*, std::vector<uint8_t>& marks) {
    const std::string_view bytes = statement.blob(next++);
    marks.assign(bytes.begin(), bytes.end());
  }
};

double device_median(const CaseRecord& record) {
  const std::vector<double>& samples = record.device_us;
  const bool no_median =
      samples.empty() || std::any_of(samples.begin(), samples.end(), [](double s) { return std::isnan(s); });
  return no_median ? std::numeric_limits<double>::quiet_NaN() : percentile(samples, 50);
}

}  // namespace

std::string case_column_definitions() {
  std::string columns = "id INTEGER PRIMARY KEY,\n  median_us REAL";
  const CaseRecord record;
  for_each_column(record, [&](const char* name, const auto& field) {
    columns += fmt::format(",\n  {} {}", name, sql_type(field));
  });
  return columns;
}

void add_missing_case_columns(Database& database) {
  const CaseRecord record;
  for_each_column(record, [&](const char* name, const auto& field) {
    if (database.integer(fmt::format("SELECT count(*) FROM pragma_table_info('cases') WHERE name = '{}'", name)) == 0)
      database.execute(fmt::format("ALTER TABLE cases ADD COLUMN {} {}", name, sql_type(field)));
  });
}

std::string case_column_names() {
  std::string names;
  const CaseRecord record;
  for_each_column(record,
                  [&](const char* name, const auto&) { names += (names.empty() ? "" : ", ") + std::string(name); });
  return names;
}

std::string insert_case_sql() {
  const std::string names = case_column_names();
  std::string marks = "?";
  for (const char c : names) marks += c == ',' ? ", ?" : "";
  return fmt::format("INSERT INTO cases(median_us, {}) VALUES(?, {})", names, marks);
}

void insert_case(Statement& statement, const CaseRecord& record) {
  statement.bind(1, device_median(record));
  Binder binder{statement, 2};
  for_each_column(record, binder);
  statement.step();
}

CaseRecord read_case(const Statement& statement, const std::string& file) {
  CaseRecord record;
  for_each_column(record, Reader{statement, file});
  if (is_old_int8_key(record.key_text)) record.accuracy = Accuracy::int8_activation;
  return record;
}

}  // namespace assay
