// The progress line.
#include "report/progress.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>

#include "base/clock.h"
#include "base/terminal.h"

namespace assay {
namespace {

constexpr int64_t kRedrawNs = 100'000'000;
constexpr size_t kBarWidth = 20;
constexpr double kVisitWork = 0.5;  // seen: what a later visit takes, against the first
constexpr const char* kClearLine = "\r\x1b[K";

/// A progress line that cannot be written (a full disk, a closed pipe) is lost, no more.
void put(std::FILE* stream, const std::string& text) {
  std::fputs(text.c_str(), stream);
  std::fflush(stream);
}

}  // namespace

std::string duration_text(double seconds) {
  if (!(seconds >= 0) || seconds > 1e8) return "?";
  const int64_t whole = std::llround(seconds);
  if (whole < 60) return fmt::format("{}s", whole);
  if (whole < 3600) return fmt::format("{}m{:02}s", whole / 60, whole % 60);
  return fmt::format("{}h{:02}m", whole / 3600, whole % 3600 / 60);
}

Progress::Progress(std::FILE* stream, bool live, size_t total, int later_visits)
    : stream_(stream), live_(live), total_(total), later_visits_(later_visits) {}

Progress::~Progress() { finish(); }

void Progress::build(const std::string& variant, size_t done, size_t total) {
  if (finished_) return;
  text_ = one_line(fmt::format("Building kernels: {}/{} {}", done, total, variant));
  building_ = done < total;
  if (live_) return draw(false);
  if (!built_ || done == total) put_line(text_);
  built_ = true;
}

void Progress::start(const std::string& name, const std::string& family, const std::string& shape) {
  if (finished_) return;
  if (first_start_ns_ == 0) first_start_ns_ = now_ns();
  const size_t current = std::min(done_ + ++started_, std::max(total_, size_t(1)));
  const std::string text = one_line(fmt::format("Running: {} [{}] - {} | {}/{}", name, family, shape, current, total_));
  const bool repeated = text == text_;
  text_ = text;
  if (live_) return draw(false);
  if (repeated) return;
  put_line(text_);
}

void Progress::advance(size_t count) {
  if (started_ > 0) measured_ += count;
  done_ = std::min(total_, done_ + count);
  started_ = 0;
  if (live_) draw(false);
}

void Progress::again(int visit, const std::string& shape, size_t spec, size_t specs) {
  if (finished_ || specs == 0) return;
  visited_ = double(visit - 1) + double(spec - 1) / double(specs);
  text_ = one_line(fmt::format("Contenders again ({}/{}): {} | {}/{}", visit, later_visits_, shape, spec, specs));
  if (live_) return draw(false);
  if (spec == 1) put_line(fmt::format("Contenders again ({}/{}): {} specs", visit, later_visits_, specs));
}

/// A terminal on which nothing is redrawn has a width all the same.
void Progress::put_line(const std::string& line) const {
  const size_t width = describe_terminal(stream_).width;
  put(stream_, (width > 0 ? cut_end(line, width) : line) + "\n");
}

/// In cases of the first visit.
double Progress::work_left() const {
  return double(total_ - done_) + kVisitWork * double(measured_ + total_ - done_) * (double(later_visits_) - visited_);
}

void Progress::note(const std::string& line) {
  put(stream_, (drawn_ ? kClearLine : "") + wrap(line, describe_terminal(stream_).width, 2) + "\n");
  drawn_ = false;
  if (live_) draw(true);
}

void Progress::finish() {
  if (drawn_) put(stream_, kClearLine);
  drawn_ = false;
  finished_ = true;
}

void Progress::draw(bool now) {
  if (finished_ || text_.empty()) return;
  const int64_t time_ns = now_ns();
  if (!now && last_draw_ns_ != 0 && time_ns - last_draw_ns_ < kRedrawNs) return;
  last_draw_ns_ = time_ns;
  const size_t width = describe_terminal(stream_).width;  // asked each time: a window may be resized
  put(stream_, kClearLine + live_line(width ? width : 80));
  drawn_ = true;
}

/// The bar goes first when there is no room, then the time left, then the end of the text.
std::string Progress::live_line(size_t width) const {
  const double now_done = double(done_) + kVisitWork * double(measured_) * visited_, all = now_done + work_left();
  const double part = all > 0 ? now_done / all : 1.0;
  const size_t filled = size_t(part * double(kBarWidth));
  const std::string bar = " [" + std::string(filled, '#') + std::string(kBarWidth - filled, '-') + "]";
  std::string left = fmt::format(" {:.0f}%", 100 * part);
  if (measured_ > 0) {
    const double elapsed_s = double(now_ns() - first_start_ns_) / 1e9;
    left += fmt::format(" {} left",
                        duration_text(elapsed_s / (double(measured_) * (1 + kVisitWork * visited_)) * work_left()));
  }
  const size_t room = width > 1 ? width - 1 : 1;  // the last column would wrap on some terminals
  if (building_) return cut_end(text_, room);     // the bar is of the measuring
  if (display_width(text_ + bar + left) <= room) return text_ + bar + left;
  if (display_width(text_ + left) <= room) return text_ + left;
  return cut_end(text_, room);
}

}  // namespace assay
