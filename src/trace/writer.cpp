// Writes a trace of this program's own runs.
#include "trace/writer.h"

#include "base/error.h"

namespace assay {

TraceWriter::TraceWriter(const std::filesystem::path& file) : file_(file.string()) {
  if (const int error = assay_trace_open(&trace_, file_.c_str()); error != 0)
    fail("{}: the trace cannot be written: {}", file_, std::strerror(error));
}

TraceWriter::~TraceWriter() { assay_trace_close(&trace_); }

void TraceWriter::close() {
  if (const int error = assay_trace_close(&trace_); error != 0)
    fail("{}: the trace was written no further than {} bytes: {}; what is there is whole lines", file_,
         trace_.file_bytes, std::strerror(error));
}

}  // namespace assay
