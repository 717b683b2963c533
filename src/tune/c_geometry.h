// A manifest's launch geometry as a C function, so that it is evaluated without assay for any shape.
#pragma once
#include <string>

#include "kernel/manifest.h"

namespace assay {

/// "static void NAME(const dropin_launch_sizes* s, dropin_geometry* g) {…}". Error where an expression uses what C
/// cannot write alike.
std::string c_geometry(const Variant& variant, const std::string& name);

/// One expression of muParser's in C, over doubles: sizes become s->n, parameters their values.
std::string c_expression(const std::string& text, const std::vector<std::pair<std::string, int64_t>>& parameters);

}  // namespace assay
