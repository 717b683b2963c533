// Progress of a sweep: one line a case, or on a terminal one live line with a bar and the time left.
#pragma once
#include <cstdint>
#include <cstdio>
#include <string>

namespace assay {

class Progress {
 public:
  /// `total`: cases in the plan. `live`: redraw one line (Terminal::live), at most ten times a second. `later_visits`:
  /// how many times the contenders of every spec meet again when all cases have been measured.
  Progress(std::FILE* stream, bool live, size_t total, int later_visits = 0);
  ~Progress();
  Progress(const Progress&) = delete;
  Progress& operator=(const Progress&) = delete;

  /// A kernel has been compiled, the `done`-th of `total`: the live line, or a line for the first and the last.
  void build(const std::string& variant, size_t done, size_t total);
  /// A case begins: "Running: NAME [family] - M:1 N:9728 K:896 | 4/20".
  void start(const std::string& name, const std::string& family, const std::string& shape);
  /// `count` cases are done. Those that no start announced (found in the store) do not count for the time left.
  void advance(size_t count = 1);
  /// The contenders of one more spec meet again, the `spec`-th of `specs` (from 1): a line at the start of a visit, or
  /// the live one.
  void again(int visit, const std::string& shape, size_t spec, size_t specs);
  /// A line that stays, above the live one.
  void note(const std::string& line);
  /// Takes the live line away. Nothing is drawn afterwards.
  void finish();

 private:
  void draw(bool now);
  std::string live_line(size_t width) const;
  void put_line(const std::string& line) const;
  double work_left() const;

  std::FILE* stream_;
  bool live_, finished_ = false, drawn_ = false;
  size_t total_, done_ = 0, started_ = 0;  // started_: since the last advance
  size_t measured_ = 0;
  int later_visits_ = 0;
  bool building_ = false, built_ = false;  // in work; a line said so
  double visited_ = 0;                     // whole later visits that are over, and the part of the one in work
  int64_t first_start_ns_ = 0, last_draw_ns_ = 0;
  std::string text_;
};

/// "12s", "3m05s", "2h10m".
std::string duration_text(double seconds);

}  // namespace assay
