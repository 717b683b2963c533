// A measurement in a process of its own.
#include "measure/measuring_child.h"

#include <sys/socket.h>

#include "base/error.h"
#include "base/isolated_process.h"
#include "base/memory.h"
#include "measure/process_death.h"
#include "measure/worker_process.h"

namespace assay {
namespace {

constexpr double kPatienceS = 1;
constexpr size_t kMostText = size_t(1) << 17;

}  // namespace

std::string text_of_child(const std::string& what, double limit_s, const std::function<std::string()>& work) {
  const int64_t memory_kills = out_of_memory_kills();
  IsolatedProcess process([&](int socket) {
    std::string text;
    try {
      text = work();
    } catch (const std::exception& e) {
      text = std::string("error: ") + e.what();
    }
    send(socket, text.data(), text.size(), MSG_NOSIGNAL);
  });
  std::string text(kMostText, '\0');
  ssize_t got = -1;
  const Heard heard = process.listen(limit_s, interrupted);
  if (heard == Heard::message) got = recv(process.socket(), text.data(), text.size(), MSG_DONTWAIT);
  if (heard == Heard::end) got = 0;
  const ProcessEnd end = process.end(got < 0 ? 0 : kPatienceS);
  if (got < 0 && interrupted()) fail("{} was interrupted", what);
  if (got < 0) fail("{} took over {:.3g} s: stopped", what, limit_s);
  if (got == 0) fail("{} failed: {}", what, describe_death(end, memory_kills).text);
  text.resize(size_t(got));
  if (text.rfind("error: ", 0) == 0) fail("{} failed: {}", what, text.substr(7));
  return text;
}

}  // namespace assay
