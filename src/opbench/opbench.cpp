// A run of the table.
#include "opbench/opbench.h"

#include <algorithm>
#include <ctime>

#include "base/clock.h"
#include "base/error.h"
#include "base/file.h"
#include "base/hash.h"
#include "base/memory.h"
#include "measure/measuring_lock.h"
#include "measure/ranking_samples.h"
#include "measure/worker_process.h"
#include "opbench/expected_time.h"
#include "opbench/row_rounds.h"

namespace assay {
namespace {

constexpr double kMemoryShare = 0.9;                   // of what is free: others may take their part meanwhile
constexpr int64_t kProcessBytes = int64_t(200) << 20;  // a worker with its libraries
constexpr int64_t kLeastProcesses = 4;

/// Whoever does not wait for the measuring lock gets times that nobody else should take for measured ones.
std::string method_name(const OpbenchOptions& options) {
  const char* name = options.method == OpbenchMethod::rounds ? "rounds" : "seed";
  return options.takes_lock ? name : std::string("smoke ") + name;
}

constexpr double kCallUs = 5;    // below, what is called and how threads are woken decide
constexpr double kHiddenBy = 2;  // times as long, and the shorter of moving and computing is hidden

double mean_without_first(const std::vector<double>& us) {
  double sum = 0;
  for (size_t i = 1; i < us.size(); ++i) sum += us[i];
  return us.size() > 1 ? sum / double(us.size() - 1) : 0;
}

}  // namespace

Summary OpbenchCell::summary(OpbenchMethod method) const {
  if (!passes()) return {};
  Summary summary = summarize(ranking_samples(*record, false).device_us);
  if (method == OpbenchMethod::seed) summary.median = mean_without_first(finite_samples(record->device_us));
  return summary;
}

double OpbenchCell::us(OpbenchMethod method) const { return summary(method).median; }

std::string OpbenchCell::word() const {
  if (!record) return framework->missing.empty() ? "not measured" : "not here";
  return std::string(outcome_name(record->outcome));
}

Opbench::Opbench(OpbenchOptions options, Store& store, OpbenchEvents events)
    : options_(std::move(options)), store_(store), events_(std::move(events)) {
  environment_id_ = hash_hex(options_.environment);
  std::map<const FrameworkModule*, std::string> modules;
  for (const FrameworkModule& module : options_.frameworks)
    if (module.missing.empty()) modules[&module] = hash_hex(read_file(module.file));
  for (const OperationRow& row : options_.rows) {
    OpbenchRow& state = rows_.emplace_back();
    state.row = &row;
    for (const FrameworkModule& module : options_.frameworks) {
      OpbenchCell& cell = state.cells.emplace_back();
      cell.framework = &module;
      if (!module.missing.empty()) continue;
      cell.key_text = fmt::format(
          "opbench row: {}\nmeaning: {}\nframework: {}\nversion: {}\nmodule: {}\nmethod: {} {}\nschema: {}\n-- device "
          "--\n{}",
          row.name, meaning_of(row.operation).meaning, module.info->name, module.version, modules[&module],
          method_name(options_), kOpbenchMethodVersion, kStoreSchema, options_.device.identity());
      cell.key = hash_hex(cell.key_text);
      if (options_.fresh) continue;
      cell.record = store_.find(cell.key);
      if (cell.record && cell.record->has_tag(kRetryTag)) cell.record.reset();
    }
  }
}

/// Of operations on the CPU, in µs; 0: not known.
double Opbench::computing_us(const OperationRow& row, const OpbenchCell& cell) const {
  const bool knows_peak = cell.framework->info->device == "cpu" && options_.peak_gflops > 0;
  return knows_peak ? double(row.flops) / options_.peak_gflops * 1e-3 : 0;
}

const char* Opbench::limit(const OpbenchRow& row, const OpbenchCell& cell) const {
  const double moving = cell.record ? cell.record->reachable_us : 0, computing = computing_us(*row.row, cell);
  if (moving > 0 && std::max(moving, computing) < kCallUs) return "call";
  if (moving == 0 || computing == 0) return row.row->is_compute_bound() ? "flops" : "bytes";
  return computing >= moving ? "flops" : kHiddenBy * computing >= moving ? "both" : "bytes";
}

size_t Opbench::missing() const {
  size_t count = 0;
  for (const OpbenchRow& row : rows_)
    for (const OpbenchCell& cell : row.cells) count += !cell.record && cell.framework->missing.empty();
  return count;
}

double Opbench::expected_seconds() const {
  const bool as_seed = options_.method == OpbenchMethod::seed;
  const int turns = turns_of(options_);
  double seconds = 0;
  for (const OpbenchRow& row : rows_) {
    double of_row = 0;
    for (const OpbenchCell& cell : row.cells)
      if (!cell.record && cell.framework->missing.empty())
        of_row += cell.framework->load_seconds +
                  expected_cell_seconds(*row.row, {cell.framework->info->is_own, true, turns, as_seed});
    if (of_row == 0) continue;
    seconds += of_row + expected_memory_seconds(*row.row);
    for (const FrameworkModule& ceiling : options_.ceilings)
      if (!as_seed) seconds += ceiling.load_seconds + expected_cell_seconds(*row.row, {true, false, turns, false});
  }
  return seconds;
}

int64_t Opbench::needed_bytes(const OperationRow& row) const {
  int64_t bytes = row.output.bytes() + row.scratch_bytes, processes = 1;
  for (const OperationOperand& operand : row.inputs) bytes += operand.bytes();
  for (const FrameworkModule& module : options_.frameworks) {
    if (!module.missing.empty()) continue;
    ++processes;
    if (module.info->allocates) bytes += row.output.bytes();
  }
  return bytes + std::max(processes, kLeastProcesses) * kProcessBytes;
}

CaseRecord Opbench::empty_record(const OperationRow& row, const OpbenchCell& cell) const {
  CaseRecord record;
  record.key = cell.key;
  record.key_text = cell.key_text;
  record.spec_line = record.math_line = row.name;
  record.variant = cell.framework->info->name;
  record.device = options_.device.id;
  record.mode = options_.method == OpbenchMethod::rounds ? "opbench" : "opbench-seed";
  if (!options_.takes_lock) record.mode += "-smoke";
  record.bytes = row.bytes_read + row.bytes_written;
  record.flops = row.flops;
  record.environment = environment_id_;
  record.measured_at = std::time(nullptr);
  return record;
}

void Opbench::keep(OpbenchCell& cell, CaseRecord record) {
  store_.put(record);
  cell.record = std::move(record);
  cell.measured_now = true;
  if (events_.on_cell) events_.on_cell(cell);
}

void Opbench::run() {
  MeasuringLock lock(options_.device.physical());
  store_.put(EnvironmentRecord{environment_id_, options_.environment});
  for (size_t i = 0; i < rows_.size() && !interrupted(); ++i) {
    const bool complete = std::all_of(rows_[i].cells.begin(), rows_[i].cells.end(), [](const OpbenchCell& cell) {
      return cell.record || !cell.framework->missing.empty();
    });
    if (complete) continue;
    const auto on_wait = [&](const std::string& holder) {
      if (events_.note) events_.note("waiting for the measuring lock: " + holder);
    };
    if (options_.takes_lock && !lock.acquire(on_wait)) return;
    if (events_.on_row) events_.on_row(*rows_[i].row, i + 1, rows_.size());
    measure(rows_[i]);
    if (options_.takes_lock) lock.release();
  }
}

void Opbench::measure(OpbenchRow& state) {
  const OperationRow& row = *state.row;
  std::vector<OpbenchCell*> cells;
  std::vector<const FrameworkModule*> modules;
  for (OpbenchCell& cell : state.cells) {
    if (cell.record || !cell.framework->missing.empty()) continue;
    cells.push_back(&cell);
    modules.push_back(cell.framework);
  }
  const auto over_limit = [&](const std::string& why) {
    for (OpbenchCell* cell : cells) {
      CaseRecord record = empty_record(row, *cell);
      record.outcome = Outcome::device_limit;
      record.detail = why;
      record.tags.emplace_back(kRetryTag);
      keep(*cell, std::move(record));
    }
  };
  const MemoryRoom room = memory_room();
  const int64_t needed = needed_bytes(row);
  if (double(needed) > kMemoryShare * double(room.bytes))
    return over_limit(fmt::format("needs {} MB, {}", needed >> 20, room.limit));
  std::vector<CellResult> results;
  try {
    results = measure_row(row, modules, options_);
  } catch (const Error& e) {  // no memory after all, or no further process: the next row may need less
    return over_limit(e.what());
  } catch (const std::bad_alloc&) {
    return over_limit(
        fmt::format("there was not enough memory to check it: {} MB are left", memory_room().bytes >> 20));
  }
  for (size_t i = 0; i < results.size(); ++i) {
    const CellResult& cell = results[i];
    CaseRecord record = empty_record(row, *cells[i]);
    record.outcome = cell.outcome;
    record.detail = cell.detail;
    record.tags = cell.tags;
    record.device_us = cell.us;
    record.disturbed = cell.disturbed;
    if (std::count(cell.disturbed.begin(), cell.disturbed.end(), uint8_t(1)) * 2 > int64_t(cell.disturbed.size()))
      record.tags.emplace_back(kDisturbedTag);
    record.reachable_us = cell.ceiling_us;
    record.ceiling_gbps = record.reachable_us > 0 ? double(record.bytes) / record.reachable_us * 1e-3 : 0;
    record.floor_us = std::max(record.reachable_us, computing_us(row, *cells[i]));
    record.case_us = cell.seconds * 1e6;
    record.check_us = cell.check_seconds * 1e6;
    record.errors.elements_checked = cell.errors.checked;
    record.errors.max_abs = cell.errors.max_abs;
    record.errors.worst_ratio = record.errors.bound_used = cell.errors.worst;
    record.errors.bound_c = 1;
    record.errors.worst_index = cell.errors.worst_index;
    record.errors.worst_value = cell.errors.worst_value;
    record.errors.worst_reference = cell.errors.worst_reference;
    record.errors.nan_count = cell.errors.nans;
    keep(*cells[i], std::move(record));
  }
}

}  // namespace assay
