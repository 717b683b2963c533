// What no launch may change: guard bands around the buffers of a case, and the inputs in them.
#pragma once
#include <span>
#include <string>
#include <vector>

#include "backend/measured_device.h"
#include "proof/inputs.h"

namespace assay {

class Surroundings {
 public:
  explicit Surroundings(MeasuredDevice& device) : device_(device) {}

  /// Poisoned memory with a guard band on both sides. The address names it to the functions below.
  Address allocate(int64_t bytes);
  /// Writes an input that stays what it is, where tensor.data says.
  void put(const Tensor& tensor, const HostTensor& host, const std::string& name);
  /// An input that is written anew before each launch, where tensor.data says: changed() is told what it must hold.
  void add_varied(const Tensor& tensor, const std::string& name);
  /// Adds what brings them to the host, for changed(): all, or those alone that are written anew where a change of the
  /// others would stay.
  void add_to(Look& look, bool all = true);
  /// "" or which of them was changed. varied: what add_varied()'s inputs must hold, in its order.
  std::string changed(const std::vector<std::vector<std::byte>>& varied) const;
  /// Whether so many guard bands, `step` apart from the first on, are whole.
  bool bands_are_whole(Address first, int64_t step, int64_t count);

 private:
  static int64_t broken_at(std::span<const std::byte> band);

  struct Guarded {
    Address data;
    int64_t bytes;
    std::string name;                       // of an input: "C", "bias"; "": it may hold anything
    const std::vector<std::byte>* content;  // what it must hold; null: what varied[number] of changed() says
    size_t number = 0;
    bool is_varied() const { return !name.empty() && !content; }
  };
  static int64_t inside_bytes(const Guarded& g);
  Guarded& find(Address data);

  MeasuredDevice& device_;
  std::vector<Guarded> guarded_;
  size_t varied_ = 0;
  std::vector<std::byte> read_;
  bool all_ = true;  // what it holds
};

}  // namespace assay
