// Pairing by scope and order, with one question asked of every GPU time: can what the host saw have held it?
#include "analysis/buffer_pairing.h"

#include <algorithm>
#include <cstdlib>
#include <limits>

namespace assay {
namespace {

constexpr int64_t kSlackUs = 2;  // durations are cut to whole µs, each on its own
constexpr size_t kMostLone = 4096;
constexpr int64_t kMinuteUs = 1, kMinuteWallUs = 20;  // no kernel runs for 1 µs and is waited for 20

bool is_timed(const Span& span) { return span.end_ns != kNoTime; }
uint64_t lone_key(ScopeId scope, int64_t us) { return uint64_t(scope) << 40 | static_cast<uint64_t>(us); }

bool contains(const Span& outer, const Span& inner) {
  if (inner.us > outer.us + kSlackUs) return false;
  if (!is_timed(outer) || !is_timed(inner)) return true;
  return outer.begin_ns() <= inner.begin_ns() + kSlackUs * 1000 && outer.end_ns >= inner.end_ns - kSlackUs * 1000;
}

/// From the earlier begin to the later end.
Span hull(const Span& a, const Span& b) {
  const int64_t end_ns = std::max(a.end_ns, b.end_ns);
  return {(end_ns - std::min(a.begin_ns(), b.begin_ns())) / 1000, end_ns};
}

}  // namespace

bool BufferPairing::Open::holds(const Span& time) const { return time.us <= std::max(op.us, wait.us) + kSlackUs; }

ScopeId BufferPairing::add_scope() {
  scopes_.emplace_back();
  return static_cast<ScopeId>(scopes_.size() - 1);
}

BufferPairing::Open& BufferPairing::push(Scope& scope, ScopeId id) {
  if (scope.count == kMostOpen) close(id, 0);
  if (!scope.is_listed) {
    scope.is_listed = true;
    listed_.push_back(id);
  }
  scope.ever_held = true;
  scope.last_lacks_op = false;
  return scope.open[scope.count++] = Open{};
}

void BufferPairing::op(ScopeId id, const Span& op, StringId matmul) {
  if (id == kNoScope) {
    close_bare();
    bare_ = Open{};
    bare_.op = op, bare_.ops = 1, bare_.matmul = matmul;
    has_bare_ = true;
    return;
  }
  Scope& scope = scopes_[id];
  if (scope.last_lacks_op && is_timed(op) && contains(op, scope.last_wall)) {  // written after what it holds
    scope.last_lacks_op = false;
    sink_.host(id, {std::max<int64_t>(op.us - scope.last_wall.us, 0), scope.last_wall.begin_ns()});
    return;
  }
  if (scope.count > 0 && scope.open[scope.count - 1].has_gpu) close(id, scope.count - 1u);  // nobody waits for it
  if (scope.count > 0 && !scope.open[scope.count - 1].has_wait) {  // another kernel of the same buffer
    Open& open = scope.open[scope.count - 1];
    if (is_timed(op) && is_timed(open.op)) {
      sink_.host(id, open.op);
      open.op = op;
    } else if (op.us > open.op.us) {
      open.op = op;
    }
    ++open.ops;
    open.matmul = kMissing;
    return;
  }
  Open& open = push(scope, id);
  open.op = op, open.ops = 1, open.matmul = matmul;
}

void BufferPairing::wait(ScopeId id, const Span& wait) {
  any_wait_ = true;
  Scope& scope = scopes_[id];
  const auto end = scope.open + scope.count;
  auto open = std::find_if(scope.open, end, [](const Open& o) { return !o.has_wait; });
  if (open == end) {
    Open& made = push(scope, id);
    if (has_bare_ && contains(bare_.op, wait)) {
      made = bare_;
      has_bare_ = false;
    }
    open = &made;
  }
  open->wait = wait;
  open->has_wait = true;
  if (scope.has_early && !open->has_gpu && is_timed(wait) && is_timed(scope.early) &&
      scope.early.end_ns > wait.begin_ns() && open->holds(scope.early)) {
    open->gpu = scope.early, open->gpu_line = scope.early_line;
    open->has_gpu = true;
    scope.has_early = false;
  }
  if (open->has_gpu) close(id, static_cast<size_t>(open - scope.open));
}

void BufferPairing::gpu(ScopeId id, const Span& gpu, uint64_t line) {
  Scope& scope = scopes_[id];
  Open *nearest = nullptr, *misfit = nullptr;
  int64_t least_ns = std::numeric_limits<int64_t>::max();
  for (Open* open = scope.open; open < scope.open + scope.count; ++open) {
    if (open->has_gpu) continue;
    if (!open->holds(gpu)) {
      if (!misfit && open->has_wait) misfit = open;
      continue;
    }
    const Span& held_by = open->has_wait ? open->wait : open->op;
    const int64_t apart_ns = is_timed(gpu) && is_timed(held_by) ? std::abs(gpu.end_ns - held_by.end_ns) : 0;
    if (apart_ns < least_ns) nearest = open, least_ns = apart_ns;
  }
  if (nearest) {
    nearest->gpu = gpu, nearest->gpu_line = line;
    nearest->has_gpu = true;
    if (nearest->has_wait || !any_wait_) close(id, static_cast<size_t>(nearest - scope.open));
  } else if (misfit) {
    misfit->misfit = gpu;
    ++misfit->misfits;
    misfit->misfit_is_new = gpu.us != scope.last_misfit_us;
    scope.last_misfit_us = gpu.us;
    note_lone(id, gpu, line);
  } else if (!scope.ever_held) {  // nobody ever waited here: the GPU's word is all there is
    PairedBuffer buffer{id, gpu, gpu.us, false, true, 0, kMissing};
    ++counts_.whole;
    sink_.buffer(buffer);
  } else {
    give_up_early(id);
    scope.early = gpu, scope.early_line = line;
    scope.has_early = true;
    if (!scope.is_listed) {
      scope.is_listed = true;
      listed_.push_back(id);
    }
  }
}

void BufferPairing::close(ScopeId id, size_t index) {
  Scope& scope = scopes_[id];
  emit(id, scope.open[index]);
  std::move(scope.open + index + 1, scope.open + scope.count, scope.open + index);
  --scope.count;
}

void BufferPairing::close_bare() {
  if (!has_bare_) return;
  has_bare_ = false;
  emit(kNoScope, bare_);
}

void BufferPairing::emit(ScopeId id, Open& open) {
  PairedBuffer buffer{id,       open.has_wait ? open.wait : open.op,   -1, open.has_wait, open.has_gpu,
                      open.ops, open.ops == 1 ? open.matmul : kMissing};
  if (open.has_wait && open.ops > 0) {
    if (!is_timed(open.op) || !is_timed(open.wait))
      buffer.wall.us = open.op.us + kSlackUs >= open.wait.us ? open.op.us : open.op.us + open.wait.us;
    else if (open.op.end_ns + kSlackUs * 1000 < open.wait.begin_ns() ||
             open.wait.end_ns + kSlackUs * 1000 < open.op.begin_ns())
      sink_.host(id, open.op);
    else
      buffer.wall = hull(open.op, open.wait);
  }
  if (open.has_gpu) {
    ++counts_.whole;
    buffer.gpu_us = open.gpu.us;
    if (open.gpu.us <= kMinuteUs && buffer.wall.us >= kMinuteWallUs) {
      if (counts_.minute++ == 0) counts_.minute_line = open.gpu_line;
      counts_.minute_wall_us += static_cast<uint64_t>(buffer.wall.us);
    }
  } else if (!is_late(id, open)) {
    ++(open.has_wait ? counts_.without_gpu : counts_.ops_alone);
  } else {
    ++counts_.late;
    buffer.has_gpu = true;
    buffer.gpu_us = open.misfit.us;
    buffer.wall = is_timed(buffer.wall) ? hull(buffer.wall, {open.misfit.us, buffer.wall.end_ns})
                                        : Span{std::max(buffer.wall.us, open.misfit.us), kNoTime};
  }
  if (id != kNoScope) {
    scopes_[id].last_lacks_op = open.ops == 0 && is_timed(buffer.wall);
    scopes_[id].last_wall = buffer.wall;
  }
  sink_.buffer(buffer);
}

/// A GPU time longer than the wait is believed if it is the only one that came and not the one that came last in this
/// scope: the buffer began to run before it was waited for. A value that comes twice in a row is an old one, reported
/// again.
bool BufferPairing::is_late(ScopeId id, const Open& open) {
  if (open.misfits != 1 || !open.misfit_is_new) return false;
  if (const auto said = lone_.find(lone_key(id, open.misfit.us)); said != lone_.end())
    ++said->second.believed;
  else
    --lone_rest_;
  return true;
}

void BufferPairing::note_lone(ScopeId scope, const Span& gpu, uint64_t line) {
  const uint64_t key = lone_key(scope, gpu.us);
  if (lone_.size() >= kMostLone && !lone_.contains(key)) {
    ++lone_rest_;
    return;
  }
  LoneGpuTime& lone = lone_[key];
  if (lone.times++ == 0) lone.first_line = line;
}

void BufferPairing::give_up_early(ScopeId id) {
  Scope& scope = scopes_[id];
  if (!scope.has_early) return;
  scope.has_early = false;
  note_lone(id, scope.early, scope.early_line);
}

void BufferPairing::close_all() {
  close_bare();
  for (const ScopeId id : listed_) {
    while (scopes_[id].count > 0) close(id, 0);
    give_up_early(id);
    scopes_[id].is_listed = false;
    scopes_[id].last_lacks_op = false;
  }
  listed_.clear();
}

}  // namespace assay
