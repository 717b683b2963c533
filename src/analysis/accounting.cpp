// Events sorted to whom they concern: buffers to be paired, CPU work, totals that end tokens, odd ones.
#include "analysis/accounting.h"

#include <algorithm>
#include <charconv>
#include <utility>

#include "trace/matmul_fields.h"

namespace assay {
namespace {

constexpr int64_t kLatestStampNs =
    INT64_C(4'000'000'000'000'000'000);  // the year 2096; differences stay within 64 bits
constexpr size_t kMostRepeated = 20;
constexpr int64_t kMostRows = 1 << 24;  // of a pass: more is damage

bool has_in_any_case(std::string_view text, std::string_view lower_part) {
  const auto same = [](char a, char b) { return (a >= 'A' && a <= 'Z' ? static_cast<char>(a - 'A' + 'a') : a) == b; };
  return std::search(text.begin(), text.end(), lower_part.begin(), lower_part.end(), same) != text.end();
}

Phase phase_of(std::string_view scope) {
  const std::string_view first = scope.substr(0, scope.find('/'));
  if (has_in_any_case(first, "prompt") || has_in_any_case(first, "prefill")) return Phase::prompt;
  return has_in_any_case(first, "generat") || has_in_any_case(first, "decod") ? Phase::decode : Phase::none;
}

/// The last product of a step, right below the phase: "Generation Loop/generation_step_output".
bool ends_step(std::string_view scope) {
  const size_t slash = scope.find('/');
  if (slash == std::string_view::npos || scope.find('/', slash + 1) != std::string_view::npos) return false;
  const std::string_view last = scope.substr(slash + 1);
  return last.ends_with("step_output") || last == "logits" || last == "lm_head";
}

/// SCOPE where the name begins with SCOPE/SCOPE; "" if it does not.
std::string_view doubled_scope(std::string_view name) {
  std::string_view longest;
  for (size_t slash = name.find('/'); slash != std::string_view::npos && slash * 2 < name.size();
       slash = name.find('/', slash + 1)) {
    const bool ends = name.size() == slash * 2 + 1 || name[slash * 2 + 1] == '/';
    if (ends && name.substr(slash + 1, slash) == name.substr(0, slash)) longest = name.substr(0, slash);
  }
  return longest;
}

std::string_view without_last_slash(std::string_view text) {
  return text.ends_with('/') ? text.substr(0, text.size() - 1) : text;
}

template <typename T>
T& at(std::vector<T>& list, StringId id, T fresh) {
  if (id >= list.size()) list.resize(std::max<size_t>(id + 1, list.size() * 2), fresh);
  return list[id];
}

}  // namespace

void TimeAccounting::watch_tokens(std::function<void(const TokenSpan&)> watch) {
  ledger_.on_token = [this, watch = std::move(watch)](TokenSpan token) {
    token.begin_ns += clock_shift_ns_;
    token.end_ns += clock_shift_ns_;
    watch(token);
  };
}

void TimeAccounting::consume(const Batch& batch, const StringTable& strings) {
  for (const BadLine& bad : batch.bad_lines) watch_.bad_line(bad);
  for (const Event& event : batch.events) consume(event, strings);
}

void TimeAccounting::consume(const Event& event, const StringTable& strings) {
  const bool stamped = event.timestamp_ns >= 0 && event.timestamp_ns <= kLatestStampNs;
  const bool counts = event.has_duration() &&
                      (event.type == EventType::gpu_op_completed || event.type == EventType::internal_kernel_completed);
  const Int128 us = counts ? event.duration_us() : 0;
  const bool is_odd = us < 0 || us > kLongestNs / 1000;
  if (stamped && !is_odd && ledger_.in_token())
    clock_shift_ns_ += watch_.jump_ns(event.timestamp_ns - clock_shift_ns_ - int64_t(us) * 1000, event.line);
  const int64_t stamp_ns = event.timestamp_ns - clock_shift_ns_;
  int8_t& begins_run = at<int8_t>(begins_run_, event.type_name, -1);
  if (begins_run < 0) begins_run = strings.text(event.type_name) == "GgufFileMmap";
  if ((stamped && watch_.stamp(stamp_ns, event.line)) || (begins_run && is_active_)) new_run();
  last_line_ = event.line;
  if (!stamped && has_stamps_) watch_.unstamped.add(event.line);
  has_stamps_ = has_stamps_ || stamped;
  const bool is_gpu_time =
      event.type == EventType::gpu_op_completed && op_name(event.op_name, strings).kind == OpName::Kind::gpu;
  if (counts && doubles_.timed(event, stamped, is_gpu_time)) return;
  if (is_odd) {
    watch_.odd_durations.add(event.line);
    return;
  }
  const Span span{static_cast<int64_t>(us), stamped ? stamp_ns : kNoTime};
  if (stamped) ledger_.see(span.end_ns, span.begin_ns());
  if (!counts) return;
  if (event.type == EventType::gpu_op_completed)
    gpu_op(event, strings, span);
  else
    internal_kernel(event, strings, span);
}

void TimeAccounting::gpu_op(const Event& event, const StringTable& strings, const Span& span) {
  const OpName name = op_name(event.op_name, strings);
  if (name.kind == OpName::Kind::gpu) {
    pairing_.gpu(name.scope, span, event.line);
  } else if (name.kind == OpName::Kind::wait) {
    pairing_.wait(name.scope, span);
    doubles_.wait(span, event.line);
  } else {
    const StringId shape = event.matmul != kMissing ? event.matmul
                           : name.path_has_fields   ? LengthSums::path_key(event.op_name)
                                                    : kMissing;
    if (shape != kMissing) lengths_.add_op(shape, span.us);
    pairing_.op(name.scope, span, shape);
    if (event.matmul != kMissing) count_given(event, strings);
  }
  if (step_end_.phase != Phase::none) step_ended();
}

void TimeAccounting::internal_kernel(const Event& event, const StringTable& strings, const Span& span) {
  Internal& kind = at(internals_, event.internal_kernel_name, Internal::unknown);
  if (kind == Internal::unknown) {
    const std::string_view name = strings.text(event.internal_kernel_name);
    kind = name == "iteration_total"                        ? Internal::iteration
           : name == "forward_step_total"                   ? Internal::forward
           : name.ends_with("_total")                       ? Internal::total
           : name.find("cb_wait") != std::string_view::npos ? Internal::wait
                                                            : Internal::work;
  }
  if (kind == Internal::work) ledger_.book({span.end_ns, span.us * 1000, 0, Booking::Kind::cpu, false}, Phase::none);
  if (kind == Internal::forward) ledger_.forward_took(span.us * 1000);
  if (kind != Internal::total && kind != Internal::forward && kind != Internal::iteration) return;
  if (span.end_ns != kNoTime) watch_.total(event.internal_kernel_name, span.end_ns, span.us);
  if (kind != Internal::iteration) return;
  pairing_.close_all();
  step_end_ = {};
  any_iteration_ = true;
  has_decoded_ = false;
  ledger_.end_token(Phase::decode, ledger_.here(span.end_ns), TokenLedger::Total{span.us * 1000, event.line});
}

const TimeAccounting::OpName& TimeAccounting::op_name(StringId id, const StringTable& strings) {
  OpName& known = at(op_names_, id, OpName{});
  if (known.kind != OpName::Kind::unknown &&
      (known.kind != OpName::Kind::op || known.scope != kNoScope || known.scopes_known == scopes_.size()))
    return known;
  const std::string_view name = strings.text(id);
  const OpClass op_kind = name == "cb_gpu" ? OpClass::command_buffer : op_class(name);
  if (op_kind == OpClass::command_buffer) {
    known.kind = OpName::Kind::gpu;
    known.scope = scope_of(without_last_slash(name.substr(0, name.find("cb_gpu"))));
  } else if (op_kind == OpClass::wait) {
    known.kind = OpName::Kind::wait;
    const size_t slash = name.rfind('/'), end = slash == std::string_view::npos ? 0 : slash;
    known.scope = scope_of(without_last_slash(name.substr(
        0, std::min(name.find("cb_wait"), name.find("cb_wait") == std::string_view::npos ? end : name.size()))));
  } else {
    known.kind = OpName::Kind::op;
    const std::string_view doubled = doubled_scope(name);
    known.scope = doubled.empty() ? known_scope(name) : scope_of(doubled);
    known.scopes_known = scopes_.size();
    known.path_has_fields = !fields_of_path(name).empty();
  }
  return known;
}

ScopeId TimeAccounting::scope_of(std::string_view name) {
  const auto [place, is_new] = scope_ids_.try_emplace(name, kNoScope);
  if (is_new) {
    place->second = pairing_.add_scope();
    const Phase phase = phase_of(name);
    scopes_.push_back(
        {name, phase, ends_step(name), phase == Phase::decode && name.find('/') != std::string_view::npos});
  }
  return place->second;
}

/// The longest scope that the name lies in.
ScopeId TimeAccounting::known_scope(std::string_view name) const {
  for (size_t slash = name.rfind('/'); slash != std::string_view::npos && slash > 0; slash = name.rfind('/', slash - 1))
    if (const auto known = scope_ids_.find(name.substr(0, slash)); known != scope_ids_.end()) return known->second;
  return kNoScope;
}

void TimeAccounting::buffer(const PairedBuffer& buffer) {
  const ScopeName scope = buffer.scope == kNoScope ? ScopeName{} : scopes_[buffer.scope];
  const Booking::Kind kind = buffer.has_gpu ? Booking::Kind::buffer : Booking::Kind::unsplit;
  const int64_t gpu_ns = buffer.has_gpu ? buffer.gpu_us * 1000 : 0;
  ledger_.book({buffer.wall.end_ns, buffer.wall.us * 1000, gpu_ns, kind, scope.is_forward}, scope.phase);
  is_active_ = is_active_ || scope.phase != Phase::none;
  if (buffer.has_gpu && buffer.matmul != kMissing) lengths_.add_gpu(buffer.matmul, buffer.gpu_us);
  if (scope.ends_step && scope.phase != Phase::none) step_end_ = {scope.phase, buffer.wall.end_ns};
}

void TimeAccounting::host(ScopeId scope, const Span& span) {
  ledger_.book({span.end_ns, span.us * 1000, 0, Booking::Kind::host, false},
               scope == kNoScope ? Phase::none : scopes_[scope].phase);
}

/// A pass over several tokens of a prompt embeds all of them.
void TimeAccounting::count_given(const Event& event, const StringTable& strings) {
  int64_t& rows = at<int64_t>(embedded_rows_, event.matmul, -1);
  if (rows < 0) {
    rows = 0;
    const MatmulFields fields = unpack_fields(strings.text(event.matmul));
    const std::string_view m = field_or(fields, "m", "");
    if (field_or(fields, "op", "") == "embedding") std::from_chars(m.data(), m.data() + m.size(), rows);
    rows = std::clamp<int64_t>(rows, 0, kMostRows);
  }
  if (rows > 0 && phase_of(strings.text(event.op_name)) == Phase::prompt) begun_tokens_ += uint64_t(rows);
}

/// The output of a step was computed. A prompt token ends there; a decoded one goes on if the engine writes totals,
/// which is known once the next thing comes.
void TimeAccounting::step_ended() {
  const StepEnd step = std::exchange(step_end_, {});
  if (step.phase == Phase::prompt) {
    decoded_until_mark();
    pairing_.close_all();
    step_end_ = {};
    given_tokens_ += std::exchange(begun_tokens_, 0);
    ledger_.end_token(Phase::prompt, ledger_.here(step.end_ns), std::nullopt);
  } else if (!any_iteration_) {
    decoded_until_mark();
    decoded_ = ledger_.here(step.end_ns);
    has_decoded_ = true;
  }
}

void TimeAccounting::decoded_until_mark() {
  if (has_decoded_) ledger_.end_token(Phase::decode, decoded_, std::nullopt);
  has_decoded_ = false;
}

void TimeAccounting::new_run() {
  pairing_.close_all();
  step_end_ = {};
  decoded_until_mark();
  ledger_.end_run(last_line_);
  watch_.new_run();
  doubles_.new_run();
  clock_shift_ns_ = 0;
  begun_tokens_ = 0;
  is_active_ = false;
}

Accounts TimeAccounting::finish(const StringTable& strings) {
  new_run();
  Accounts accounts;
  accounts.load = ledger_.load;
  accounts.outside = ledger_.outside;
  accounts.prompt = std::move(ledger_.prompt);
  accounts.prompt.given_tokens = given_tokens_;
  accounts.decode = std::move(ledger_.decode);
  accounts.slopes = lengths_.slopes(strings);
  accounts.pairing = pairing_.counts();
  accounts.tokens_without_clock = ledger_.tokens_without_clock;
  accounts.has_stamps = has_stamps_;
  Anomalies& odd = accounts.anomalies;
  watch_.finish(strings, odd);
  odd.cut_offs = std::move(ledger_.cut_offs);
  odd.cut_off_count = ledger_.cut_off_count;
  odd.short_totals = ledger_.short_totals;
  odd.early_totals = ledger_.early_totals;
  odd.events_twice = doubles_.events();
  odd.runs_twice = doubles_.runs();
  odd.crossing_waits = odd.events_twice.odd.times ? OddShare{} : doubles_.waits();
  odd.minute_gpu = {accounts.pairing.minute, accounts.pairing.minute_line, 0};
  odd.minute_gpu_wall_us = accounts.pairing.minute_wall_us;
  odd.lone_gpu.times = pairing_.lone_rest();
  for (const auto& [key, lone] : pairing_.lone()) {
    const uint64_t times = lone.times - lone.believed;
    if (times >= 2)
      odd.repeated.push_back({std::string(scopes_[key >> 40].name),
                              static_cast<int64_t>(key & ((uint64_t(1) << 40) - 1)), times, lone.first_line});
    if (times == 1 && (odd.lone_gpu.times++ == 0 || lone.first_line < odd.lone_gpu.first_line))
      odd.lone_gpu.first_line = lone.first_line;
  }
  std::sort(odd.repeated.begin(), odd.repeated.end(), [](const UnpairedGpuTime& a, const UnpairedGpuTime& b) {
    return std::make_pair(Int128(b.us) * b.times, a.first_line) < std::make_pair(Int128(a.us) * a.times, b.first_line);
  });
  if (odd.repeated.size() > kMostRepeated) odd.repeated.resize(kMostRepeated);
  const uint64_t tokens = accounts.prompt.tokens + accounts.decode.tokens;
  if (!has_stamps_ || (tokens > 0 && accounts.tokens_without_clock * 2 > tokens)) odd.forget_clock();
  return accounts;
}

}  // namespace assay
