// Another shape for a variant: small, odd, and one that it supports.
#pragma once
#include <optional>

#include "backend/device.h"
#include "spec/spec.h"

namespace assay {

/// The spec with other sizes, as far from round ones as the variant takes; nothing where it takes no others.
std::optional<Spec> odd_spec(const Spec& spec, const Variant& variant, const DeviceInfo& device);

}  // namespace assay
