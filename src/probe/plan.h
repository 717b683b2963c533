// Which variants are measured on which specs, and why the other pairs are not. Needs no device, only its description.
#pragma once
#include <string>
#include <vector>

#include "backend/device.h"
#include "spec/spec.h"

namespace assay {

/// What the user asked for; empty lists select everything that is enabled.
struct Selection {
  std::vector<std::string> variants;  // globs on family/name; a name without wildcards also selects a disabled variant
  bool disabled_too = false;          // where no variants are named
  std::vector<std::string> ops;       // globs on the spec's op name
  std::vector<std::string> dtypes;    // specs are also measured with these weights
  std::vector<std::string> shapes;    // "n=9728", "k=800..900", "m=1,n=64": any of them
  Accuracy accuracy = Accuracy::int8_activation;  // the least accurate class that is planned
};

struct PlannedCase {
  const Variant* variant = nullptr;
  const IsaLevel* isa = nullptr;  // the device's, which must outlive the plan
  std::string over_limit;         // not "": more than the device has; a device_limit outcome, never built
};

struct PlannedSpec {
  Spec spec;
  std::vector<PlannedCase> cases;
};

/// (spec, variant) pairs that the plan left out, counted by reason.
struct SkipGroup {
  std::string variant, op_name, reason;
  int64_t count = 0;
};

struct Plan {
  std::vector<PlannedSpec> specs;  // those without any case are left in, so that they are reported
  std::vector<SkipGroup> skips;
  int64_t cases() const;
};

/// Error if a glob or shape selects nothing (near names are suggested). Selection::dtypes is with_dtype's.
Plan make_plan(const std::vector<Spec>& specs, const std::vector<const Variant*>& variants, const DeviceInfo& device,
               const Selection& selection);

/// The specs with the types that --dtype names. Specs that cannot have them are left out.
std::vector<Spec> with_dtype(const std::vector<Spec>& specs, const std::string& dtype);

}  // namespace assay
