// The threads: who reads, who parses, and the one that hands chunks on in file order.
#include "trace/reader.h"

#include <algorithm>
#include <atomic>
#include <condition_variable>
#include <deque>
#include <exception>
#include <map>
#include <memory>
#include <mutex>
#include <thread>
#include <vector>

#include "trace/chunk_source.h"
#include "trace/line_parser.h"

#if defined(__SSE2__)
#include <emmintrin.h>
#endif

namespace assay {
namespace {

constexpr unsigned kMostThreads = 4;  // beyond it reading and the consumers are busier than the parsers
constexpr size_t kChunksAhead = 4;    // read but not parsed
constexpr int kTries = 2000;          // tens of µs
constexpr StringId kNotMapped = UINT32_MAX;

void pause_briefly() {
#if defined(__SSE2__)
  _mm_pause();
#endif
}

/// A chunk on its way from the file to the consumers.
struct Chunk {
  ChunkText text;
  ChunkSource::Chunk place;
  ParsedChunk content;
  size_t parser = 0;
};

/// Each thread parses; the last one reads, too, and the first, which is the caller's, hands on. Two things stay with
/// one thread because what they touch again and again would else go from one core's cache to the other's: what was
/// decompressed last, and the consumers' tables.
class Pipeline {
 public:
  Pipeline(ChunkSource& source, StringTable& strings, std::span<EventConsumer* const> consumers,
           const ReadOptions& options, size_t threads)
      : source_(source),
        strings_(strings),
        consumers_(consumers),
        options_(options),
        parsers_(threads),
        ids_(threads),
        views_(threads) {
    for (size_t i = 0; i < threads + kChunksAhead; ++i) free_.push_back(std::make_unique<Chunk>());
  }

  /// One thread's work, from 0; returns when the trace has ended.
  void work(size_t thread) try {
    std::unique_lock lock(mutex_);
    while (!stopped_) {
      if (thread == 0 && ready_.contains(due_)) {
        std::unique_ptr<Chunk> chunk = std::move(ready_.extract(due_).mapped());
        lock.unlock();
        hand_on(*chunk);
        chunk->content.clear();
        lock.lock();
        ++due_;
        free_.push_back(std::move(chunk));
      } else if (thread == parsers_.size() - 1 && !ended_ && !free_.empty() && unparsed_.size() < kChunksAhead) {
        std::unique_ptr<Chunk> chunk = std::move(free_.back());
        free_.pop_back();
        lock.unlock();
        const bool is_chunk = source_.next(chunk->text, chunk->place);
        lock.lock();
        ended_ = !is_chunk;
        read_ += is_chunk;
        (is_chunk ? unparsed_ : free_).push_back(std::move(chunk));
      } else if (!unparsed_.empty()) {
        std::unique_ptr<Chunk> chunk = std::move(unparsed_.front());
        unparsed_.pop_front();
        lock.unlock();
        chunk->parser = thread;
        parsers_[thread].parse(chunk->text.text(), chunk->content);
        lock.lock();
        ready_[chunk->place.index] = std::move(chunk);
      } else if (ended_ && (thread > 0 || due_ == read_)) {
        return;
      } else {
        wait(lock);
        continue;
      }
      ++changes_;
      changed_.notify_all();
    }
  } catch (...) {
    const std::lock_guard lock(mutex_);
    if (!failure_) failure_ = std::current_exception();
    stopped_ = true;
    ++changes_;
    changed_.notify_all();
  }

  /// After all threads have ended.
  ReadTotals finish() {
    if (failure_) std::rethrow_exception(failure_);
    return totals_;
  }

 private:
  /// Until something has changed. A chunk takes tens of µs, as going to sleep and being woken would.
  void wait(std::unique_lock<std::mutex>& lock) {
    const uint64_t seen = changes_;
    lock.unlock();
    for (int i = 0; i < kTries && changes_ == seen; ++i) pause_briefly();
    lock.lock();
    changed_.wait(lock, [&] { return changes_ != seen; });
  }

  StringId global(size_t parser, StringId local) {
    StringId& id = ids_[parser][local];
    if (id == kNotMapped) id = strings_.intern(views_[parser][local]);
    return id;
  }

  void hand_on(Chunk& chunk) {
    ParsedChunk& content = chunk.content;
    const size_t p = chunk.parser;
    views_[p].insert(views_[p].end(), content.new_strings.begin(), content.new_strings.end());
    ids_[p].resize(views_[p].size(), kNotMapped);
    pass_over(chunk.place.overlong_lines);
    for (Event& event : content.events) {
      event.line += totals_.lines;
      for (StringId Event::*field :
           {&Event::type_name, &Event::span_name, &Event::op_name, &Event::backend, &Event::reason,
            &Event::parent_op_name, &Event::internal_kernel_name, &Event::kernel_name, &Event::matmul})
        event.*field = global(p, event.*field);
    }
    for (BadLine& bad : content.bad_lines) bad.line += totals_.lines;
    for (EventConsumer* consumer : consumers_) consumer->consume({content.events, content.bad_lines}, strings_);
    add(content.totals);
    if (options_.progress) options_.progress(chunk.place.file_bytes);
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

  ChunkSource& source_;
  StringTable& strings_;
  std::span<EventConsumer* const> consumers_;
  const ReadOptions& options_;
  std::vector<LineParser> parsers_;                   // by thread; their strings are read until the end
  std::vector<std::vector<StringId>> ids_;            // by parser: its id → the table's
  std::vector<std::vector<std::string_view>> views_;  // by parser: its strings
  ReadTotals totals_;

  std::mutex mutex_;
  std::condition_variable changed_;
  std::atomic<uint64_t> changes_ = 0;  // of what follows
  std::deque<std::unique_ptr<Chunk>> free_, unparsed_;
  std::map<uint64_t, std::unique_ptr<Chunk>> ready_;
  uint64_t due_ = 0, read_ = 0;
  bool ended_ = false, stopped_ = false;
  std::exception_ptr failure_;
};

}  // namespace

ReadTotals read_trace(std::unique_ptr<ByteSource> bytes, StringTable& strings,
                      std::span<EventConsumer* const> consumers, const ReadOptions& options) {
  ChunkSource source(std::move(bytes), options.chunk_bytes, options.longest_line);
  const unsigned cpus = std::max(1u, std::thread::hardware_concurrency());
  const size_t threads = options.threads ? options.threads : std::min(cpus, kMostThreads);
  Pipeline pipeline(source, strings, consumers, options, threads);
  {
    std::vector<std::jthread> others;
    for (size_t i = 1; i < threads; ++i) others.emplace_back([&pipeline, i] { pipeline.work(i); });
    pipeline.work(0);
  }
  ReadTotals totals = pipeline.finish();
  totals.cut_off = source.cut_off();
  return totals;
}

}  // namespace assay
