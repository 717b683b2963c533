// The parsing threads, and the one place where their chunks are put in file order and handed on.
#include "trace/reader.h"

#include <algorithm>
#include <condition_variable>
#include <exception>
#include <map>
#include <memory>
#include <mutex>
#include <thread>
#include <vector>

#include "trace/chunk_source.h"
#include "trace/line_parser.h"

namespace assay {
namespace {

constexpr unsigned kMostThreads = 4;  // beyond it the reading lock and the consumers are busier than the parsers
constexpr StringId kNotMapped = UINT32_MAX;

/// A chunk between its parser and its consumers.
struct Parsed {
  ParsedChunk content;
  ChunkSource::Chunk chunk;
  size_t parser = 0;
};

/// Puts parsed chunks in file order. Whoever brings the one that is due hands it on, and all that follow it.
class InOrder {
 public:
  InOrder(StringTable& strings, std::span<EventConsumer* const> consumers, const ReadOptions& options, size_t parsers)
      : strings_(strings), consumers_(consumers), options_(options), ids_(parsers), views_(parsers) {
    for (size_t i = 0; i < parsers * 2; ++i) free_.push_back(std::make_unique<Parsed>());
  }

  /// Waits for an empty one; nullptr when reading is to stop.
  std::unique_ptr<Parsed> take_empty() {
    std::unique_lock lock(mutex_);
    freed_.wait(lock, [this] { return stopped_ || !free_.empty(); });
    if (stopped_) return nullptr;
    auto parsed = std::move(free_.back());
    free_.pop_back();
    return parsed;
  }

  void bring(std::unique_ptr<Parsed> parsed) {
    std::unique_lock lock(mutex_);
    ready_[parsed->chunk.index] = std::move(parsed);
    if (handing_on_) return;
    handing_on_ = true;
    for (auto due = ready_.find(due_); due != ready_.end() && !stopped_; due = ready_.find(due_)) {
      std::unique_ptr<Parsed> next = std::move(due->second);
      ready_.erase(due);
      ++due_;
      lock.unlock();
      hand_on(*next);
      next->content.clear();
      lock.lock();
      free_.push_back(std::move(next));
      freed_.notify_one();
    }
    handing_on_ = false;
  }

  void give_up(std::exception_ptr why) {
    const std::lock_guard lock(mutex_);
    if (!failure_) failure_ = why;
    stopped_ = true;
    freed_.notify_all();
  }

  /// After all threads have ended.
  ReadTotals finish() {
    if (failure_) std::rethrow_exception(failure_);
    return totals_;
  }

 private:
  StringId global(size_t parser, StringId local) {
    StringId& id = ids_[parser][local];
    if (id == kNotMapped) id = strings_.intern(views_[parser][local]);
    return id;
  }

  void hand_on(Parsed& parsed) {
    ParsedChunk& content = parsed.content;
    const size_t p = parsed.parser;
    views_[p].insert(views_[p].end(), content.new_strings.begin(), content.new_strings.end());
    ids_[p].resize(views_[p].size(), kNotMapped);
    pass_over(parsed.chunk.overlong_lines);
    for (Event& event : content.events) {
      event.line += totals_.lines;
      for (StringId Event::*field : {&Event::type_name, &Event::span_name, &Event::op_name, &Event::backend, &Event::reason,
                                     &Event::parent_op_name, &Event::internal_kernel_name, &Event::kernel_name, &Event::matmul})
        event.*field = global(p, event.*field);
    }
    for (BadLine& bad : content.bad_lines) bad.line += totals_.lines;
    for (EventConsumer* consumer : consumers_) consumer->consume({content.events, content.bad_lines}, strings_);
    add(content.totals);
    if (options_.progress) options_.progress(parsed.chunk.file_bytes);
  }

  void pass_over(uint64_t overlong_lines) {
    for (; overlong_lines > 0; --overlong_lines) {
      const BadLine bad{totals_.lines, BadLine::Kind::not_json, "longer than any line may be"};
      for (EventConsumer* consumer : consumers_) consumer->consume({{}, {&bad, 1}}, strings_);
      ++totals_.not_json;
      ++totals_.lines;
    }
  }

  void add(const ReadTotals& chunk) {
    totals_.bytes += chunk.bytes;
    totals_.lines += chunk.lines;
    totals_.blank += chunk.blank;
    totals_.untyped += chunk.untyped;
    totals_.events += chunk.events;
    totals_.not_json += chunk.not_json;
    totals_.wrong_shape += chunk.wrong_shape;
  }

  StringTable& strings_;
  std::span<EventConsumer* const> consumers_;
  const ReadOptions& options_;
  std::vector<std::vector<StringId>> ids_;            // by parser: its id → the table's
  std::vector<std::vector<std::string_view>> views_;  // by parser: its strings
  ReadTotals totals_;

  std::mutex mutex_;
  std::condition_variable freed_;
  std::vector<std::unique_ptr<Parsed>> free_;
  std::map<uint64_t, std::unique_ptr<Parsed>> ready_;
  uint64_t due_ = 0;
  bool handing_on_ = false, stopped_ = false;
  std::exception_ptr failure_;
};

void parse_chunks(size_t number, LineParser& parser, ChunkSource& source, InOrder& in_order) try {
  ChunkText text;
  while (std::unique_ptr<Parsed> parsed = in_order.take_empty()) {
    if (!source.next(text, parsed->chunk)) break;
    parsed->parser = number;
    parser.parse(text.text(), parsed->content);
    in_order.bring(std::move(parsed));
  }
} catch (...) {
  in_order.give_up(std::current_exception());
}

}  // namespace

ReadTotals read_trace(std::unique_ptr<ByteSource> bytes, StringTable& strings, std::span<EventConsumer* const> consumers,
                      const ReadOptions& options) {
  ChunkSource source(std::move(bytes), options.chunk_bytes, options.longest_line);
  const unsigned cpus = std::max(1u, std::thread::hardware_concurrency());
  const size_t threads = options.threads ? options.threads : std::min(cpus, kMostThreads);
  std::vector<LineParser> parsers(threads);  // their strings are read until the end
  InOrder in_order(strings, consumers, options, threads);
  {
    std::vector<std::jthread> others;
    for (size_t i = 1; i < threads; ++i)
      others.emplace_back([&, i] { parse_chunks(i, parsers[i], source, in_order); });
    parse_chunks(0, parsers[0], source, in_order);
  }
  ReadTotals totals = in_order.finish();
  totals.cut_off = source.cut_off();
  return totals;
}

}  // namespace assay
