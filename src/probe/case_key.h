// What a result's identity is made of, as readable text and its hash.
#pragma once
#include <string>

#include "probe/worker.h"

namespace assay {

/// Changes whenever the way of measuring or judging does, so that older results are measured again.
inline constexpr int kMethodVersion = 1;

struct CaseKey {
  std::string text, hash;
};

CaseKey case_key(const Spec& spec, const Variant& variant, const BuildKey& build, const DeviceInfo& device, Mode mode);

/// "libopenblas.so.0 -> libopenblasp-r0.3.21.so, 34 MB" for each -l flag: the vendor library and version behind a variant.
std::string library_versions(const Variant& variant);

}  // namespace assay
