// The hot shapes of a trace as a workload file for `assay probe`; specs/README.md has its format.
#pragma once
#include <string>

#include "analysis/shapes.h"

namespace assay {

struct TraceWorkloadOptions {
  std::string trace = {};      // path: title and source id
  std::string name = {};       // of the workload; "": from the path
  std::string device = {};     // that the trace was written on; "": unnamed
  double least_percent = 0.5;  // a shape with less of the shapes' time is left to its family, or out
};

struct TraceWorkload {
  std::string json;  // of the file
  size_t lines = 0, families = 0;
  size_t members = 0;           // shapes that families alone stand for
  size_t left_out = 0;          // shapes too cold, or which the grammar refuses
  double left_out_percent = 0;  // of the shapes' time
};

/// Error if no shape is complete, or none is hot enough.
TraceWorkload trace_workload(const ShapeReport& report, const TraceWorkloadOptions& options);

}  // namespace assay
