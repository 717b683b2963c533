// Signals that would end the process wait until a step that leaves parts behind is whole.
#pragma once
#include <csignal>

namespace assay {

/// While it lives: SIGINT, SIGTERM and SIGHUP of this thread. They come when it goes.
class DeferredSignals {
 public:
  DeferredSignals() {
    sigset_t ends;
    sigemptyset(&ends);
    for (const int signal : {SIGINT, SIGTERM, SIGHUP}) sigaddset(&ends, signal);
    pthread_sigmask(SIG_BLOCK, &ends, &before_);
  }
  ~DeferredSignals() { pthread_sigmask(SIG_SETMASK, &before_, nullptr); }
  DeferredSignals(const DeferredSignals&) = delete;
  DeferredSignals& operator=(const DeferredSignals&) = delete;

 private:
  sigset_t before_;
};

}  // namespace assay
