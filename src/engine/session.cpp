// A text in work.
#include "engine/session.h"

#include <algorithm>

#include "base/clock.h"
#include "base/error.h"
#include "base/interruption.h"
#include "base/memory.h"

namespace assay {
namespace {

constexpr int64_t kFirstCapacity = 256, kUnsaidContext = 2048, kUsualChunk = 64, kLongChunk = 256;
constexpr size_t kAtOnce = 256;

std::string cache_name(int64_t layer, const char* which) { return fmt::format("blk.{}.{}_cache", layer, which); }

/// Why a context cannot be longer than the window.
std::string window_text(const ModelConfig& config) {
  return fmt::format(
      "the model sees the last {} tokens alone (key \"{}.attention.sliding_window\"), and attention here "
      "all of them",
      config.window, config.architecture);
}

}  // namespace

int64_t cache_capacity(int64_t positions, int64_t context) {
  int64_t capacity = kFirstCapacity;
  while (capacity < positions) capacity *= 2;
  return std::max(context > 0 ? std::min(capacity, context) : capacity, positions);
}

Session::Session(LoadedModel& model, Device& device, StepBinder& binder, const SessionOptions& options)
    : model_(model), device_(device), binder_(binder), options_(options) {
  const int64_t window = model.config().window;
  if (window > 0 && options.context > window)
    fail("--context {}: {}: {}; give {} or less", options.context, model.file().name(), window_text(model.config()),
         window);
  const int64_t said = model.config().context > 0 ? model.config().context : kUnsaidContext;
  context_ = options.context > 0 ? options.context : window > 0 ? std::min(said, window) : said;
  position_bytes_ = dtype_bytes(options.cache, model.config().cache_values());
  grow_cache(1);
  step(1, 1);  // first of all: it decides the weights' accuracy classes
  chunk_ = options.chunk;
  if (chunk_ == 0) {
    const PassRequest usual = request(std::min(kUsualChunk, capacity_), 1);
    chunk_ = binder_.is_better_one_by_one(usual) ? 1 : binder_.expands_weights(usual) ? kLongChunk : kUsualChunk;
  }
  binder_.reserve(request(std::min(chunk_, capacity_), 1));
}

void Session::truncate(int64_t position) {
  ASSAY_CHECK(position >= 0 && position <= this->position());
  tokens_.resize(size_t(position));
}

void Session::repeat(int64_t count) {
  const int64_t there = position();
  ASSAY_CHECK(there > 0 && count >= 0);
  std::vector<Token> tokens;
  for (int64_t i = 0; i < count; ++i) tokens.push_back(tokens_[size_t(i % there)]);
  check_room(tokens);
  grow_cache(there + count);
  const ModelConfig& c = model_.config();
  std::vector<std::byte> rows;
  for (int64_t layer = 0; layer < c.layers; ++layer)
    for (const auto& [which, size] : {std::pair("k", c.key_size), std::pair("v", c.value_size)}) {
      const int64_t row_bytes = dtype_bytes(options_.cache, size);
      rows.resize(size_t(there * row_bytes));
      for (int64_t head = 0; head < c.kv_heads; ++head) {
        const Address first = binder_.buffer(cache_name(layer, which)) + head * capacity_ * row_bytes;
        device_.read(rows.data(), first, int64_t(rows.size()));
        for (int64_t done = 0; done < count; done += there)
          device_.write(first + (there + done) * row_bytes, rows.data(), std::min(there, count - done) * row_bytes);
      }
    }
  tokens_.insert(tokens_.end(), tokens.begin(), tokens.end());
}

void Session::check_room(std::span<const Token> tokens) const {
  for (const Token token : tokens)
    if (int64_t(token) >= model_.config().vocabulary)
      fail("{}: has no token {}; its {} tokens count from 0", model_.file().name(), token, model_.config().vocabulary);
  if (position() + int64_t(tokens.size()) <= context_) return;
  if (context_ == model_.config().window)
    fail("{}: {} tokens more do not fit into the context of {}, {} of which are used: {}; shorten the text",
         model_.file().name(), tokens.size(), context_, position(), window_text(model_.config()));
  fail(
      "{}: {} tokens more do not fit into the context of {}, {} of which are used; shorten the text, or give a larger "
      "--context",
      model_.file().name(), tokens.size(), context_, position());
}

/// A head's positions lie together, so a longer cache is another place for each of them.
void Session::grow_cache(int64_t positions) {
  if (positions <= capacity_) return;
  const int64_t capacity = std::max(capacity_, cache_capacity(positions, context_));
  const ModelConfig& c = model_.config();
  const int64_t needed = capacity * position_bytes_ / c.layers;  // a layer's is there twice while it is copied
  if (const MemoryRoom room = memory_room(); room.bytes < (capacity - capacity_) * position_bytes_ + needed)
    fail("a KV cache of {} positions needs {} MB, and {} MB are there ({}); give a smaller --context", capacity,
         ((capacity - capacity_) * position_bytes_ + needed) >> 20, room.bytes >> 20, room.limit);
  std::vector<std::byte> rows;
  for (int64_t layer = 0; layer < c.layers; ++layer)
    for (const auto& [which, size] : {std::pair("k", c.key_size), std::pair("v", c.value_size)}) {
      const int64_t row_bytes = dtype_bytes(options_.cache, size), bytes = c.kv_heads * capacity * row_bytes;
      const std::string name = cache_name(layer, which);
      const Address memory = device_.allocate(bytes);
      rows.resize(size_t(position() * row_bytes));
      for (int64_t head = 0; head < c.kv_heads && !rows.empty(); ++head) {
        device_.read(rows.data(), binder_.buffer(name) + head * capacity_ * row_bytes, int64_t(rows.size()));
        device_.write(memory + head * capacity * row_bytes, rows.data(), int64_t(rows.size()));
      }
      binder_.replace_buffer(name, memory, bytes);
    }
  capacity_ = capacity;
}

StepProgram& Session::step(int64_t tokens, int64_t logits) {
  if (binder_.take_moved()) steps_.clear();
  const auto known = steps_.find({tokens, logits});
  if (known != steps_.end()) return known->second;
  StepProgram bound = binder_.bind(request(tokens, logits));
  if (binder_.take_moved()) steps_.clear();  // not this one: it was bound when all had moved
  return steps_.insert_or_assign({tokens, logits}, std::move(bound)).first->second;
}

void Session::build_kernels(std::span<const Token> tokens) {
  const int64_t count = std::ssize(tokens);
  check_room(tokens);
  grow_cache(position() + count);
  try {
    for (const int64_t size : {std::min(chunk_, count), count % chunk_})
      if (size > 0 && !steps_.count({size, 1})) binder_.built(request(size, 1));
  } catch (const Interrupted&) {
    if (!stopped()) throw;
  }
}

std::span<const float> Session::append(std::span<const Token> tokens, int64_t wanted) {
  ASSAY_CHECK(!tokens.empty() && wanted >= 0 && wanted <= int64_t(tokens.size()));
  check_room(tokens);
  grow_cache(position() + int64_t(tokens.size()));
  const int64_t vocabulary = model_.config().vocabulary, count = std::ssize(tokens);
  if (const int64_t more = (wanted * vocabulary - int64_t(logits_.capacity())) * int64_t(sizeof(float)); more > 0)
    if (const MemoryRoom room = memory_room(); more > room.bytes)
      fail("the logits of {} tokens need {} MB more, and {} MB are there ({}); ask for fewer tokens at once", wanted,
           (more >> 20) + 1, room.bytes >> 20, room.limit);
  logits_.resize(size_t(wanted * vocabulary));
  for (int64_t done = 0, size; done < count; done += size) {
    if (stopped()) return {};
    size = std::min(chunk_, count - done);
    const int64_t logits = std::clamp<int64_t>(done + size - (count - wanted), 0, size);
    try {
      run(tokens.subspan(size_t(done), size_t(size)), logits);
    } catch (const Interrupted&) {  // a kernel that it needs is not there
      if (stopped()) return {};
      throw;
    }
    if (logits == 0) continue;
    const int64_t row = done + size - logits - (count - wanted);
    device_.read(&logits_[size_t(row * vocabulary)], binder_.buffer("logits"),
                 logits * vocabulary * int64_t(sizeof(float)));
  }
  check_logits();
  return logits_;
}

void Session::run(std::span<const Token> tokens, int64_t logits) {
  StepProgram& step = this->step(std::ssize(tokens), logits);
  const auto at = int32_t(position());
  const int64_t began = now_ns();
  device_.write(binder_.buffer("position"), &at, sizeof at);
  const std::vector<int32_t> rows(tokens.begin(), tokens.end());
  device_.write(binder_.buffer("tokens"), rows.data(), int64_t(rows.size() * sizeof(int32_t)));
  ends_.resize(step.ops.size());
  if (stamps && !step.program->stamp(ends_)) fail("this device cannot tell when a launch of a program ended");
  step.program->run();
  step.program->wait();
  const int64_t ended = now_ns();
  model_.file().check_whole();
  if (options_.picks && logits > 0)
    device_.read(&picked_, binder_.buffer("picked") + (logits - 1) * int64_t(sizeof picked_), sizeof picked_);
  const bool is_first = seen_.emplace(std::ssize(tokens), logits).second;
  if (passed) passed({&step, position(), std::ssize(tokens), logits, began, ended, ends_, is_first, decodes});
  tokens_.insert(tokens_.end(), tokens.begin(), tokens.end());
}

Token Session::picked() const {
  ASSAY_CHECK(options_.picks && picked_ >= 0);
  return Token(picked_);
}

void Session::check_logits() const {
  if (all_finite(logits_)) return;
  const bool has_nan = std::any_of(logits_.begin(), logits_.end(), [](float logit) { return logit != logit; });
  fail(
      "{}: its logits are {}, though all its weights are finite: sums overflowed, so some weights are too large; get "
      "the model again, or convert it anew",
      model_.file().name(), has_nan ? "NaN" : "infinite");
}

bool all_finite(std::span<const float> values) {
  // What is infinite or NaN is no number once it is taken from itself.
  bool finite = true;
  size_t done = 0;
  for (; done + kAtOnce <= values.size(); done += kAtOnce) {  // so many that compilers make vectors of them
    unsigned odd = 0;
    for (size_t i = 0; i < kAtOnce; ++i) odd += unsigned(values[done + i] - values[done + i] != 0);
    finite &= odd == 0;
  }
  for (; done < values.size(); ++done) finite &= values[done] - values[done] == 0;
  return finite;
}

}  // namespace assay
