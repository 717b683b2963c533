// The cases of one spec in batches that fit into memory.
#include "measure/batches.h"

#include <algorithm>
#include <cmath>

#include "base/error.h"
#include "base/memory.h"
#include "measure/binding.h"
#include "measure/sequence_length.h"

namespace assay {
namespace {

constexpr int64_t kProcessBytes = int64_t(16) << 20;  // a worker's own: stacks, libraries, tables of pages
constexpr double kUsedShare = 0.9;                    // what is free now may be a little less in a second

int64_t repacked_bytes(const Spec& spec, const Variant& variant, const DeviceInfo& device) {
  if (!variant.prepares) return 0;
  if (variant.launch) return variant.geometry(launch_sizes(*spec.op, spec.tensors, device)).prepared_bytes;
  return spec.weight_values() * int64_t(sizeof(float));  // the widest form that there is
}

int64_t arena_bytes(const Arenas& arenas) {
  int64_t bytes = 0;
  for (const InputArena* arena : arenas.all()) bytes += int64_t(arena->bytes().size());
  return bytes;
}

/// What workers may take together, the inputs being there already; where the device has memory of its own, they have to
/// go into that too.
int64_t room_for_workers(const RoundsContext& context) {
  if (context.device->one_worker) return context.device->memory_bytes - arena_bytes(*context.arenas);
  return int64_t(double(memory_room().bytes) * kUsedShare);
}

CaseRecord too_large(const Spec& spec, const CaseToRun& work, const RoundsContext& context, int64_t bytes,
                     int64_t room) {
  CaseRecord record = empty_record(work.key, spec, *work.variant, *context.device, context.mode);
  record.outcome = Outcome::device_limit;
  record.detail = fmt::format("takes {} MB beside the inputs, {} MB are left", bytes >> 20, room >> 20);
  if (!context.device->one_worker) record.detail += "; " + memory_room().limit;
  record.tags.emplace_back(kRetryTag);
  return record;
}

/// The reader took turns in every batch: what it needed in each says how the machine has changed.
void bring_to_level(std::vector<CaseRecord>& records, double first_us) {
  for (CaseRecord& record : records) {
    const double factor = first_us / record.reachable_us;
    if (!std::isfinite(factor) || factor <= 0) continue;
    for (double& us : record.head_to_head_us) us *= factor;
  }
}

}  // namespace

int64_t case_bytes(const Spec& spec, const Variant& variant, const RoundsContext& context) {
  const int64_t repacked = repacked_bytes(spec, variant, *context.device);
  const int64_t launches = context.device->launches_per_sample;
  const bool takes_turns = context.mode == Mode::decode && launches <= 1;  // Binding::rotates_alone()
  int64_t copies = repacked > 0 && context.mode != Mode::hot ? (context.footprint + repacked - 1) / repacked : 1;
  if (takes_turns && repacked > 0) copies = std::min(copies, copies_in_turns(repacked, context.footprint));
  copies = std::max<int64_t>(copies, 1);
  const int64_t slots = launches > 1 && context.mode != Mode::cold ? launches + SequenceLength::kRoomToExtend : 1;
  const int64_t scratch = context.mode == Mode::cold ? context.footprint : 0;
  return repacked * copies + scratch + 3 * spec.bytes(Use::varied) + (slots + 2) * spec.bytes(Use::output) +
         (context.device->one_worker ? 0 : kProcessBytes + spec.bytes(Use::varied) + 2 * spec.bytes(Use::output));
}

std::vector<std::vector<size_t>> make_batches(const std::vector<int64_t>& bytes, int64_t room) {
  std::vector<std::vector<size_t>> batches;
  std::vector<int64_t> left;
  for (size_t i = 0; i < bytes.size(); ++i) {
    if (bytes[i] > room) continue;
    const auto fits = std::find_if(left.begin(), left.end(), [&](int64_t free) { return free >= bytes[i]; });
    const auto batch = size_t(fits - left.begin());
    if (fits == left.end()) {
      left.push_back(room);
      batches.emplace_back();
    }
    left[batch] -= bytes[i];
    batches[batch].push_back(i);
  }
  return batches;
}

std::vector<CaseRecord> run_in_batches(const Spec& spec, const std::vector<CaseToRun>& cases,
                                       const RoundsContext& context) {
  std::vector<int64_t> bytes;
  for (const CaseToRun& work : cases) bytes.push_back(case_bytes(spec, *work.variant, context));
  const int64_t room = room_for_workers(context);
  const auto batches = make_batches(bytes, room);
  if (batches.size() == 1 && batches[0].size() == cases.size()) return run_rounds(spec, cases, context);

  std::vector<CaseRecord> records;
  for (size_t i = 0; i < cases.size(); ++i) records.push_back(too_large(spec, cases[i], context, bytes[i], room));
  double first_us = NAN;
  for (const std::vector<size_t>& batch : batches) {
    std::vector<CaseToRun> together;
    for (const size_t i : batch) together.push_back(cases[i]);
    std::vector<CaseRecord> measured = run_rounds(spec, together, context);
    if (measured.empty()) return {};
    if (std::isnan(first_us)) first_us = measured[0].reachable_us;
    bring_to_level(measured, first_us);
    for (size_t i = 0; i < batch.size(); ++i) records[batch[i]] = std::move(measured[i]);
  }
  return records;
}

}  // namespace assay
