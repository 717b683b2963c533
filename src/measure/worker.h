// What a worker process is given and serves: the cases of one spec on one opened device.
#pragma once
#include <memory>
#include <optional>
#include <vector>

#include "measure/worker_protocol.h"
#include "proof/proof.h"
#include "proof/special_values.h"

namespace assay {

enum class Mode { decode, cold, hot, batched, chained };
std::string_view mode_name(Mode mode);
Mode parse_mode(const std::string& name);  // Error with their names

struct OtherSizes;

struct WorkerCase {
  const Backend* backend = nullptr;
  const DeviceInfo* device = nullptr;
  const Variant* variant = nullptr;
  const BuiltModule* module = nullptr;
  const Proof* proof = nullptr;  // null for a ceiling: nothing is validated
  const SpecInputs* inputs = nullptr;
  // Whose prepare makes the weights instead of its own: another variant that names the same storage. Null: none does.
  const Variant* converter = nullptr;
  const BuiltModule* converter_module = nullptr;
  uint64_t order = 0;                              // of single launches' copies, one for all workers of a spec
  const SpecialValues* special = nullptr;          // null: no launches on special values
  const SpecialValues* shorter_special = nullptr;  // of fewer columns, which set-up takes instead where B is big
  const OtherSizes* other_sizes = nullptr;         // null: there are none, or it does not take them
  bool special_by_chance = false;                  // set-up makes some of them, which were drawn; else all …
  std::optional<Spacing> spacing;                  // … those in this one, where the kernel takes both; null: none
  bool first_visit = false;  // checks that a case needs once: special draws, uneven launches, numbers …
  Arenas* arenas = nullptr;
  Mode mode = Mode::decode;
  int64_t footprint = 0;
  int64_t memory_limit = 0;
  bool bulk = false;            // long reads over what the copies cover, instead of single copies
  bool counters = false;        // the hardware counts the timed launches, where it can
  int64_t batch_launches = 20;  // dispatches per submission in batched mode, at least
};

/// Serves commands for these cases, on one opened device, until quit or the parent's end; never returns to the caller's
/// code.
[[noreturn]] void serve_worker(const std::vector<const WorkerCase*>& cases, int socket);

}  // namespace assay
