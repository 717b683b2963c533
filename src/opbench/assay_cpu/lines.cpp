// Softmax and LayerNorm: what needs all of a line along the last axis before it can write the first element.
#include <cmath>
#include <vector>

#include "functions.h"
#include "own_operations.h"

namespace assay {
namespace {

constexpr int64_t kAhead = kPrefetchBytes / 4;  // elements that are fetched ahead of what comes from memory
constexpr int64_t kKept = 1 << 15;   // elements of a line that fit beside its exponentials into the second-level cache
constexpr int64_t kPiece = 1 << 11;  // of a longer line: stays in the first-level cache
constexpr int64_t kTogether = 1 << 19;  // elements of such lines that threads sum before they write them

float largest_of(const float* x, int64_t count) {
  Vec best[2] = {set1(-std::numeric_limits<float>::infinity()), set1(-std::numeric_limits<float>::infinity())};
  int64_t i = 0;
  for (; i + 2 * kLanes <= count; i += 2 * kLanes)
    for (int u = 0; u < 2; ++u) best[u] = larger(best[u], load(x + i + u * kLanes));
  float value = largest(larger(best[0], best[1]));
  for (; i < count; ++i) value = std::max(value, x[i]);
  return value;
}

struct ExponentialSum {
  float value;
  bool is_plain;  // no element is beyond kPlain
};

/// use(i, e^(x - top), how many of its lanes count) along a line, and tell(i) of what comes later; their sum. PLAIN:
/// e^x, right only if the sum says so.
template <bool PLAIN, typename Tell, typename Use>
ExponentialSum exponentials(const float* x, int64_t count, float top, Tell tell, Use use) {
  const Vec shift = set1(-top);
  Vec sums[4] = {zero(), zero(), zero(), zero()}, most[2] = {zero(), zero()};
  const auto power = [&](Vec v, int u) {
    if (!PLAIN) return exponential_below(add(v, shift));
    most[u % 2] = larger(size_of(v), most[u % 2]);
    return exponential_within(v);
  };
  int64_t i = 0;
  for (; i + 4 * kLanes <= count; i += 4 * kLanes)
    for (int u = 0; u < 4; ++u) {
      tell(i + u * kLanes);
      const Vec e = power(load(x + i + u * kLanes), u);
      use(i + u * kLanes, e, kLanes);
      sums[u] = add(sums[u], e);
    }
  float tail = 0;
  for (; i < count; i += kLanes) {
    const int part = int(std::min<int64_t>(kLanes, count - i));
    const Vec e = power(load_part(x + i, part), 0);
    use(i, e, part);
    float values[kLanes];
    store(values, e);
    for (int lane = 0; lane < part; ++lane) tail += values[lane];
  }
  const float value = sum(add(add(sums[0], sums[1]), add(sums[2], sums[3]))) + tail;
  return {value, PLAIN && !any_beyond_plain(larger(most[0], most[1]))};
}

template <bool STREAMED>
void scaled(const float* x, int64_t count, float scale, float* to) {
  int64_t i = 0;
  for (; i + kLanes <= count; i += kLanes) put<STREAMED>(to + i, mul(load(x + i), set1(scale)));
  for (; i < count; ++i) to[i] = x[i] * scale;
}

/// Lines of GROUP elements, as many as a vector has room for at once: no line needs a loop.
template <int GROUP, bool STREAMED>
void softmax_of_groups(const float* x, float* y, Share elements) {
  for (int64_t i = elements.begin; i < elements.end; i += kLanes) {
    if (STREAMED) __builtin_prefetch(x + i + kAhead, 0, 3);
    const Vec v = load(x + i);
    const Vec e = any_beyond_plain(size_of(v)) ? exponential_below(add(v, mul(group_largest<GROUP>(v), set1(-1))))
                                               : exponential_within(v);
    put<STREAMED>(y + i, mul(e, reciprocal(group_sum<GROUP>(e))));
  }
}

/// Lines of VECTORS vectors, which stay in registers.
template <int VECTORS, bool STREAMED>
void softmax_of_short(const float* x, float* y, Share lines) {
  for (int64_t line = lines.begin; line < lines.end; ++line) {
    const float* from = x + line * VECTORS * kLanes;
    Vec v[VECTORS], most = zero();
    for (int i = 0; i < VECTORS; ++i) {
      if (STREAMED) tell_pages_ahead(x, (line * VECTORS + i) * kLanes);
      v[i] = load(from + i * kLanes);
      most = larger(size_of(v[i]), most);
    }
    if (any_beyond_plain(most)) {
      Vec top = v[0];
      for (int i = 1; i < VECTORS; ++i) top = larger(top, v[i]);
      const Vec shift = mul(group_largest<kLanes>(top), set1(-1));
      for (int i = 0; i < VECTORS; ++i) v[i] = exponential_below(add(v[i], shift));
    } else {
      for (int i = 0; i < VECTORS; ++i) v[i] = exponential_within(v[i]);
    }
    Vec total = v[0];
    for (int i = 1; i < VECTORS; ++i) total = add(total, v[i]);
    const Vec scale = reciprocal(group_sum<kLanes>(total));
    for (int i = 0; i < VECTORS; ++i) put<STREAMED>(y + (line * VECTORS + i) * kLanes, mul(v[i], scale));
  }
}

/// While a line's exponentials are made, the line before leaves for memory: each alone would leave the other's part of
/// the processor idle.
template <bool STREAMED>
void softmax_of_kept(const float* x, float* y, int64_t count, Share lines) {
  thread_local std::vector<float> space;
  const int64_t room = (count + 2 * kLanes - 1) / kLanes * kLanes;
  space.resize(size_t(2 * room) + 16);
  float* kept = reinterpret_cast<float*>((reinterpret_cast<uintptr_t>(space.data()) + 63) / 64 * 64);
  float* before = kept + room;
  float* to = nullptr;  // where the line before goes
  float scale = 0;
  for (int64_t line = lines.begin; line < lines.end; ++line) {
    const float* from = x + line * count;
    const Vec scales = set1(scale);
    const auto tell = [=](int64_t i) {
      STREAMED ? tell_pages_ahead(x, line * count + i) : __builtin_prefetch(from + count + i, 0, 3);
    };
    ExponentialSum sum = exponentials<true>(from, count, 0, tell, [=](int64_t i, Vec e, int part) {
      if (part < kLanes) {
        store_part(kept + i, e, part);
        if (to) store_part(to + i, mul(load_part(before + i, part), scales), part);
        return;
      }
      store(kept + i, e);
      if (to) put<STREAMED>(to + i, mul(load(before + i), scales));
    });
    if (!sum.is_plain)
      sum = exponentials<false>(from, count, largest_of(from, count), tell, [=](int64_t i, Vec e, int part) {
        part < kLanes ? store_part(kept + i, e, part) : store(kept + i, e);
      });
    scale = 1 / sum.value, to = y + line * count;
    std::swap(kept, before);
  }
  if (to) scaled<STREAMED>(before, count, scale, to);
}

/// The sum of a line, or of a thread's part of it, that fits no near cache.
struct LongSum {
  double value = 0;  // of e^(x - top)
  float top = -std::numeric_limits<float>::infinity();
  bool is_plain = true;  // then top is 0, or there is nothing to sum
};

LongSum sum_of_parts(const LongSum* parts, int count) {
  LongSum all;
  // A plain part's top of 0 may be below its numbers, but by no more than an exponential holds.
  for (int i = 0; i < count; ++i) all.top = std::max(all.top, parts[i].top);
  for (int i = 0; i < count; ++i) {
    all.value += parts[i].value * std::exp(double(parts[i].top) - double(all.top));
    all.is_plain = all.is_plain && parts[i].is_plain;
  }
  return all;
}

/// What is left of a line, or of a thread's part of it, whose sum is known: to be read once more and written.
template <bool STREAMED>
class LongRest {
 public:
  LongRest(const float* x, float* y, int64_t count, const LongSum& sum)
      : x_(x),
        y_(y),
        count_(count),
        scale_(set1(float(1 / sum.value))),
        shift_(set1(-sum.top)),
        is_plain_(sum.is_plain) {}

  void write(int64_t i, int part) const {
    const auto result = [this](Vec v) {
      return mul(is_plain_ ? exponential_within(v) : exponential_below(add(v, shift_)), scale_);
    };
    __builtin_prefetch(x_ + i + kAhead, 0, 3);
    part == kLanes ? put<STREAMED>(y_ + i, result(load(x_ + i)))
                   : store_part(y_ + i, result(load_part(x_ + i, part)), part);
  }
  void write_from(int64_t begin) const {
    for (int64_t i = begin; i < count_; i += kLanes) write(i, int(std::min<int64_t>(kLanes, count_ - i)));
    if (STREAMED) streams_done();
  }

 private:
  const float* x_;
  float* y_;
  int64_t count_;
  Vec scale_, shift_;
  bool is_plain_;
};

/// meanwhile(i, lanes) goes along while all is plain; how far it came is in `done`.
template <typename Meanwhile>
LongSum sum_of_long(const float* x, int64_t count, const Meanwhile& meanwhile, int64_t& done) {
  const auto tell_from = [x](int64_t at) { return [x, at](int64_t i) { tell_pages_ahead(x, at + i); }; };
  LongSum sum;
  for (done = 0; done < count && sum.is_plain;) {
    const int64_t at = done, width = std::min(kPiece, count - at);
    const ExponentialSum of =
        exponentials<true>(x + at, width, 0, tell_from(at), [&](int64_t i, Vec, int part) { meanwhile(at + i, part); });
    sum.value += double(of.value), sum.top = 0, sum.is_plain = of.is_plain, done += width;
  }
  if (sum.is_plain) return sum;
  sum = {0, -std::numeric_limits<float>::infinity(), false};
  for (int64_t at = 0; at < count; at += kPiece) {
    const int64_t width = std::min(kPiece, count - at);
    const float higher = std::max(sum.top, largest_of(x + at, width));
    if (higher > sum.top) sum.value *= std::exp(double(sum.top) - double(higher)), sum.top = higher;
    sum.value += double(exponentials<false>(x + at, width, sum.top, tell_from(at), [](int64_t, Vec, int) {}).value);
  }
  return sum;
}

/// While lines are summed, those before them are read again, from a far cache, and leave for memory. Each thread has a
/// part of every line.
template <bool STREAMED>
OwnRun make_long_softmax(const OperationRow& row, const ThreadTeam& team) {
  const int64_t count = row.shape().back(), lines = row.output.elements() / count;
  const int64_t together = std::max<int64_t>(kTogether / count, 1);
  return [=](const void* const* inputs, void* output) {
    const float* x = static_cast<const float*>(inputs[0]);
    float* y = static_cast<float*>(output);
    std::vector<LongSum> sums(size_t(2 * together * team.count));
    const auto sums_of = [&](int64_t line) { return sums.data() + line % (2 * together) * team.count; };
    for (int64_t first = 0; first < lines + together; first += together)
      on_team(team, true, [&](int index, int threads) {
        const Share part = share_of(count, kPiece, index, threads);
        const int64_t width = part.end - part.begin;
        for (int64_t line = first; line < first + together; ++line) {
          const int64_t before = line - together;
          int64_t done = 0;
          if (before < 0) {
            if (line < lines)
              sums_of(line)[index] = sum_of_long(
                  x + line * count + part.begin, width, [](int64_t, int) {}, done);
            continue;
          }
          if (before >= lines) break;
          const int64_t at = before * count + part.begin;
          const LongRest<STREAMED> rest(x + at, y + at, width, sum_of_parts(sums_of(before), threads));
          if (line < lines)
            sums_of(line)[index] = sum_of_long(
                x + line * count + part.begin, width, [&](int64_t i, int lanes) { rest.write(i, lanes); }, done);
          rest.write_from(done);
        }
      });
  };
}

template <bool STREAMED>
void softmax(const float* x, float* y, int64_t count, Share lines) {
  const Share elements{lines.begin * count, lines.end * count};
  if (count == 8 && kLanes >= 8 && elements.end % kLanes == 0 && elements.begin % kLanes == 0)
    softmax_of_groups<8, STREAMED>(x, y, elements);
  else if (count == kLanes)
    softmax_of_short<1, STREAMED>(x, y, lines);
  else if (count == 4 * kLanes)
    softmax_of_short<4, STREAMED>(x, y, lines);
  else if (count == 8 * kLanes)
    softmax_of_short<8, STREAMED>(x, y, lines);
  else
    softmax_of_kept<STREAMED>(x, y, count, lines);
  if (STREAMED) streams_done();
}

/// y = (x * scale + offset) * w + b of a line.
struct NormLine {
  float scale, offset;
};

/// Of its sum and the sum of its squares. Where the mean is large beside the spread, squares are taken anew about the
/// mean: their difference to its square would keep few digits.
NormLine norm_of(const float* x, int64_t count, float all, float squares) {
  constexpr float kMuch = 4;  // of mean² to the variance: costs 2 to 3 of 24 bits
  const float mean = all / float(count);
  float variance = squares / float(count) - mean * mean;
  if (!(mean * mean <= kMuch * variance)) {
    double about = 0;
    for (int64_t i = 0; i < count; ++i) about += double(x[i] - mean) * double(x[i] - mean);
    variance = float(about / double(count));
  }
  const float scale = 1 / std::sqrt(variance + 1e-5f);
  return {scale, -mean * scale};
}

/// While a line is summed, the one before it, which is in the first-level cache still, leaves. The lines come by turns
/// from two parts of them. One line after the other was summed and written in 130 us, so it takes 116 (the mover 90):
/// what is left is the way to that cache and back. Two lines at once, whose w and b are loaded once, fill it: 132.
template <bool STREAMED>
void norm(const float* x, const float* w, const float* b, float* y, int64_t count, Share lines) {
  constexpr int kChains = 4;
  constexpr int64_t kParts = 2, kStep = kChains * kLanes;
  const int64_t whole = count / kStep * kStep, many = lines.end - lines.begin, each = many / kParts;
  const auto line_of = [&](int64_t turn) {
    return (lines.begin + (turn < kParts * each ? turn % kParts * each + turn / kParts : turn)) * count;
  };
  const float* from = nullptr;
  float* to = nullptr;
  NormLine of{0, 0};
  for (int64_t turn = 0; turn <= many; ++turn) {
    const float* next = turn < many ? x + line_of(turn) : nullptr;
    Vec sums[kChains], squares[kChains];
    for (int u = 0; u < kChains; ++u) sums[u] = squares[u] = zero();
    const Vec scale = set1(of.scale), offset = set1(of.offset);
    const auto meet = [&](int64_t i) {
      if (STREAMED) __builtin_prefetch(next + i + kAheadOfCopy, 0, 2);
      for (int u = 0; u < kChains; ++u) {
        const Vec v = load(next + i + u * kLanes);
        sums[u] = add(sums[u], v), squares[u] = fma(v, v, squares[u]);
      }
    };
    const auto write = [&](int64_t begin) {
      for (int64_t i = begin; i < begin + kStep; i += kLanes)
        put<STREAMED>(to + i, fma(fma(load(from + i), scale, offset), load(w + i), load(b + i)));
    };
    int64_t met = 0, written = 0;
    for (; next && from && met < whole; met += kStep, written += kStep) meet(met), write(written);
    for (; next && met < whole; met += kStep) meet(met);
    for (; from && written < whole; written += kStep) write(written);
    for (; from && written < count; ++written)
      to[written] = (from[written] * of.scale + of.offset) * w[written] + b[written];
    if (!next) break;
    for (; met < count; met += kLanes) {
      const Vec v = load_part(next + met, int(std::min<int64_t>(kLanes, count - met)));
      sums[0] = add(sums[0], v), squares[0] = fma(v, v, squares[0]);
    }
    const auto all = [](const Vec* v) { return sum(add(add(v[0], v[1]), add(v[2], v[3]))); };
    of = norm_of(next, count, all(sums), all(squares));
    from = next, to = y + (next - x);
  }
  if (STREAMED) streams_done();
}

}  // namespace

OwnRun make_lines(const OperationRow& row, const ThreadTeam& team) {
  const bool is_softmax = row.operation == Operation::softmax;
  if (!is_softmax && row.operation != Operation::layer_norm) return {};
  const int64_t count = row.shape().back(), lines = row.output.elements() / count;
  // A line that begins within a cache line cannot be written past the caches.
  const bool streamed = row.output.bytes() >= kStreamedBytes && count * 4 % 64 == 0;
  if (is_softmax && count > kKept)
    return streamed ? make_long_softmax<true>(row, team) : make_long_softmax<false>(row, team);
  const bool streams_groups = row.output.bytes() >= kStreamedBytes && count == 8;
  return [=](const void* const* inputs, void* output) {
    const float* x = static_cast<const float*>(inputs[0]);
    float* y = static_cast<float*>(output);
    on_team(team, row.output.elements() >= kLeastShared, [&](int index, int threads) {
      const Share mine = share_of(lines, count == 8 ? 8 : 1, index, threads);
      const bool past = streamed || (streams_groups && mine.end * count % kLanes == 0);
      if (is_softmax) return past ? softmax<true>(x, y, count, mine) : softmax<false>(x, y, count, mine);
      const float *w = static_cast<const float*>(inputs[1]), *b = static_cast<const float*>(inputs[2]);
      past ? norm<true>(x, w, b, y, count, mine) : norm<false>(x, w, b, y, count, mine);
    });
  };
}

}  // namespace assay
