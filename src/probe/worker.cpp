// The worker's side of a case: one kernel on the real inputs, every launch poisoned before and checked after.
#include "probe/worker.h"

#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <cmath>
#include <cstring>
#include <optional>
#include <random>

#include "base/clock.h"
#include "base/error.h"
#include "probe/output_ring.h"

namespace assay {
namespace {

constexpr int kRedoDisturbed = 3;
constexpr int kWarmUpLaunches = 3;
constexpr double kWarmUpBelowUs = 300;  // a longer launch does not feel how it begins
constexpr double kTurnPatience = 30;  // a turn's time may be exceeded so far for the sake of its least launches
constexpr int64_t kBulkBytes = int64_t(32) << 20;  // half a millisecond: long beside a dispatch, short beside what disturbs
constexpr int64_t kWholeCheckElements = 65'536;
constexpr int64_t kCheapCheckElements = 1'000;  // above, only the last launch of a turn is compared element by element
constexpr int64_t kRingSlots = 16;            // so many of a sequence's last launches are looked at
constexpr double kSequenceUs = 4000;          // a sequence takes about this long, or has as many launches as the device wants

/// Device memory with guard bands on both sides.
struct Guarded {
  Address data = nullptr;
  int64_t bytes = 0;
};

/// The device as one process has it open, with the arenas that its cases read.
class OpenedArenas {
 public:
  explicit OpenedArenas(const WorkerCase& work) : device_(work.backend->open(*work.device, work.memory_limit)) {
    for (InputArena* arena : work.arenas->all())
      if (!work.device->one_worker || is_used(*arena, *work.inputs)) imported_.push_back({arena->bytes(), device_->import(arena->bytes())});
  }

  Device& device() { return *device_; }
  Address address(const std::byte* host) const {
    for (const auto& [from, to] : imported_)
      if (const auto offset = host - from.data(); offset >= 0 && offset < int64_t(from.size())) return to + offset;
    return nullptr;
  }

 private:
  struct Imported {
    std::span<std::byte> host;
    Address device;
  };

  static bool is_used(const InputArena& arena, const SpecInputs& inputs) {
    const std::span<const std::byte> bytes = arena.bytes();
    const auto lies_in = [&](const std::byte* at) { return at >= bytes.data() && at < bytes.data() + bytes.size(); };
    const std::vector<Tensor>& b = inputs.b(0);
    return std::any_of(b.begin(), b.end(), [&](const Tensor& t) { return lies_in(t.data) || lies_in(t.scales); });
  }

  std::unique_ptr<Device> device_;
  std::vector<Imported> imported_;
};

class CaseWorker {
 public:
  CaseWorker(const WorkerCase& work, OpenedArenas& opened)
      : work_(work), spec_(work.inputs->spec()), opened_(opened), device_(&opened.device()), random_(std::random_device{}()) {
    if (work.reference) validator_.emplace(*work.reference, !work.variant->activation_error.empty());
  }

  void setup(Reply& reply) {
    kernel_ = device_->load(*work_.variant, *work_.module);
    bind();
    reply.workspace_bytes = launches_[0].workspace_bytes;
    prepare(reply);
    reply.prepared_bytes = launches_[0].prepared_bytes;
    reply.cold_bytes = cold_bytes();
    reply.launch_bytes = launches_[0].bytes;
    reply.resources = kernel_->resources(launches_[0]);
    const int64_t copy = validator_ ? checked_copy_at_or_after(0) : 0;
    const LaunchInputs inputs = random_inputs(copy);
    std::vector<std::byte> first;
    double device_us = 0;
    for (int i = 0; i < kWarmUpLaunches && reply.outcome == Outcome::pass; ++i) {
      device_us = launch(inputs, 1, reply, /*check=*/i == 0).device_us;
      if (!validator_) continue;
      const std::span<const std::byte> d = ring_->slot(0);
      if (i == 0) first.assign(d.begin(), d.end());
      if (std::equal(d.begin(), d.end(), first.begin(), first.end())) continue;  // and so as right as the first
      reply.nondeterministic = 1;
      if (const std::string message = validator_->check(d, {source_copy_[size_t(copy)], inputs.factor, inputs.flip}); !message.empty())
        set(reply, Outcome::wrong, message);
    }
    choose_length(device_us);
  }

  /// A disturbed launch is left out at most three times running, then kept and marked. Every launch meets the next copy: one that
  /// was just read would be found in a cache.
  void sample(const Command& command, Reply& reply, LaunchTimes* times) {
    const int64_t began = now_ns();
    sampling_ = true;
    const int64_t rotation = int64_t(launches_.size());
    int64_t position = command.first_copy;
    int warm_up = length_ > 1 ? 0 : command.warm_up;
    for (int left_out = 0; reply.samples < kMostSamples && reply.outcome == Outcome::pass; ++position) {
      const int64_t length = length_from(position);
      position += length - 1;  // where the sample's last launch stands
      const int64_t copy = position % rotation;
      const double spent_us = double(now_ns() - began) * 1e-3;
      const bool enough = reply.samples + 1 >= command.launches || spent_us > kTurnPatience * command.time_us ||
                          (reply.samples + 1 >= command.least_launches && spent_us > command.time_us);
      const bool last = enough && (!validator_ || validator_->can_check(source_copy_[size_t(copy)]));
      const LaunchTimes taken = launch(random_inputs(copy), length, reply, last);
      if (warm_up-- > 0 && taken.device_us < kWarmUpBelowUs) continue;
      if (taken.disturbed && left_out++ < kRedoDisturbed) continue;
      left_out = 0;
      times[reply.samples++] = taken;
      if (last) break;
    }
    reply.next_copy = position + 1;
  }

  /// 50 ms and more after the last launch: nothing may have changed since.
  void settle(Reply& reply) {
    if (!validator_ || ring_->empty()) return;
    if (validator_->can_check(last_.copy))
      if (const std::string message = validator_->check(ring_->slot(last_slot_), last_); !message.empty()) set(reply, Outcome::wrong, message);
    if (!ring_->unchanged()) set(reply, Outcome::wrong, "D changed after the kernel had returned: something still writes to it");
    check_surroundings(reply);
  }

  void fill_in(Reply& reply) const {
    if (validator_) reply.errors = validator_->stats();
  }

  static void set(Reply& reply, Outcome outcome, const std::string& detail) {
    if (reply.outcome != Outcome::pass) return;
    reply.outcome = outcome;
    const size_t length = std::min(detail.size(), sizeof reply.detail - 1);
    std::memcpy(reply.detail, detail.data(), length);
    reply.detail[length] = 0;
  }

 private:
  Guarded allocate(int64_t bytes) {
    const int64_t padded = (bytes + 63) / 64 * 64;
    const Address block = device_->allocate(padded + 2 * kGuardBytes);
    device_->fill(block, kPoison, padded + 2 * kGuardBytes);
    guarded_.push_back({block + kGuardBytes, bytes});
    return guarded_.back();
  }

  /// One launch for each copy of B: A, C, D, bias and workspace are the same memory in all of them.
  void bind() {
    std::vector<Tensor> tensors = spec_tensors(spec_);
    int64_t hot_bytes = 0;
    size_t bias = 0, c = 0;
    std::vector<Tensor> d;
    for (Tensor& t : tensors) {
      if (t.operand == Operand::b) continue;
      if (t.operand == Operand::d) {
        d.push_back(t);
        hot_bytes += t.bytes;
        continue;
      }
      t.data = allocate(t.bytes).data;
      if (t.operand == Operand::a) a_ = t;
      const HostTensor* fixed = t.operand == Operand::bias ? &work_.inputs->bias[bias++]
                                : t.operand == Operand::c  ? &work_.inputs->c[c++]
                                                           : nullptr;
      if (fixed) {
        device_->write(t.data, fixed->bytes.data(), t.bytes);
        fixed_.push_back({t, fixed});
      }
      if (t.operand != Operand::c || spec_.beta != 0) hot_bytes += t.bytes;
    }
    ring_.emplace(*device_, d, most_launches() > 1 ? kRingSlots : 1);
    if (work_.bulk) bind_bulk(tensors);
    for (int64_t copy = 0; copy < work_.inputs->copies() && !work_.bulk; ++copy) {
      Launch launch;
      launch.kernel = kernel_.get();
      launch.spec = &spec_;
      launch.tensors = tensors;
      launch.flops = spec_.flops();
      launch.bytes = hot_bytes;
      for (Tensor& t : launch.tensors) {
        if (t.operand != Operand::b) continue;
        t = work_.inputs->b(copy)[t.segment];
        t.data = opened_.address(t.data);
        if (t.scales) t.scales = opened_.address(t.scales);
        launch.bytes += t.bytes + t.scale_bytes;
      }
      launches_.push_back(std::move(launch));
      source_copy_.push_back(copy);
    }
    for (Launch& launch : launches_) ring_->bind(launch, 0);
    const int64_t workspace_bytes = kernel_->workspace_bytes(launches_[0]);
    if (workspace_bytes < 0 || workspace_bytes > work_.memory_limit) fail("it asks for {} bytes of workspace", workspace_bytes);
    const Guarded workspace = workspace_bytes > 0 ? allocate(workspace_bytes) : Guarded{};
    for (Launch& launch : launches_) {
      launch.workspace = workspace.data;
      launch.workspace_bytes = workspace_bytes;
    }
    if (work_.mode == Mode::cold) scratch_ = allocate(std::max(work_.footprint, int64_t(1) << 20));
  }

  /// Long reads: the first B tensor becomes a piece of what the copies cover, as f32; the pieces rotate like copies do.
  void bind_bulk(const std::vector<Tensor>& tensors) {
    constexpr int64_t kColumns = 1024, kRowBytes = 4 * kColumns;
    const std::span<std::byte> covered = work_.inputs->covered();
    const int64_t piece = std::clamp(int64_t(covered.size()) / kRowBytes * kRowBytes, kRowBytes, kBulkBytes);
    for (int64_t offset = 0; offset == 0 || offset + piece <= int64_t(covered.size()); offset += piece) {
      Launch launch;
      launch.kernel = kernel_.get();
      launch.spec = &spec_;
      launch.bytes = piece;
      for (Tensor t : tensors) {
        if (t.operand == Operand::b && t.segment > 0) continue;
        if (t.operand == Operand::b) {
          t.dtype = Dtype::f32;
          t.storage = Storage::strided;
          t.dims[0] = 1, t.dims[1] = piece / kRowBytes, t.dims[2] = kColumns;
          t.strides[0] = piece / 4, t.strides[1] = kColumns, t.strides[2] = 1;
          t.bytes = piece;
          t.scale_bytes = 0;
          t.data = opened_.address(covered.data() + offset);
          t.scales = nullptr;
        }
        launch.tensors.push_back(t);
      }
      launches_.push_back(std::move(launch));
      source_copy_.push_back(0);
    }
  }

  /// Repacks as many copies as fill the footprint with repacked bytes, those with a reference first.
  void prepare(Reply& reply) {
    if (!work_.variant->prepares) return;
    const int64_t bytes = kernel_->prepared_bytes(launches_[0]);
    if (bytes <= 0) fail("its manifest says it prepares, but it needs {} bytes for that", bytes);
    const int64_t wanted = std::clamp(work_.mode == Mode::hot ? 1 : (work_.footprint + bytes - 1) / bytes, int64_t(1), int64_t(launches_.size()));
    std::vector<size_t> order;
    for (size_t i = 0; i < launches_.size(); ++i)
      if (work_.reference && work_.reference->find(int64_t(i))) order.push_back(i);
    for (size_t i = 0; i < launches_.size() && order.size() < size_t(wanted); ++i)
      if (!work_.reference || !work_.reference->find(int64_t(i))) order.push_back(i);
    order.resize(size_t(wanted));
    std::sort(order.begin(), order.end());
    std::vector<Launch> prepared;
    std::vector<int64_t> sources;
    // One block, guard bands between its copies: hundreds of small ones would fault every 4 KB page apart.
    const int64_t step = (bytes + 63) / 64 * 64 + kGuardBytes, all = kGuardBytes + step * wanted;
    const Address block = device_->allocate(all);
    device_->fill(block, kPoison, all);
    for (const size_t i : order) {
      Launch launch = launches_[i];
      launch.prepared = block + kGuardBytes + step * int64_t(prepared.size());
      launch.prepared_bytes = bytes;
      for (const Tensor& t : launch.tensors)
        if (t.operand == Operand::b) launch.bytes -= t.bytes + t.scale_bytes;
      launch.bytes += bytes;
      const int64_t began = now_ns();
      kernel_->prepare(launch);
      if (prepared.empty()) reply.prepare_us = double(now_ns() - began) * 1e-3;
      prepared.push_back(std::move(launch));
      sources.push_back(int64_t(i));
    }
    for (int64_t i = 0; i <= wanted; ++i)
      if (first_broken(block + step * i) >= 0) set(reply, Outcome::wrong, "its prepare wrote outside of its buffer");
    device_->protect(block, all);
    launches_ = std::move(prepared);
    source_copy_ = std::move(sources);
  }

  int64_t cold_bytes() const {
    if (launches_[0].prepared_bytes > 0) return launches_[0].prepared_bytes;
    int64_t bytes = 0;
    for (const Tensor& t : launches_[0].tensors)
      if (t.operand == Operand::b) bytes += t.bytes + t.scale_bytes;
    return bytes;
  }

  /// Of one sample: the device's wish, or what makes a submission in batched mode. Cold buffers can be had for single launches alone.
  int64_t most_launches() const {
    const int64_t wanted = work_.device->launches_per_sample;
    if (work_.mode == Mode::batched && !work_.bulk) return std::max(wanted, work_.batch_launches);
    return work_.mode == Mode::cold ? 1 : wanted;
  }

  void choose_length(double device_us) {
    const int64_t most = most_launches(), least = work_.mode == Mode::batched && !work_.bulk ? work_.batch_launches : 1;
    length_ = most == least ? most : std::clamp(int64_t(kSequenceUs / std::max(device_us, 0.1)), least, most);
  }

  /// A sequence goes on to the next launch whose copy has a reference.
  int64_t length_from(int64_t position) const {
    int64_t length = length_;
    const int64_t rotation = int64_t(launches_.size());
    if (length > 1 && validator_)
      while (!validator_->can_check(source_copy_[size_t((position + length - 1) % rotation)])) ++length;
    return length;
  }

  int64_t checked_copy_at_or_after(int64_t position) const {
    const int64_t rotation = int64_t(launches_.size());
    for (int64_t i = 0; i < rotation; ++i)
      if (validator_->can_check(source_copy_[size_t((position + i) % rotation)])) return (position + i) % rotation;
    fail("no copy of the weights has a reference");
  }

  /// Position in the rotation, A's factor ±2^j, and one column with its sign flipped: nothing remembered is right.
  LaunchInputs random_inputs(int64_t position) {
    const uint64_t bits = random_();
    const int exponent = int(bits % 7) - 3;
    const double factor = std::ldexp(bits & 0x100 ? -1.0 : 1.0, exponent);
    const int64_t flips = work_.reference ? work_.reference->flip_count() : 1;
    return {position, factor, int64_t((bits >> 16) % uint64_t(flips))};
  }

  /// One sample: `length` launches, of which the last one's copy is inputs.copy.
  LaunchTimes launch(const LaunchInputs& inputs, int64_t length, Reply& reply, bool check) {
    const int64_t began = now_ns();
    if (validator_) {
      work_.inputs->scaled_a(inputs.factor, work_.reference->flip_column(inputs.flip), host_a_);
      device_->write(a_.data, host_a_.data(), a_.bytes);
      ring_->poison(std::min(length, ring_->slots()));
    }
    const Launch& bound = launches_[size_t(inputs.copy)];
    if (bound.workspace_bytes > 0) device_->fill(bound.workspace, kPoison, bound.workspace_bytes);
    if (scratch_.data) device_->fill(scratch_.data, 0, scratch_.bytes);

    const int64_t submitted = now_ns();
    const LaunchTimes times = length > 1 ? submit_many(inputs.copy, length) : device_->time({&bound, 1})[0];
    const int64_t returned = now_ns();
    if (validator_) verify(inputs, length, reply, check);
    reply.timed_us += double(returned - submitted) * 1e-3;
    reply.untimed_check_us += double(submitted - began + now_ns() - returned) * 1e-3;
    LaunchTimes lied = times;  // only in the self-test
    lied.device_us *= work_.variant->timer_scale;
    return lied;
  }

  int64_t copy_before(int64_t last, int64_t steps) const {
    const int64_t rotation = int64_t(launches_.size());
    return ((last - steps) % rotation + rotation) % rotation;
  }

  /// A sequence, each launch with its own copy of B; their mean. Host times are those of its submission in batched mode, else of a
  /// single dispatch.
  LaunchTimes submit_many(int64_t last, int64_t length) {
    std::vector<Launch> sequence;
    for (int64_t i = 0; i < length; ++i) {
      sequence.push_back(launches_[size_t(copy_before(last, length - 1 - i))]);
      ring_->bind(sequence.back(), i % ring_->slots());
    }
    LaunchTimes mean, single;
    if (work_.mode != Mode::batched) single = device_->time({&sequence.back(), 1})[0];
    const double share = 1.0 / double(sequence.size());
    for (const LaunchTimes& t : device_->time(sequence)) {
      mean.device_us += t.device_us * share;
      mean.encode_us += t.encode_us * share;
      mean.submit_us += t.submit_us * share;
      mean.wait_us += t.wait_us * share;
      mean.disturbed |= t.disturbed;
    }
    if (work_.mode != Mode::batched) mean.encode_us = single.encode_us, mean.submit_us = single.submit_us, mean.wait_us = single.wait_us;
    mean.launches = int32_t(length);
    return mean;
  }

  /// Every buffer is scanned. Where that is cheap all of them are compared with the reference, else the last launch's if it must be.
  void verify(const LaunchInputs& inputs, int64_t length, Reply& reply, bool must_check) {
    const int64_t used = std::min(length, ring_->slots());
    ring_->read(used);
    std::string message;
    for (int64_t back = 0; back < used && message.empty(); ++back) {
      const std::span<const std::byte> d = ring_->slot((length - 1 - back) % ring_->slots());
      const LaunchInputs of_slot{source_copy_[size_t(copy_before(inputs.copy, back))], inputs.factor, inputs.flip};
      message = validator_->scan(d);
      if (message.empty() && validator_->can_check(of_slot.copy) &&
          ((must_check && back == 0) || validator_->check_cost() <= kCheapCheckElements))
        message = validator_->check(d, of_slot, checked_range());
      if (back > 0) continue;
      last_ = of_slot;
      last_slot_ = (length - 1) % ring_->slots();
    }
    if (message.empty()) message = ring_->broken_guard();
    if (const std::string left = device_->left_behind(); !left.empty()) {
      reply.tainted = 1;
      if (message.empty()) message = left;
    }
    if (!message.empty()) set(reply, Outcome::wrong, message);
    check_surroundings(reply);
  }

  /// A turn's check of a big D is of a sixteenth, anywhere: the first launch and the last are checked whole.
  ElementRange checked_range() {
    const int64_t elements = validator_->check_cost();
    if (!sampling_ || elements <= kWholeCheckElements) return {};
    const int64_t first = int64_t(random_() % uint64_t(elements - elements / 16 + 1));
    return {first, first + elements / 16};
  }

  /// Where the first byte lies that is no poison any more; -1 if the band is whole.
  int64_t first_broken(Address band) {
    std::byte bytes[kGuardBytes];
    device_->read(bytes, band, kGuardBytes);
    const auto broken = std::find_if(std::begin(bytes), std::end(bytes), [](std::byte b) { return b != std::byte{kPoison}; });
    return broken == std::end(bytes) ? -1 : broken - std::begin(bytes);
  }

  /// Guard bands, and inputs that must be as they were.
  void check_surroundings(Reply& reply) {
    for (const Guarded& g : guarded_) {
      if (const int64_t at = first_broken(g.data - kGuardBytes); at >= 0)
        return set(reply, Outcome::wrong, fmt::format("wrote {} bytes before the start of a buffer", kGuardBytes - at));
      if (const int64_t at = first_broken(g.data + g.bytes); at >= 0)
        return set(reply, Outcome::wrong, fmt::format("wrote {} bytes behind the end of a buffer", at + 1));
    }
    scratch_bytes_.resize(size_t(a_.bytes));
    device_->read(scratch_bytes_.data(), a_.data, a_.bytes);
    if (scratch_bytes_ != host_a_) return set(reply, Outcome::wrong, "wrote into its input A");
    for (const auto& [tensor, host] : fixed_) {
      scratch_bytes_.resize(size_t(tensor.bytes));
      device_->read(scratch_bytes_.data(), tensor.data, tensor.bytes);
      if (scratch_bytes_ != host->bytes)
        return set(reply, Outcome::wrong, fmt::format("wrote into its input {}", tensor.operand == Operand::bias ? "bias" : "C"));
    }
  }

  const WorkerCase& work_;
  const Spec spec_;
  OpenedArenas& opened_;
  Device* device_;
  std::unique_ptr<LoadedKernel> kernel_;
  std::optional<Validator> validator_;
  std::mt19937_64 random_;
  std::vector<Guarded> guarded_;
  std::vector<Launch> launches_;       // the rotation
  std::vector<int64_t> source_copy_;   // which copy each of them reads
  std::vector<std::pair<Tensor, const HostTensor*>> fixed_;
  LaunchInputs last_;   // of the last launch, its copy as the reference counts them
  int64_t last_slot_ = 0;
  bool sampling_ = false;
  Tensor a_;
  std::optional<OutputRing> ring_;
  int64_t length_ = 1;                 // launches of a sample
  Guarded scratch_;
  std::vector<std::byte> host_a_, scratch_bytes_;
};

void send_reply(int socket, const Reply& reply, const LaunchTimes* times) {
  static std::byte packet[sizeof(Reply) + kMostSamples * sizeof(LaunchTimes)];
  std::memcpy(packet, &reply, sizeof reply);
  std::memcpy(packet + sizeof reply, times, size_t(reply.samples) * sizeof(LaunchTimes));
  if (send(socket, packet, sizeof reply + size_t(reply.samples) * sizeof(LaunchTimes), MSG_NOSIGNAL) < 0) _exit(1);
}

}  // namespace

std::string_view mode_name(Mode mode) {
  constexpr std::string_view kNames[] = {"decode", "cold", "hot", "batched"};
  return kNames[size_t(mode)];
}

Mode parse_mode(const std::string& name) {
  for (const Mode mode : {Mode::decode, Mode::cold, Mode::hot, Mode::batched})
    if (name == mode_name(mode)) return mode;
  fail("--mode {}: unknown; choose decode, cold, hot or batched", name);
}

void serve_worker(const std::vector<const WorkerCase*>& cases, int socket) {
  static LaunchTimes times[kMostSamples];
  std::unique_ptr<OpenedArenas> opened;
  std::vector<std::unique_ptr<CaseWorker>> workers(cases.size());
  Command command;
  while (recv(socket, &command, sizeof command, 0) == ssize_t(sizeof command) && command.step != Step::quit) {
    Reply reply;
    std::unique_ptr<CaseWorker>& worker = workers[size_t(command.index)];
    try {
      if (command.step == Step::setup) {
        const WorkerCase& work = *cases[size_t(command.index)];
        if (!opened) opened = std::make_unique<OpenedArenas>(work);
        worker = std::make_unique<CaseWorker>(work, *opened);
        worker->setup(reply);
      } else if (command.step == Step::sample) {
        worker->sample(command, reply, times);
      } else {
        worker->settle(reply);
      }
    } catch (const Unsupported& e) {
      CaseWorker::set(reply, Outcome::unsupported, e.what());
    } catch (const OverLimit& e) {
      CaseWorker::set(reply, Outcome::device_limit, e.what());
    } catch (const std::exception& e) {
      CaseWorker::set(reply, Outcome::launch_failed, e.what());
    }
    if (worker) worker->fill_in(reply);
    send_reply(socket, reply, times);
  }
  _exit(0);  // no destructor of a kernel's or a vendor's may run
}

}  // namespace assay
