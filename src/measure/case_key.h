// What a result's identity is made of, as readable text and its hash.
#pragma once
#include <string>

#include "measure/worker.h"
#include "store/record.h"

namespace assay {

/// Changes whenever the way of measuring or judging does, so that older results are measured again.
inline constexpr int kMethodVersion = 27;

struct CaseKey {
  std::string text, hash;
};

/// given_footprint: what the user asked cold weights to rotate over, or 0 where the ceilings chose it.
CaseKey case_key(const Spec& spec, const Variant& variant, const BuildKey& build, const DeviceInfo& device, Mode mode,
                 int64_t given_footprint);

/// A record of that case before anything was done: who it is, and nothing measured.
CaseRecord empty_record(const CaseKey& key, const Spec& spec, const Variant& variant, const DeviceInfo& device,
                        Mode mode);

/// "libopenblasp-r0.3.21.so (35123456 bytes)" for each -l flag: the vendor library and version behind a variant.
std::string library_versions(const Variant& variant);

}  // namespace assay
