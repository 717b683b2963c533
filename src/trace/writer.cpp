// Writes a trace of this program's own runs.
#include "trace/writer.h"

#include <fcntl.h>
#include <sys/stat.h>

#include <cstdio>

#include "base/error.h"

namespace assay {
namespace {

/// To open a named pipe waits for a reader: nobody shall wonder.
void tell_of_waiting(const std::string& file) {
  struct stat status {};
  if (stat(file.c_str(), &status) != 0 || !S_ISFIFO(status.st_mode)) return;
  const int reader = open(file.c_str(), O_WRONLY | O_CLOEXEC | O_NONBLOCK);
  if (reader < 0) std::fprintf(stderr, "assay: %s: waiting for somebody to read this pipe\n", file.c_str());
  if (reader >= 0) close(reader);
}

}  // namespace

TraceWriter::TraceWriter(const std::filesystem::path& file) : file_(file.string()) {
  tell_of_waiting(file_);
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
