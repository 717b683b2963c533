// A process for what is not trusted: a session of its own, one descriptor, and an end that takes all with it that it
// started.
#pragma once
#include <sys/types.h>

#include <cstdint>
#include <functional>
#include <string>
#include <vector>

namespace assay {

/// How it ended.
struct ProcessEnd {
  int status = 0;            // as waitpid tells it
  int64_t peak_bytes = 0;    // of memory that it had at once, shared pages included
  bool nothing_left = true;  // false: something that it started, or it itself, cannot be killed
};

/// What a wait for it brought; nothing: a limit passed, or the wait was given up.
enum class Heard { message, end, nothing };

/// This process has no thread and forks a keeper, which forks it and waits: what it starts, and what of that goes off
/// into sessions of its own, stays below the keeper (a subreaper) and is killed when it ends, is ended, or when this
/// process dies, by whatever signal.
class IsolatedProcess {
 public:
  /// `body` gets its end of a packet socket, the only descriptor beside standard ones on /dev/null; when it returns the
  /// process ends. Error if there can be no further process.
  explicit IsolatedProcess(const std::function<void(int socket)>& body);
  ~IsolatedProcess();  // ends it
  IsolatedProcess(const IsolatedProcess&) = delete;
  IsolatedProcess& operator=(const IsolatedProcess&) = delete;

  pid_t pid() const { return pid_; }
  /// This side of the socket.
  int socket() const { return socket_; }
  /// Readable as soon as it has ended.
  int ending() const { return control_; }

  /// Until the socket has something to read or the process ends; nothing: after `limit_s` of waiting, or once
  /// `gives_up`. Time in which this process itself is stopped (with its terminal, say, or a frozen group) is no waiting.
  Heard listen(double limit_s, bool (*gives_up)()) const;

  /// To all of its process group.
  void signal_group(int signal) const;

  /// Living processes that it started and that have not ended. Unless `thorough`, only those that are no longer below
  /// it are a reason to look: reading the children of each of its threads takes time.
  std::vector<pid_t> started(bool thorough) const;

  /// Waits so long for it to end by itself, then kills it and all that it started. Once.
  ProcessEnd end(double patience_s);
  bool has_been_ended() const { return keeper_ < 0; }

 private:
  pid_t keeper_ = -1, pid_ = -1;
  int socket_ = -1, control_ = -1;
};

/// Closes every descriptor but these.
void close_all_but(std::vector<int> kept);

}  // namespace assay
