// Standard input, output and error: there at start, and a failure of one is told once, at the end.
#include "base/standard_streams.h"

#include <fcntl.h>
#include <signal.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>

namespace assay {
namespace {

int first_output_error = 0;

void note_failure(std::FILE* stream) {
  if (stream == stdout && first_output_error == 0) first_output_error = errno ? errno : EIO;
}

}  // namespace

void prepare_standard_streams() {
  int descriptor = 0;
  while (descriptor >= 0 && descriptor <= STDERR_FILENO) descriptor = open("/dev/null", O_RDWR);
  if (descriptor >= 0) close(descriptor);
  for (const int signal : {SIGPIPE, SIGXFSZ}) {
    struct sigaction action {};
    if (sigaction(signal, nullptr, &action) != 0 || action.sa_handler != SIG_DFL) continue;
    action.sa_handler = [](int) {};  // unlike SIG_IGN, it does not pass to the programs that we start
    action.sa_flags = SA_RESTART;
    sigaction(signal, &action, nullptr);
  }
}

void put(std::FILE* to, std::string_view text) {
  errno = 0;
  if (std::fwrite(text.data(), 1, text.size(), to) != text.size()) note_failure(to);
}

void flush(std::FILE* stream) {
  errno = 0;
  if (std::fflush(stream) != 0) note_failure(stream);
}

bool has_lost_output() { return first_output_error != 0; }

std::string lost_output() {
  flush(stdout);
  if (std::ferror(stdout)) note_failure(stdout);
  return first_output_error ? std::strerror(first_output_error) : "";
}

}  // namespace assay
