// A cell's process: loads the framework, computes what it is told, times it.
#include "opbench/cell_worker.h"

#include <signal.h>
#include <sys/socket.h>
#include <sys/wait.h>

#include <algorithm>
#include <cstring>
#include <new>

#include "base/clock.h"
#include "base/error.h"
#include "base/memory.h"
#include "base/terminal.h"
#include "measure/process_death.h"
#include "measure/worker_process.h"

namespace assay {
namespace {

constexpr double kPatienceS = 1;
constexpr int kMostRedone = 3;             // samples in a row that others disturbed; then one is kept and marked
constexpr double kDisturbedShare = 0.01;   // of a sample's time
constexpr double kLongSampleNs = 1e9;      // is not taken again
constexpr double kDeviceClockMore = 1.02;  // than the host's, and something is wrong with it

struct Packet {
  Outcome outcome = Outcome::pass;
  bool retry = false;
  int32_t samples = 0;
  uint64_t last_set = 0;
  double us[kMostCellSamples] = {};
  uint8_t disturbed[kMostCellSamples] = {};
  char text[600] = {};

  void say(const std::string& what) {
    const std::string line = one_line(what);
    size_t size = std::min(line.size(), sizeof text - 1);
    while (size > 0 && size < line.size() && (line[size] & 0xc0) == 0x80) --size;  // no half of a character
    std::memcpy(text, line.data(), size);
  }
};

/// In the worker.
class Cell {
 public:
  Cell(const OperationRow& row, const RowMemory& memory) : row_(row), memory_(memory) {}

  Packet prepare(const std::filesystem::path& module, const CellMakers& makers) {
    Packet packet;
    memory_.protect_inputs();
    team_ = makers.team();
    try {
      framework_ = load_framework(module, team_.team);
    } catch (const std::bad_alloc&) {
      throw;
    } catch (const std::exception& e) {  // it could be loaded a while ago, to be asked for its version
      packet.outcome = Outcome::launch_failed;
      packet.retry = true;
      packet.say(e.what());
      return packet;
    }
    std::string why_not;
    prepared_ = framework_->prepare(row_, why_not);
    if (!prepared_) {
      packet.outcome = Outcome::unsupported;
      packet.say(why_not);
      return packet;
    }
    std::vector<MemoryBlock> blocks;
    for (const auto& block : memory_.input_blocks()) blocks.push_back({block->data(), int64_t(block->size())});
    prepared_->see(blocks, {memory_.output_block().data(), int64_t(memory_.output_block().size())});
    if (makers.watch) watch_ = makers.watch();
    packet.say(prepared_->how());
    return packet;
  }

  Packet run(const CellCommand& command) {
    Packet packet;
    if (command.warm_up) once(command.first_set + 1000, 1);
    packet.samples = std::min(command.samples, kMostCellSamples);
    for (int i = 0; i < packet.samples; ++i) {
      packet.last_set = command.first_set + (command.new_inputs ? uint64_t(i) : 0);
      const bool is_last = command.ends_turn && i + 1 == packet.samples;
      for (int redone = 0; redone <= kMostRedone; ++redone) {
        if (!sample(command, is_last, packet, i)) return packet;
        if (!packet.disturbed[i] || packet.us[i] * 1e3 * command.calls > kLongSampleNs) break;
      }
    }
    return packet;
  }

 private:
  /// False where outputs were left as they were. What is judged element by element afterwards is all poisoned before.
  bool sample(const CellCommand& command, bool is_last, Packet& packet, int i) {
    const std::vector<int64_t> words = memory_.some_words(packet.last_set);
    // A device with a clock of its own has memory of its own as well, whose output bind() poisons whole.
    is_last && !has_clock_ ? memory_.poison_output() : memory_.poison(words);
    packet.us[i] = once(packet.last_set, command.calls);
    packet.disturbed[i] = double(taken_ns_) > kDisturbedShare * packet.us[i] * 1e3 * command.calls;
    prepared_->fetch(is_last ? nullptr : words.data(), is_last ? 0 : words.size());
    if (!memory_.any_left(words)) return true;
    packet.outcome = Outcome::wrong;
    packet.say("left outputs unwritten");
    return false;
  }

  /// µs a call.
  double once(uint64_t set, int calls) {
    prepared_->bind(memory_.inputs(set).data(), memory_.output());
    framework_->wake();
    if (watch_.begin) watch_.begin();
    const int64_t began = now_ns();
    for (int i = 0; i < calls; ++i) prepared_->run();
    prepared_->wait();
    const double us = double(now_ns() - began) * 1e-3;
    taken_ns_ = watch_.begin ? watch_.taken_ns() : 0;
    const double device_us = prepared_->device_us();
    if (device_us > kDeviceClockMore * us)
      fail("its device's clock says {:.1f} us, where only {:.1f} passed", device_us, us);
    has_clock_ = device_us > 0;
    return (has_clock_ ? device_us : us) / calls;
  }

  const OperationRow& row_;
  const RowMemory& memory_;
  OwnedTeam team_;
  std::unique_ptr<Framework> framework_;
  std::unique_ptr<PreparedOperation> prepared_;
  DisturbanceWatch watch_;
  int64_t taken_ns_ = 0;
  bool has_clock_ = false;
};

template <typename Work>
Packet guarded(Work&& work) {
  try {
    return work();
  } catch (const std::bad_alloc&) {
    Packet packet;
    packet.outcome = Outcome::device_limit;
    packet.retry = true;
    packet.say("its device or process has not enough memory");
    return packet;
  } catch (const std::exception& e) {
    Packet packet;
    packet.outcome = Outcome::launch_failed;
    packet.say(e.what());
    return packet;
  }
}

void serve(int socket, const OperationRow& row, const RowMemory& memory, const std::filesystem::path& module,
           const CellMakers& makers) {
  Cell cell(row, memory);
  Packet packet = guarded([&] { return cell.prepare(module, makers); });
  CellCommand command;
  do {
    if (send(socket, &packet, sizeof packet, MSG_NOSIGNAL) < 0) _exit(0);
    if (recv(socket, &command, sizeof command, 0) != sizeof command) _exit(0);
    packet = guarded([&] { return cell.run(command); });
  } while (true);
}

}  // namespace

CellWorker::CellWorker(const OperationRow& row, const RowMemory& memory, const std::filesystem::path& module,
                       const CellMakers& makers)
    : memory_kills_(out_of_memory_kills()), process_([&](int socket) { serve(socket, row, memory, module, makers); }) {}

CellAnswer CellWorker::start(double limit_s) { return answer(limit_s); }

CellAnswer CellWorker::ask(const CellCommand& command, double limit_s) {
  ASSAY_CHECK(alive());
  process_.signal_group(SIGCONT);
  if (send(process_.socket(), &command, sizeof command, MSG_NOSIGNAL) < 0) return ended(false, limit_s);
  return answer(limit_s);
}

/// It is stopped afterwards: threads that spin must not take the processor from the others.
CellAnswer CellWorker::answer(double limit_s) {
  const Heard heard = process_.listen(limit_s, interrupted);
  if (heard != Heard::message) return ended(heard == Heard::nothing, limit_s);
  Packet packet;
  if (recv(process_.socket(), &packet, sizeof packet, MSG_DONTWAIT) != sizeof packet) return ended(false, limit_s);
  process_.signal_group(SIGSTOP);
  packet.text[sizeof packet.text - 1] = 0;
  CellAnswer result{packet.outcome, packet.retry, packet.text, {}, {}, packet.last_set};
  const int samples = std::clamp(packet.samples, 0, kMostCellSamples);
  result.us.assign(packet.us, packet.us + samples);
  result.disturbed.assign(packet.disturbed, packet.disturbed + samples);
  if (packet.outcome != Outcome::pass) process_.end(0);
  return result;
}

CellAnswer CellWorker::ended(bool timed_out, double limit_s) {
  if (timed_out) process_.signal_group(SIGKILL);
  const ProcessEnd end = process_.end(kPatienceS);
  if (timed_out)
    return {Outcome::timed_out, interrupted(), fmt::format("no answer within {:.3g} s: killed", limit_s), {}, {}, 0};
  const ProcessDeath death = describe_death(end, memory_kills_);
  return {death.out_of_memory ? Outcome::device_limit : Outcome::crashed, death.from_outside, death.text, {}, {}, 0};
}

}  // namespace assay
