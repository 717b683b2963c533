// A whole probe run.
#include "probe/sweep.h"

#include <algorithm>
#include <cmath>
#include <ctime>
#include <set>
#include <thread>

#include "base/clock.h"
#include "base/error.h"
#include "base/hash.h"
#include "base/json.h"
#include "base/memory.h"
#include "base/stages.h"
#include "measure/binding.h"
#include "measure/measuring_lock.h"
#include "store/kept.h"

namespace assay {
namespace {

constexpr std::string_view kThoroughTag = "thorough", kQuickTag = "quick";
// Seen where memory reads 30 GB/s: what a spec takes; a case in all its visits; that of a case that fills a footprint
// with copies, and for each byte of its weights. Of a device that is opened for each visit (H200): that, and a case.
constexpr double kSpecSeconds = 0.35, kCaseSeconds = 0.055, kCopiesSeconds = 0.2, kByteSeconds = 3e-9;
constexpr double kOpenSeconds = 0.87, kSharedCaseSeconds = 0.043;
constexpr int64_t kManyCopies = int64_t(1) << 20;  // bytes of weights: from there on copying them is what takes time

}  // namespace

Sweep::Sweep(const Backend& backend, DeviceInfo device, std::vector<const Variant*> variants, Plan plan,
             BuildCache& cache, Store& store, SweepOptions options, SweepEvents events)
    : backend_(backend),
      device_(std::move(device)),
      variants_(std::move(variants)),
      plan_(std::move(plan)),
      cache_(cache),
      store_(store),
      options_(std::move(options)),
      events_(std::move(events)),
      ceiling_kernels_(find_ceiling_kernels(variants_)) {
  // Peaks of instructions that this processor does not have.
  std::erase_if(ceiling_kernels_.peaks, [&](const Variant* variant) { return !choose_isa(*variant, device_); });
  environment_id_ = hash_hex(options_.environment);
  std::map<std::pair<const Variant*, const IsaLevel*>, BuildKey> build_keys;
  for (const PlannedSpec& planned : plan_.specs) {
    SpecState state;
    state.spec = planned.spec;
    for (const PlannedCase& c : planned.cases) {
      const auto [found, is_new] = build_keys.try_emplace({c.variant, c.isa});
      if (is_new) found->second = cache_.key(*c.variant, *c.isa);
      state.cases.push_back(
          {c,
           case_key(planned.spec, *c.variant, found->second, device_, options_.mode, options_.footprint),
           std::nullopt,
           false,
           {}});
    }
    specs_.push_back(std::move(state));
  }
  if (!options_.fresh)
    for (SpecState& state : specs_) {
      look_up(state);
      forget_proved_in_part(state);
    }
}

/// Whether it says all that another measurement could say; not where the surroundings had a part in it.
bool Sweep::enough(const CaseRecord& record, const PlannedCase& planned) const {
  if (record.outcome == Outcome::device_limit && !planned.over_limit.empty()) return true;  // it still is
  if (record.has_tag(kRetryTag)) return false;
  if (record.outcome == Outcome::build_failed) return false;  // cheap to try again: the compiler may be there now
  if (record.outcome == Outcome::noisy) return false;         // the machine may be quieter now
  if (record.outcome == Outcome::timed_out) return false;     // … or less busy, or awake
  if (record.has_tag(kQuickTag) && !options_.quick) return false;
  const bool lacks_counts =
      std::isnan(record.dram_bytes) && std::isnan(record.instructions) && std::isnan(record.cycles);
  if (options_.counters && lacks_counts && record.outcome == Outcome::pass) return false;
  return !options_.thorough || record.has_tag(kThoroughTag);
}

void Sweep::look_up(SpecState& state) {
  for (Case& c : state.cases) {
    if (c.record) continue;
    std::optional<CaseRecord> found = store_.find(c.key.hash);
    if (found && enough(*found, c.planned)) c.record = std::move(found);
  }
}

/// The variants that would be crowned, though not all numbers or special values were tried: others were better then.
std::set<std::string> Sweep::crowned_in_part(const SpecState& state) {
  std::vector<CaseRecord> records;
  for (const Case& c : state.cases)
    if (c.record) records.push_back(*c.record);
  std::set<std::string> variants;
  for (const RankedCase& c : rank_spec(state.spec, std::move(records), {}, RankingOptions()).cases)
    if ((c.best_device || c.best_host || c.best_of_class || c.in_tie_set) && c.record.has_tag(kProvedInPartTag))
      variants.insert(c.record.variant);
  return variants;
}

/// Records of the store that would be crowned and are proved in part.
bool Sweep::forget_proved_in_part(SpecState& state) {
  const std::set<std::string> forgotten = crowned_in_part(state);
  bool any = false;
  for (Case& c : state.cases)
    if (c.record && !c.measured_now && forgotten.count(c.planned.variant->id())) c.record.reset(), any = true;
  return any;
}

size_t Sweep::missing() const {
  size_t count = 0;
  for (const SpecState& state : specs_)
    for (const Case& c : state.cases) count += !c.record.has_value();
  return count;
}

double Sweep::expected_seconds() const {
  const Effort& effort = options_.effort;
  const int visits = std::min(effort.visits, effort.least_visits);
  double seconds = 0;
  for (const SpecState& state : specs_) {
    const auto cases =
        double(std::count_if(state.cases.begin(), state.cases.end(), [](const Case& c) { return !c.record; }));
    if (cases == 0) continue;
    const auto bytes = double(state.spec.weight_bytes());
    const double copies = kCopiesSeconds * std::min(1.0, bytes / double(kManyCopies)) + kByteSeconds * bytes;
    seconds += device_.one_worker
                   ? visits * (kOpenSeconds + cases * kSharedCaseSeconds)
                   : (kSpecSeconds + cases * (kCaseSeconds + copies)) * double(visits) / Effort().least_visits;
  }
  return seconds;
}

std::string Sweep::device_key() const {
  std::string text = device_.identity() + fmt::format("method: {}\nlargest: {}\n", kMethodVersion,
                                                      Ceilings::largest_read(device_, options_.largest_footprint));
  for (const Variant* variant : ceiling_kernels_.peaks)
    if (const IsaLevel* isa = choose_isa(*variant, device_)) text += cache_.key(*variant, *isa).text;
  return hash_hex(text);
}

BuiltModule Sweep::built(const Variant& variant) {
  const auto found = modules_.find(variant.id());
  if (found != modules_.end()) return found->second;
  const IsaLevel* isa = choose_isa(variant, device_);
  if (!isa) fail("{}: cannot be built for {}", variant.id(), device_.id);
  return modules_[variant.id()] = cache_.build(variant, *isa);
}

const Ceilings* Sweep::known_ceilings() {
  if (ceilings_) return &*ceilings_;
  ceilings_ = read_kept(store_, store_.newest_ceiling(device_key()), ceilings_from_json);
  return ceilings_ ? &*ceilings_ : nullptr;
}

const Ceilings& Sweep::ceilings(bool again) {
  if (!again && known_ceilings()) return *ceilings_;
  const InStage stage(Stage::ceilings);
  const int64_t largest = Ceilings::largest_read(device_, options_.largest_footprint);
  const bool is_cut = largest < options_.largest_footprint;
  note(fmt::format("measuring the ceilings of {} (once; kept in the store){}", device_.id,
                   is_cut ? fmt::format(", with {} MB at most: {}", largest >> 20, device_.memory_text()) : ""));
  std::vector<std::pair<const Variant*, BuiltModule>> kernels;
  for (const Variant* variant : ceiling_kernels_.peaks) {
    kernels.emplace_back(variant, built(*variant));
    if (!kernels.back().second.error.empty()) fail("{}: {}", variant->id(), kernels.back().second.error);
  }
  ceilings_ = measure_ceilings(backend_, device_, kernels, largest);
  store_.put(CeilingRecord{device_key(), to_json(*ceilings_), std::time(nullptr)});
  return *ceilings_;
}

void Sweep::build(bool also_measured) {
  std::vector<const Variant*> wanted = ceiling_kernels_.readers;
  wanted.insert(wanted.end(), ceiling_kernels_.peaks.begin(), ceiling_kernels_.peaks.end());
  for (const SpecState& state : specs_)
    for (const Case& c : state.cases)
      if ((also_measured || !c.record) && c.planned.over_limit.empty()) wanted.push_back(c.planned.variant);
  compile(wanted);
}

/// Those that were not yet, several at once.
void Sweep::compile(const std::vector<const Variant*>& variants) {
  const InStage stage(Stage::compile);
  std::vector<BuildRequest> requests;
  std::set<std::string> wanted;
  for (const Variant* variant : variants)
    if (const IsaLevel* isa = choose_isa(*variant, device_);
        isa && !modules_.count(variant->id()) && wanted.insert(variant->id()).second)
      requests.push_back({variant, isa});
  const int jobs = int(std::max(1u, std::thread::hardware_concurrency()));
  const auto progress = [this](const BuildRequest& request, const BuiltModule& module, size_t done, size_t total) {
    if (events_.on_build && !module.from_cache) events_.on_build(*request.variant, done, total);
  };
  const std::vector<BuiltModule> modules = cache_.build_all(requests, jobs, progress, interrupted);
  for (size_t i = 0; i < requests.size(); ++i) modules_[requests[i].variant->id()] = modules[i];
}

std::vector<std::string> Sweep::build_only() {
  build(/*also_measured=*/true);
  std::vector<std::string> errors;
  for (const auto& [id, module] : modules_)
    if (!module.error.empty()) errors.push_back(fmt::format("{}: {}", id, module.error));
  return errors;
}

void Sweep::keep(Case& c, CaseRecord record) {
  record.environment = environment_id_;
  if (options_.quick) record.tags.emplace_back(kQuickTag);
  if (options_.thorough) record.tags.emplace_back(kThoroughTag);
  const InStage stage(Stage::store);
  store_.put(record);
  c.record = std::move(record);
  c.measured_now = true;
  if (events_.on_done) events_.on_done(1);
}

std::string Sweep::readers_key(int64_t footprint) {
  std::string text =
      fmt::format("best readers\nmethod: {}\nfootprint: {}\n", kMethodVersion, footprint) + device_.identity();
  for (const Variant* variant : ceiling_kernels_.readers)
    if (const IsaLevel* isa = choose_isa(*variant, device_))
      text += variant->id() + "\n" + cache_.key(*variant, *isa).text;
  return hash_hex(text);
}

/// For every size that is to be measured and was not met before on this device. Without an answer the usual reader is
/// as good as it was.
void Sweep::choose_readers(int64_t footprint) {
  const InStage stage(Stage::ceilings);
  const std::string key = readers_key(footprint);
  best_readers_ = read_kept(store_, store_.newest_ceiling(key), best_readers_from_json).value_or(best_readers_);
  std::set<int64_t> sizes{reader_size(std::min(footprint, kBulkBytes))};
  for (const SpecState& state : specs_)
    if (std::any_of(state.cases.begin(), state.cases.end(), is_to_run))
      sizes.insert(reader_size(state.spec.floor_bytes()));
  std::erase_if(sizes, [this](int64_t bytes) { return best_readers_.count(bytes) > 0; });
  std::span<std::byte> memory;
  for (const InputArena* arena : arenas_.all())
    if (arena->bytes().size() > memory.size()) memory = arena->bytes();
  std::vector<std::pair<const Variant*, BuiltModule>> kernels;
  for (const Variant* variant : ceiling_kernels_.readers)
    if (const BuiltModule module = built(*variant); module.error.empty()) kernels.emplace_back(variant, module);
  if (sizes.empty() || memory.empty() || kernels.size() < 2) return;
  try {
    best_readers_.merge(
        find_best_readers(backend_, device_, kernels, memory, {sizes.begin(), sizes.end()}, options_.mode));
    store_.put(CeilingRecord{key, to_json(best_readers_), std::time(nullptr)});
  } catch (const Error& e) {
    if (!interrupted())
      note(fmt::format("{}: {} reads for all sizes", e.what(), ceiling_kernels_.readers.front()->id()));
  }
}

CaseToRun Sweep::reader_of(int64_t bytes) {
  const Variant* reader = ceiling_kernels_.readers.front();
  if (const auto best = best_readers_.find(reader_size(bytes)); best != best_readers_.end())
    for (const Variant* variant : ceiling_kernels_.readers)
      if (variant->id() == best->second) reader = variant;
  CaseToRun result{reader, built(*reader), {}};
  if (!result.module.error.empty()) fail("{}: {}", reader->id(), result.module.error);
  return result;
}

RoundsContext Sweep::rounds_context(const SpecState& state) {
  RoundsContext context;
  context.backend = &backend_;
  context.device = &device_;
  context.ceilings = &*ceilings_;
  context.arenas = &arenas_;
  context.mode = options_.mode;
  context.footprint = options_.footprint > 0 ? options_.footprint : ceilings_->footprint;
  context.reader = reader_of(state.spec.floor_bytes());
  context.bulk_reader = reader_of(std::min(context.footprint, kBulkBytes));
  context.effort = options_.effort;
  context.counters = options_.counters;
  context.winners = &winners_;
  context.on_case = [this, &state](const Variant& variant) {
    if (events_.on_case) events_.on_case(variant, state.spec);
  };
  return context;
}

/// False where its outcome is known without: then it has a record.
bool Sweep::is_to_measure(SpecState& state, Case& c) {
  CaseRecord record = empty_record(c.key, state.spec, *c.planned.variant, device_, options_.mode);
  if (!c.planned.over_limit.empty()) {
    record.outcome = Outcome::device_limit;
    record.detail = c.planned.over_limit;
    record.tags.emplace_back(kRetryTag);  // where the plan says otherwise one day
    keep(c, std::move(record));
    return false;
  }
  const BuiltModule module = built(*c.planned.variant);
  if (module.error.empty()) return true;
  record.outcome = Outcome::build_failed;
  record.detail = module.error;
  keep(c, std::move(record));
  return false;
}

void Sweep::measure(SpecState& state) {
  RoundsContext context = rounds_context(state);
  context.special_values = true;
  std::vector<CaseToRun> cases;
  std::vector<Case*> targets;
  for (Case& c : state.cases) {
    if (c.record || !is_to_measure(state, c)) continue;
    cases.push_back({c.planned.variant, built(*c.planned.variant), c.key});
    targets.push_back(&c);
  }
  if (cases.empty()) return;
  std::vector<CaseRecord> records;
  try {
    records = rounds_of(state, cases, context, /*keep=*/options_.effort.visits > 1);
  } catch (const Error& e) {
    state.quarantine = e.what();  // this spec's trouble: the sweep goes on
    note(fmt::format("quarantined {}: {}", state.spec.short_name(), e.what()));
    if (events_.on_done) events_.on_done(targets.size());
  }
  for (size_t i = 0; i < records.size(); ++i) {
    note_visit(*targets[i], records[i], 0);
    keep(*targets[i], std::move(records[i]));  // a full disk ends the sweep
  }
}

/// Before the first spec: an arena that grew later would move. Inputs that do not fit are their cases' limit.
void Sweep::reserve_inputs(SpecState& state, int64_t footprint) {
  const InStage stage(Stage::arenas);
  const int64_t more = arenas_.growth(state.spec, footprint);
  const MemoryRoom room = more > 0 ? memory_room() : MemoryRoom();
  if ((state.has_inputs = more <= room.bytes * 3 / 4)) return arenas_.reserve(state.spec, footprint);
  for (Case& c : state.cases)
    if (is_to_run(c))
      c.planned.over_limit =
          fmt::format("its inputs take {} MB more, {} MB are left ({})", more >> 20, room.bytes >> 20, room.limit);
}

/// What cold weights rotate over.
int64_t Sweep::cold_footprint() const {
  if (options_.mode == Mode::hot) return 0;
  return options_.footprint > 0 ? options_.footprint : ceilings_->footprint;
}

bool Sweep::acquire(MeasuringLock& lock) {
  const int64_t began = now_ns();
  const bool is_held = lock.acquire([this](const std::string& holder) {
    note(fmt::format("another process measures on {}: waiting for its turn to end; the lock is held by {}", device_.id,
                     holder));
  });
  waited_s_ += double(now_ns() - began) * 1e-9;
  return is_held;
}

void Sweep::run() {
  if (missing() == 0) return;
  store_.put(EnvironmentRecord{environment_id_, options_.environment});
  build(/*also_measured=*/false);
  if (interrupted()) return;
  MeasuringLock lock(device_.physical());
  if (!acquire(lock)) return;
  ceilings();
  const int64_t footprint = cold_footprint();
  for (SpecState& state : specs_)
    if (std::any_of(state.cases.begin(), state.cases.end(), is_to_run)) reserve_inputs(state, footprint);
  if (interrupted()) return;
  choose_readers(footprint);
  for (SpecState& state : specs_) {
    lock.release();  // held per spec: others get their turn between two
    if (interrupted() || !acquire(lock)) return;
    if (!options_.fresh) {
      const size_t before = missing();
      look_up(state);  // another probe may have measured it meanwhile
      if (const size_t found = before - missing(); found > 0 && events_.on_done) events_.on_done(found);
    }
    do measure(state);
    while (!interrupted() && forget_proved_in_part(state));
  }
  revisit_contested(lock);
  prove_crowned(lock);
}

}  // namespace assay
