// The rules of a log's lines.
#include "audit/log_builder.h"

#include <algorithm>
#include <cmath>

#include "audit/log_text.h"
#include "base/error.h"

namespace assay {
namespace {

/// A log that was shown in colour holds escape sequences.
std::string without_colours(std::string_view line) {
  std::string plain;
  for (size_t i = 0; i < line.size(); ++i) {
    if (line[i] != '\x1b' || i + 1 == line.size() || line[i + 1] != '[') {
      plain += line[i];
      continue;
    }
    for (i += 2; i < line.size() && (line[i] < '@' || line[i] > '~');) ++i;
  }
  return plain;
}

std::optional<int64_t> number_after(std::string_view text, std::string_view mark) {
  const size_t at = text.find(mark);
  if (at == std::string_view::npos) return std::nullopt;
  const std::string_view rest = text.substr(at + mark.size());
  return whole_number(rest.substr(0, rest.find_first_not_of("0123456789")));
}

/// "op=matmul batch=1 m=1" of the older form with the bars of the newer; any other text as it is.
std::string with_bars(std::string_view text) {
  std::string line = one_line(text);
  if (line.find('|') != std::string::npos) return line;
  std::string barred;
  std::string_view rest = line, word;
  while (cut(rest, " ", word)) {
    if (word.find('=') == std::string_view::npos) return line;
    barred += (barred.empty() ? "" : " | ") + std::string(word);
  }
  return barred;
}

/// Whether the last row of a file without a last line end is whole: the seeds' rows end in "maxRel=4.7867e-04".
bool is_whole(std::string_view text, bool rows_have_classes) {
  if (text.ends_with(" of bound")) return true;
  const auto digit = [&](size_t from_end) {
    return text[text.size() - from_end] >= '0' && text[text.size() - from_end] <= '9';
  };
  return !rows_have_classes && text.size() > 4 && text[text.size() - 4] == 'e' &&
         std::string_view("+-").find(text[text.size() - 3]) != std::string_view::npos && digit(2) && digit(1) &&
         text.find("maxRel=") != std::string_view::npos;
}

std::string_view without_mark(std::string_view line, const std::string& file) {
  if (line.starts_with("\xff\xfe") || line.starts_with("\xfe\xff"))
    fail("{}: no probe log: it is UTF-16 text; convert it (iconv -f UTF-16 -t UTF-8)", file);
  return line.starts_with("\xef\xbb\xbf") ? line.substr(3) : line;
}

}  // namespace

void LogBuilder::take(std::string_view line, const LogLines& lines) {
  line_ = lines.number();
  has_end_ = lines.has_end();
  if (line_ == 1) line = without_mark(line, file_);
  if (lines.is_overlong() && part_ != Part::none)
    unread(fmt::format("longer than {} MiB: passed over", LogLines::kLongest >> 20));
  if (line.find('\x1b') == std::string_view::npos) return read(line);
  const std::string plain = without_colours(line);
  read(plain);
}

void LogBuilder::finish_log() {
  if (log_.specs.empty()) return;
  end_spec();
  finished_ = std::exchange(log_, ProbeLog());
  log_.file = file_;
  spec_texts_ = StringTable();
  failure_of_.clear();
  part_ = Part::none;
  has_summary_ = has_claim_ = rows_have_classes_ = false;
}

void LogBuilder::read(std::string_view line) {
  const std::string_view text = trimmed(line);
  if (text.empty()) return;
  const bool is_item = text.starts_with("- ") || text == "-";
  if (const std::string_view item = is_item ? trimmed(text.substr(1)) : text; is_failed_case(item))
    return add_failure(parse_failed_case(item));
  if (text.data() == line.data() && !(is_item && part_ == Part::spec)) return read_heading(text);
  if (part_ == Part::spec && is_item) return read_row(trimmed(text.substr(1)));
  if (part_ == Part::spec && text.starts_with("best_avg_")) return read_crown(text);
  if (part_ == Part::spec && text[0] != '=' && text[0] != '!') unread(fmt::format("{} is no row", quoted(text)));
  if (part_ == Part::failures && is_item) read_failures(trimmed(text.substr(1)));
}

void LogBuilder::read_heading(std::string_view text) {
  part_ = text == "Variant failures:" ? Part::failures : Part::none;
  if (text.starts_with("Spec ")) return begin_spec(text.substr(5));
  if (text.starts_with("Benchmark ") && text.find("Processed ") != std::string_view::npos) {
    begin_log(has_claim_ || has_summary_);
    has_claim_ = true;
    log_.claimed_results = number_after(text, "Processed ").value_or(-1);
    log_.claimed_failures = number_after(text, " with ").value_or(-1);
  } else if (text.starts_with("Matmul benchmark summary")) {
    begin_log(has_summary_);
    has_summary_ = true;
    log_.iterations = number_after(text, "iterations=").value_or(0);
  }
}

/// A heading stands here: of a new log, if this one has that heading or specs already.
void LogBuilder::begin_log(bool has_it) {
  finish_log();
  if (has_it) has_claim_ = has_summary_ = false, log_.line = 0, log_.claimed_results = log_.claimed_failures = -1;
  if (log_.line == 0) log_.line = line_;
}

void LogBuilder::begin_spec(std::string_view text) {
  bool unsuccessful = false;
  const size_t said = text.rfind(": no successful variants");
  if (said != std::string_view::npos) unsuccessful = true, text = text.substr(0, said);
  if (text.ends_with(":")) text.remove_suffix(1);
  std::string line = with_bars(text);
  const size_t known = spec_texts_.size();
  if (spec_texts_.intern(line) < known) {
    finish_log();
    spec_texts_.intern(line);
  }
  end_spec();
  add_to_content(line);
  if (log_.line == 0) log_.line = line_;
  ProbeLogSpec& spec = log_.specs.emplace_back();
  spec.line = line_;
  spec.unsuccessful = unsuccessful;
  spec.text = std::move(line);
  part_ = Part::spec;
  try {
    spec.fields = fields_of(spec.text);
  } catch (const Error& e) {
    unread(fmt::format("no spec line, though its rows are judged: {}", one_line(e.what())));
  }
}

const SpecFields& LogBuilder::fields_of(const std::string& text) {
  constexpr size_t kMost = 10'000;
  if (known_fields_.size() > kMost) known_fields_.clear();
  const auto found = known_fields_.find(text);
  return found != known_fields_.end() ? found->second
                                      : known_fields_.emplace(text, parse_spec_fields(text)).first->second;
}

void LogBuilder::read_row(std::string_view text) {
  ProbeRow row;
  std::optional<double> original_ms;
  try {
    parse_probe_row(text, row, original_ms);
    if (!has_end_ && !is_whole(text, rows_have_classes_)) fail("the log ends within this row: {}", quoted(text));
  } catch (const Error& e) {
    unread(e.what());
    if (!row.is_crowned()) return;
    return add_unreadable(row.variant, row.tags, e.what());  // a crown that nobody can check is no small matter
  }
  if (original_ms) log_.specs.back().original_ms = original_ms;
  rows_have_classes_ |= !row.accuracy.empty();
  add_row(row);
}

void LogBuilder::add_unreadable(std::string_view variant, std::string_view tags, std::string_view why) {
  ProbeRow row;
  row.variant = variant;
  row.tags = tags;
  row.outcome = kUnreadable;
  row.detail = why;
  add_row(row);
}

/// Keeps the row with texts of the log's own, or counts it where the variant's last row here says the same.
void LogBuilder::add_row(ProbeRow row) {
  std::deque<ProbeRow>& rows = log_.specs.back().rows;
  const StringId variant = intern(row.variant);
  row.line = line_;
  row.variant = log_.texts.text(variant);
  for (std::string_view* text : {&row.tags, &row.accuracy, &row.detail})
    *text = text->empty() ? std::string_view() : log_.texts.text(intern(*text));
  if (last_row_.size() <= variant) last_row_.resize(std::max<size_t>(2 * variant, 64));
  const size_t last = last_row_[variant];
  if (last < rows.size() && rows[last].says_the_same(row)) {
    ++rows[last].times;
  } else {
    last_row_[variant] = rows.size();
    rows.push_back(row);
  }
  add_to_content(row.variant);
  for (const double number :
       {row.device_us, row.device_average_us, row.host_us, row.max_abs, row.max_rel, row.bound_share})
    add_to_content({reinterpret_cast<const char*>(&number), sizeof number});
  for (const std::string_view text : {row.tags, row.accuracy, row.outcome, row.detail}) add_to_content(text);
}

StringId LogBuilder::intern(std::string_view text) {
  const bool plain = std::all_of(text.begin(), text.end(), [](char c) { return c > ' ' && c < '\x7f'; });
  return log_.texts.intern(plain ? text : one_line(text));
}

void LogBuilder::read_crown(std::string_view text) {
  const size_t colon = text.find(": "), equals = text.rfind(" = ");
  const std::string_view key = text.substr(0, colon);
  const bool of_host = key == "best_avg_cpu" || key == "best_avg_host";
  const bool known = of_host || key == "best_avg_gpu" || key == "best_avg_dev";
  const bool has_parts = known && colon != std::string_view::npos && equals != std::string_view::npos && equals > colon;
  const auto us = has_parts ? parse_milliseconds(trimmed(text.substr(equals + 3))) : std::nullopt;
  if (!us || (!has_end_ && !text.ends_with("ms"))) return unread(fmt::format("{} crowns no variant", quoted(text)));
  constexpr size_t kMost = 16;
  if (log_.specs.back().crowns.size() == kMost) return unread(fmt::format("more than {} crowns of one spec", kMost));
  add_to_content(text);
  const StringId variant = intern(trimmed(text.substr(colon + 2, equals - colon - 2)));
  log_.specs.back().crowns.push_back({line_, std::string(key), of_host, log_.texts.text(variant), *us});
}

/// Lines that crown a variant stand before its row.
void LogBuilder::end_spec() {
  if (log_.specs.empty()) return;
  const uint64_t line = line_;
  const ProbeLogSpec& spec = log_.specs.back();
  for (const ProbeCrown& crown : spec.crowns) {
    line_ = crown.line;
    check_crown(crown, spec.rows);
  }
  line_ = line;
}

void LogBuilder::check_crown(const ProbeCrown& crown, const std::deque<ProbeRow>& rows) {
  constexpr double kTwoLastDigits = 1.0 + 1e-6;  // three decimals of a ms, both rounded
  double nearest = INFINITY;
  bool has_row = false;
  for (const ProbeRow& row : rows) {
    if (row.variant != crown.variant) continue;
    has_row = true;
    nearest = std::fmin(nearest, std::fabs((crown.of_host ? row.host_us : row.device_average_us) - crown.us));
  }
  if (!has_row)
    add_unreadable(crown.variant, "", crown.tag + " names it, but it has no row");
  else if (nearest > kTwoLastDigits)
    unread(fmt::format("{} says {:.3f} ms, which no row of {} does", crown.tag, crown.us / 1e3, crown.variant));
}

void LogBuilder::read_failures(std::string_view item) {
  std::vector<std::string> faults;
  for (ProbeFailure& failure : parse_failures(item, faults)) add_failure(std::move(failure));
  for (std::string& fault : faults) unread(std::move(fault));
}

void LogBuilder::add_failure(ProbeFailure failure) {
  std::string key = fmt::format("{}\n{}\n{}\n{}", failure.variant, failure.op_name, failure.what, failure.reason);
  add_to_content(key);
  const auto [place, is_new] = failure_of_.emplace(std::move(key), log_.failures.size());
  if (is_new)
    log_.failures.push_back(std::move(failure));
  else if (int64_t& count = log_.failures[place->second].count; __builtin_add_overflow(count, failure.count, &count))
    count = INT64_MAX;
}

void LogBuilder::unread(std::string why) {
  add_to_content(why);
  if (log_.unread_lines++ < ProbeLog::kKeptTroubles) log_.unread.push_back({line_, std::move(why)});
}

void LogBuilder::add_to_content(std::string_view text) {
  log_.content = log_.content * 0x9e3779b97f4a7c15u + std::hash<std::string_view>()(text);
}

}  // namespace assay
