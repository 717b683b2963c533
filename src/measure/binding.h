// A case bound to memory of its device: one launch for each copy of B that it rotates over, prepared weights included.
#pragma once
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "measure/output_ring.h"
#include "measure/surroundings.h"
#include "measure/worker.h"

namespace assay {

/// What a long read reads: half a millisecond, long beside a dispatch, short beside what disturbs. Less where the
/// copies cover less.
inline constexpr int64_t kBulkBytes = int64_t(32) << 20;

/// How many repacked copies of so many bytes a case meets, where it takes turns with long reads: before it meets one of
/// them again its own and the long ones have read as much as the footprint.
int64_t copies_in_turns(int64_t bytes, int64_t footprint);

/// The device as one process has it open, with the arenas that its cases read.
class OpenedArenas {
 public:
  explicit OpenedArenas(const WorkerCase& work);

  MeasuredDevice& device() { return *device_; }
  /// Where the device has what lies at `host` in an arena.
  Address address(const std::byte* host) const;
  /// Where the device has special weights; it gets them at the first call.
  Address special(const SpecialWeights& weights);
  /// Memory for a while. Where cases share a process what is given back waits for the next of them: a GPU takes long to
  /// map memory anew.
  Address borrow(int64_t bytes);
  void give_back(Address block, int64_t bytes) noexcept;
  /// From now on also memory of the host's waits for the next that borrows as much, for the process's last launches.
  void keep_what_is_given_back() { keeps_ = true; }
  /// Memory of NaN, at least so big.
  Address poison(int64_t bytes);
  /// Prepared weights, read-only from now on where the device can; each block one case's.
  void protect(Address block, int64_t bytes);
  std::span<const Address> prepared_blocks() const { return prepared_blocks_; }

 private:
  struct Imported {
    std::span<std::byte> host;
    Address device;
  };

  std::unique_ptr<MeasuredDevice> device_;
  const bool copies_;  // it does not see the host's memory
  bool keeps_ = false;
  std::vector<Imported> imported_;
  std::map<const SpecialWeights*, Address> special_;
  std::vector<Address> prepared_blocks_;
  std::multimap<int64_t, Address> spare_;  // by size
  Address poison_ = nullptr;
  int64_t poison_bytes_ = 0;
};

/// Of a variant that names a storage which it does not make.
std::string other_storage(const Variant& variant, const Variant& converter);

class Binding {
 public:
  /// A, C, D (in a ring of `slots` buffers), bias and workspace are the same memory in all launches; all are bound to
  /// slot 0.
  Binding(const WorkerCase& work, OpenedArenas& opened, LoadedKernel& kernel, int64_t slots);

  struct Preparation {
    double us = 0;        // of one copy
    double check_us = 0;  // that none of them wrote outside
    std::string message;  // "" or what it did wrong
  };
  /// Where the variant prepares: poisoned memory for that, one block; else none. Before prepare() anyone may use its
  /// first bytes.
  std::span<std::byte> room_to_prepare();
  /// Where the variant prepares: repacks as many copies as fill the footprint with repacked bytes, those with a
  /// reference first; by `converter`, where there is one. B itself is out of its reach from then on, unless it says
  /// that it reads both.
  Preparation prepare(int64_t room_used, LoadedKernel* converter);
  /// For what comes after all launches of the case: the memory of its prepared weights, as far as it may be had again.
  std::span<std::byte> take_prepared();
  /// The block that prepare() filled, if it did.
  std::span<const Address> prepared_blocks() const { return {&prepared_block_, prepared_block_ ? 1u : 0u}; }

  int64_t rotation() const { return int64_t(launches_.size()); }
  /// Whether it counts its own launches to know which copy comes next: it meets copies of its own that are few. Else it
  /// goes on where the case before it stopped.
  bool rotates_alone() const;
  /// The launch at a place in the rotation, and which copy of B it reads. Any number is a place.
  const Launch& launch(int64_t position) const { return launches_[index(position)]; }
  int64_t source_copy(int64_t position) const { return source_copy_[index(position)]; }

  /// What is written anew before each launch, in the spec's order.
  const std::vector<Tensor>& varied() const { return varied_; }
  /// In mode chained, of each varied operand: where two other contents wait to be handed over, those of the launches
  /// that are judged second.
  const std::vector<HandedOver>& handed() const { return handed_; }
  /// Whether launches may begin before the one before them has ended.
  bool overlaps() const { return work_.mode == Mode::chained && work_.variant->chained; }
  OutputRing& ring() { return *ring_; }
  Surroundings& surroundings() { return surroundings_; }
  /// Before a reader's launch: what it reads that is hot is made anew and copied, as a kernel's inputs are, so that it
  /// lies in the same caches.
  void renew_hot();
  /// In mode cold: as much as the footprint, to be overwritten before each launch. Else null.
  Address scratch() const { return scratch_; }
  int64_t scratch_bytes() const;

 private:
  size_t index(int64_t position) const { return size_t((position % rotation() + rotation()) % rotation()); }
  void bind_copies(const std::vector<Tensor>& tensors, int64_t hot_bytes);
  void bind_bulk(const std::vector<Tensor>& tensors);
  void bind_reader();
  void bind_workspace();
  std::vector<size_t> copies_to_prepare(int64_t bytes) const;
  void withhold_b(std::vector<Launch>& launches);

  const WorkerCase& work_;
  const Spec& spec_;
  OpenedArenas& opened_;
  MeasuredDevice& device_;
  LoadedKernel& kernel_;
  Surroundings surroundings_;
  std::vector<Tensor> varied_;
  std::vector<HandedOver> handed_;
  std::optional<OutputRing> ring_;
  std::vector<Launch> launches_;
  std::vector<int64_t> source_copy_;
  Address scratch_ = nullptr, prepared_block_ = nullptr, hot_ = nullptr;
  std::vector<std::byte> host_hot_;

  struct Room {  // of prepared weights
    std::span<std::byte> memory;
    int64_t bytes = 0;           // of each, as the kernel said
    std::vector<size_t> copies;  // of which
  };
  Room room_;
};

}  // namespace assay
