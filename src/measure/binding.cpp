// A case bound to memory of its device.
#include "measure/binding.h"

#include <algorithm>
#include <random>

#include "base/clock.h"
#include "base/error.h"
#include "base/round_up.h"
#include "base/stages.h"

namespace assay {
namespace {

constexpr int64_t kMostSpareBytes = int64_t(64) << 20;  // of one block

constexpr int64_t kMostWidening = 4;     // f32 of Q8_0, and some padding
constexpr int64_t kFewBytes = 64 << 10;  // tiles of little weights may be padded to so much

/// From one prepared copy to the next; the first begins at kCopyAlignment. Between two lie a guard band behind one …
int64_t step_of(int64_t bytes) { return round_up(round_up(bytes, 64) + kGuardBytes, kCopyAlignment); }
int64_t behind(int64_t bytes) { return kCopyAlignment + round_up(bytes, 64); }
/// … and one before the other.
constexpr int64_t kBefore = kCopyAlignment - kGuardBytes;

int64_t weight_bytes(const Launch& launch) {
  int64_t bytes = 0;
  for (const Tensor& t : launch.tensors)
    if (t.use == Use::weight) bytes += t.bytes + t.scale_bytes;
  return bytes;
}

}  // namespace

int64_t copies_in_turns(int64_t bytes, int64_t footprint) {
  constexpr int64_t kLaunchesOfTurn = 16;  // about: 8, a few more that are no samples, up to one with a reference
  constexpr int64_t kReadBetween = 2 * kBulkBytes;  // by the long reads of one round, at least
  constexpr int64_t kAdjacent = 2;  // of two rounds the last and the first turn may have nothing between them
  const int64_t between = std::min(kReadBetween, footprint);
  return (footprint + kAdjacent * between) / (bytes + between / kLaunchesOfTurn) + 1;
}

OpenedArenas::OpenedArenas(const WorkerCase& work)
    : device_(work.backend->open_measured(*work.device, work.memory_limit)), copies_(work.device->one_worker) {
  std::vector<std::span<std::byte>> ranges = work.inputs->used();
  if (!copies_) {  // memory of the host's costs nothing, and a write anywhere in it is caught
    ranges.clear();
    for (InputArena* arena : work.arenas->all()) ranges.push_back(arena->bytes());
  }
  for (const std::span<std::byte> range : ranges) imported_.push_back({range, device_->import(range)});
}

Address OpenedArenas::address(const std::byte* host) const {
  for (const auto& [from, to] : imported_)
    if (const auto offset = host - from.data(); offset >= 0 && offset < int64_t(from.size())) return to + offset;
  return nullptr;
}

/// A copy is not watched for writes: nothing that is timed reads it, and each case is judged by what it makes of it.
Address OpenedArenas::special(const SpecialWeights& weights) {
  const auto [found, is_new] = special_.try_emplace(&weights, nullptr);
  const std::span<std::byte> host = weights.memory();
  if (is_new && copies_) {
    found->second = device_->allocate(int64_t(host.size()));
    device_->write(found->second, host.data(), int64_t(host.size()));
  } else if (is_new) {
    found->second = device_->import(host);
  }
  return found->second;
}

Address OpenedArenas::borrow(int64_t bytes) {
  const auto found = spare_.find(bytes);
  if (found == spare_.end()) return device_->allocate(bytes);
  const Address block = found->second;
  spare_.erase(found);
  return block;
}

void OpenedArenas::give_back(Address block, int64_t bytes) noexcept {
  if (keeps_ || (copies_ && bytes <= kMostSpareBytes))
    spare_.emplace(bytes, block);
  else
    device_->release(block);
}

Address OpenedArenas::poison(int64_t bytes) {
  if (bytes > poison_bytes_) {
    poison_ = device_->allocate(bytes);
    device_->fill(poison_, kPoison, bytes);
    poison_bytes_ = bytes;
  }
  return poison_;
}

void OpenedArenas::protect(Address block, int64_t bytes) {
  device_->protect(block, bytes);
  prepared_blocks_.push_back(block);
}

Binding::Binding(const WorkerCase& work, OpenedArenas& opened, LoadedKernel& kernel, int64_t slots)
    : work_(work),
      spec_(work.inputs->spec()),
      opened_(opened),
      device_(opened.device()),
      kernel_(kernel),
      surroundings_(device_) {
  const InStage stage(Stage::bind);
  std::vector<Tensor> tensors = spec_.tensors, d;
  int64_t hot_bytes = 0;
  size_t bias = 0, c = 0;
  for (Tensor& t : tensors) {
    if (t.use == Use::weight) continue;
    if (t.use == Use::output) {
      d.push_back(t);
    } else {
      t.data = surroundings_.allocate(t.bytes);
      const auto other = work.inputs->constants.find(size_t(&t - tensors.data()));
      const std::string name = operand_text(spec_, spec_.tensors[size_t(&t - tensors.data())]);
      if (t.use == Use::varied)
        varied_.push_back(t), surroundings_.add_varied(t, name);
      else if (other != work.inputs->constants.end())
        surroundings_.put(t, other->second, name);
      else if (t.operand == Operand::bias)
        surroundings_.put(t, work.inputs->bias[bias++], "bias");
      else if (t.operand == Operand::c)
        surroundings_.put(t, work.inputs->c[c++], "C");
    }
    if (t.is_read) hot_bytes += t.touched_bytes();
  }
  ring_.emplace(device_, d, slots,
                work.proof ? work.proof->projection_weights() : std::vector<std::span<const float>>());
  if (!work.proof && !spec_.op->is_product && (!work.bulk || spec_.cold_bytes() == 0))
    bind_reader();
  else if (work.bulk)
    bind_bulk(tensors);
  else
    bind_copies(tensors, hot_bytes);
  for (Launch& launch : launches_) ring_->bind(launch, 0);
  bind_workspace();
  for (const Tensor& t : varied_)
    if (overlaps() && work.proof)
      handed_.push_back({t.data, {device_.allocate(t.bytes), device_.allocate(t.bytes)}, t.bytes});
  if (work.mode == Mode::cold) scratch_ = surroundings_.allocate(scratch_bytes());
}

int64_t Binding::scratch_bytes() const { return std::max(work_.footprint, int64_t(1) << 20); }

void Binding::bind_copies(const std::vector<Tensor>& tensors, int64_t hot_bytes) {
  for (int64_t copy = 0; copy < work_.inputs->copies(); ++copy) {
    Launch launch = launch_of(spec_);
    launch.kernel = &kernel_;
    launch.tensors = tensors;
    size_t weight = 0;
    for (Tensor& t : launch.tensors) {
      if (t.use != Use::weight) continue;
      t = work_.inputs->b(copy)[weight++];
      t.data = opened_.address(t.data);
      if (t.scales) t.scales = opened_.address(t.scales);
    }
    launch.bytes = hot_bytes + spec_.cold_bytes();
    launches_.push_back(std::move(launch));
    source_copy_.push_back(copy);
  }
}

/// Long reads: the first B tensor becomes a piece of what the copies cover, as f32; the pieces rotate like copies do.
/// All are equally long, so that a small arena beside a big one (the scales of split Q8_0) is read where it has a whole
/// one.
void Binding::bind_bulk(const std::vector<Tensor>& tensors) {
  constexpr int64_t kColumns = 1024, kRowBytes = 4 * kColumns;
  static_assert(kRowBytes <= kSpareBytes);
  const std::vector<std::span<std::byte>>& covered = work_.inputs->covered();
  const auto largest = std::max_element(covered.begin(), covered.end(),
                                        [](const auto& a, const auto& b) { return a.size() < b.size(); });
  const int64_t piece = std::clamp(int64_t(largest->size()) / kRowBytes * kRowBytes, kRowBytes, kBulkBytes);
  std::vector<const std::byte*> pieces;
  for (const std::span<std::byte> range : covered)
    for (int64_t offset = 0; offset + piece <= int64_t(range.size()); offset += piece)
      pieces.push_back(range.data() + offset);
  if (pieces.empty()) pieces.push_back(largest->data());
  for (const std::byte* from : pieces) {
    Launch launch;
    launch.kernel = &kernel_;
    launch.op = &op_of_readers();
    launch.bytes = piece;
    bool has_b = false;
    for (Tensor t : tensors) {
      if (t.use == Use::weight && has_b) continue;
      if (t.use == Use::weight) {
        has_b = true;
        t.operand = Operand::b, t.segment = 0;
        t.dtype = Dtype::f32;
        t.storage = Storage::strided;
        t.dims[0] = 1, t.dims[1] = piece / kRowBytes, t.dims[2] = kColumns;
        t.strides[0] = piece / 4, t.strides[1] = kColumns, t.strides[2] = 1;
        t.bytes = piece;
        t.scale_bytes = 0;
        t.data = opened_.address(from);
        t.scales = nullptr;
      }
      launch.tensors.push_back(t);
    }
    launches_.push_back(std::move(launch));
    source_copy_.push_back(0);
  }
}

/// What an op that is no product must touch, read once: so many bytes anew out of what the copies cover, and so many
/// that stay where they are.
void Binding::bind_reader() {
  constexpr int64_t kLine = 64, kMostPieces = 1 << 14;
  // In whole words of 16 bytes, a row each: a tail would cost a small reader more than the rest. There is room behind.
  constexpr int64_t kWord = 16;
  const auto tensor = [](Address data, int64_t bytes, uint32_t segment) {
    Tensor t = dense_tensor(Operand::b, Dtype::f32, 1, (bytes + kWord - 1) / kWord, kWord / 4);
    t.use = Use::weight, t.segment = segment, t.data = data;
    return t;
  };
  std::vector<const std::byte*> pieces;
  const int64_t cold = spec_.cold_bytes(), hot = spec_.hot_bytes(), step = (cold + kLine - 1) / kLine * kLine;
  if (cold > 0) {
    const std::vector<std::span<std::byte>>& covered = work_.inputs->covered();
    const auto largest = std::max_element(covered.begin(), covered.end(),
                                          [](const auto& a, const auto& b) { return a.size() < b.size(); });
    for (int64_t at = 0; at + cold <= int64_t(largest->size()) && std::ssize(pieces) < kMostPieces; at += step)
      pieces.push_back(largest->data() + at);
    if (pieces.empty()) pieces.push_back(largest->data());
  } else {
    pieces.push_back(nullptr);
  }
  // One behind the other, the end of a piece would bring the beginning of the next into the caches.
  std::shuffle(pieces.begin(), pieces.end(), std::mt19937_64(1));
  hot_ = hot > 0 ? surroundings_.allocate(std::max<int64_t>(hot, kLine)) : nullptr;
  for (const std::byte* piece : pieces) {
    Launch launch;
    launch.kernel = &kernel_;
    launch.op = &op_of_readers();
    launch.bytes = spec_.floor_bytes();
    if (piece) launch.tensors.push_back(tensor(opened_.address(piece), cold, 0));
    if (hot_) launch.tensors.push_back(tensor(hot_, hot, piece ? 1 : 0));
    launches_.push_back(std::move(launch));
    source_copy_.push_back(0);
  }
}

void Binding::renew_hot() {
  if (!hot_) return;
  host_hot_.assign(size_t(spec_.hot_bytes()), std::byte{});
  device_.write(hot_, host_hot_.data(), std::ssize(host_hot_));
}

void Binding::bind_workspace() {
  const int64_t bytes = kernel_.workspace_bytes(launches_[0]);
  if (bytes < 0 || bytes > work_.memory_limit) fail("it asks for {} bytes of workspace", bytes);
  const Address workspace = bytes > 0 ? surroundings_.allocate(bytes) : nullptr;
  for (Launch& launch : launches_) {
    launch.workspace = workspace;
    launch.workspace_bytes = bytes;
  }
}

/// Where a read of B cannot be trapped, as others read it in the same process (the judge of an op that is no product is
/// one), NaN lies where the kernel would look for it.
void Binding::withhold_b(std::vector<Launch>& launches) {
  bool is_withheld = spec_.op->is_product;
  for (const std::span<std::byte> range : work_.inputs->used())
    is_withheld = is_withheld && device_.withhold(opened_.address(range.data()), int64_t(range.size()));
  if (is_withheld) return;
  int64_t most = 0;
  for (const Tensor& t : launches[0].tensors)
    if (t.use == Use::weight) most = std::max({most, t.bytes, t.scale_bytes});
  const Address poison = opened_.poison(most);
  for (Launch& launch : launches)
    for (Tensor& t : launch.tensors) {
      if (t.use != Use::weight) continue;
      t.data = poison;
      if (t.scales) t.scales = poison;
    }
}

bool Binding::rotates_alone() const {
  return work_.variant->prepares && work_.mode == Mode::decode && work_.device->launches_per_sample <= 1;
}

/// Those with a reference first; in their order.
std::vector<size_t> Binding::copies_to_prepare(int64_t bytes) const {
  // Whoever claims far more than the weights take would rotate over few copies, and find what it really reads in a
  // cache.
  const int64_t counted = std::min(bytes, std::max(kMostWidening * weight_bytes(launches_[0]), kFewBytes));
  int64_t wanted = work_.mode == Mode::hot ? 1 : (work_.footprint + counted - 1) / counted;
  if (rotates_alone()) wanted = std::min(wanted, copies_in_turns(counted, work_.footprint));
  wanted = std::clamp(wanted, int64_t(1), rotation());
  std::vector<size_t> order;
  for (size_t i = 0; i < launches_.size(); ++i)
    if (work_.proof && work_.proof->knows(int64_t(i))) order.push_back(i);
  for (size_t i = 0; i < launches_.size() && order.size() < size_t(wanted); ++i)
    if (!work_.proof || !work_.proof->knows(int64_t(i))) order.push_back(i);
  order.resize(size_t(wanted));
  std::sort(order.begin(), order.end());
  return order;
}

std::string other_storage(const Variant& variant, const Variant& converter) {
  return fmt::format("names storage \"{}\", but its prepare makes other bytes of the same weights than {} does",
                     variant.storage, converter.id());
}

/// One block, guard bands between its copies: hundreds of small ones would fault every 4 KB page apart.
std::span<std::byte> Binding::room_to_prepare() {
  if (!work_.variant->prepares || !room_.memory.empty()) return room_.memory;
  const InStage stage(Stage::bind);
  room_.bytes = kernel_.prepared_bytes(launches_[0]);
  if (room_.bytes <= 0) fail("its manifest says it prepares, but it needs {} bytes for that", room_.bytes);
  room_.copies = copies_to_prepare(room_.bytes);
  const int64_t all = kCopyAlignment + step_of(room_.bytes) * std::ssize(room_.copies);
  room_.memory = {device_.allocate(all), size_t(all)};
  device_.fill(room_.memory.data(), kPoison, all);
  return room_.memory;
}

std::span<std::byte> Binding::take_prepared() {
  if (room_.memory.empty() || !device_.unprotect(room_.memory.data(), std::ssize(room_.memory))) return {};
  return room_.memory;
}

Binding::Preparation Binding::prepare(int64_t room_used, LoadedKernel* converter) {
  Preparation result;
  if (!work_.variant->prepares) return result;
  const InStage stage(Stage::prepare);
  const std::span<std::byte> room = room_to_prepare();
  device_.fill(room.data(), kPoison, room_used);
  const int64_t bytes = room_.bytes, step = step_of(bytes);
  if (converter && converter->prepared_bytes(launches_[0]) != bytes)
    result.message = other_storage(*work_.variant, *work_.converter);
  if (!result.message.empty()) converter = nullptr;
  std::vector<Launch> prepared;
  std::vector<int64_t> sources;
  for (const size_t i : room_.copies) {
    Launch launch = launches_[i];
    launch.prepared = room.data() + kCopyAlignment + step * int64_t(prepared.size());
    launch.prepared_bytes = bytes;
    launch.bytes += work_.variant->keeps_b ? bytes : bytes - weight_bytes(launch);
    const int64_t began = now_ns();
    (converter ? *converter : kernel_).prepare(launch);
    if (prepared.empty()) result.us = double(now_ns() - began) * 1e-3;
    prepared.push_back(std::move(launch));
    sources.push_back(int64_t(i));
  }
  const int64_t began = now_ns();
  const auto are_whole = [&](int64_t first) {
    return surroundings_.bands_are_whole(room.data() + first, step, std::ssize(room_.copies));
  };
  if (result.message.empty() && !(are_whole(kBefore) && are_whole(behind(bytes))))
    result.message = "its prepare wrote outside of its buffer";
  result.check_us = double(now_ns() - began) * 1e-3;
  opened_.protect(room.data(), std::ssize(room));
  prepared_block_ = room.data();
  if (!work_.variant->keeps_b) withhold_b(prepared);
  launches_ = std::move(prepared);
  source_copy_ = std::move(sources);
  return result;
}

}  // namespace assay
