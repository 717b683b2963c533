// One row of a probe log: what a harness printed of one variant at one spec.
#pragma once
#include <cstdint>
#include <limits>
#include <optional>
#include <string_view>

namespace assay {

/// What a line does not say of an error: errors are never below zero.
inline constexpr double kNotSaid = -1;

/// The outcome that this reader gives to a crowned row whose line cannot be read; `detail` says why.
inline constexpr std::string_view kUnreadable = "unreadable";

/// One "   - family/name [tags]: avg_gpu=… | avg_cpu=… maxRel=…" line. A time that the line does not say is NaN.
/// Texts are kept by the log that the row is of.
struct ProbeRow {
  uint64_t line = 0;   // from 1
  uint64_t times = 1;  // so often it stands in its spec, word for word
  std::string_view variant;
  std::string_view tags;                                        // "[best-gpu] [best-cpu]", as they stand there
  double device_us = std::numeric_limits<double>::quiet_NaN();  // the median where the line has one, else the average
  double device_average_us = device_us;                         // of avg_gpu or avg_dev alone, to set beside host_us
  double device_digit_us = 0;                                   // half of its last printed digit
  double host_us = std::numeric_limits<double>::quiet_NaN();
  double max_abs = kNotSaid, max_rel = kNotSaid;  // or NaN, or infinite
  double bound_share = kNotSaid;                  // "err=0.31 of bound": of the row's own error bound
  std::string_view accuracy;                      // "class=int8_activation"; "": not said
  std::string_view outcome, detail;               // where the line says one: "pass", "wrong", "crashed", …
  bool ranks_by_median = false;                   // our own logs: averages stand beside what ranked

  bool measured() const { return device_us == device_us; }
  bool has_tag(std::string_view tag) const;
  bool is_crowned() const;
  /// Whether all that it says is the same; the line's number does not count.
  bool says_the_same(const ProbeRow& other) const;
};

/// Whether the tag crowns a row by its host time ("best-cpu", "best-host") or its device time; nullopt: it does not.
std::optional<bool> crowns_host(std::string_view tag);

/// "0.484ms" in µs; a time is finite and not below zero.
std::optional<double> parse_milliseconds(std::string_view text);

/// Reads "family/name [tags]: …" with fields in any order. What the row says are parts of `text`. Error says why it
/// cannot be read; name and tags are there if they could be. `original_ms` is set where the row has "[vs orig
/// 0.325ms]".
void parse_probe_row(std::string_view text, ProbeRow& row, std::optional<double>& original_ms);

}  // namespace assay
