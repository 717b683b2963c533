// A forward pass bound to a device: kernels chosen and built, operands in memory, one program.
#pragma once
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "engine/kernel_choice.h"
#include "engine/loaded_model.h"
#include "model/forward_pass.h"

namespace assay {

struct BoundOp {
  PassOp op;
  Spec spec;  // of attention: its length is the cache's capacity, whatever a call of it sees
  KernelChoice choice;
};

/// A spec's line cut where its "length" stands, whose value is each call's own: start + value + end. No end: it has
/// none.
struct LineOfLengths {
  std::string start, end;

  bool has_length() const { return !end.empty(); }
  std::string at(int64_t length) const { return has_length() ? start + std::to_string(length) + end : start; }
};
LineOfLengths line_of_lengths(const std::string& line);

/// Runs as often as wanted: what changes from token to token lies in memory.
struct StepProgram {
  uint64_t id = 0;  // no other step of the binder has it
  std::vector<BoundOp> ops;
  std::unique_ptr<Program> program;
};

/// Whether gate, up and swiglu are one op for this chooser: where its kernel stands no worse than the product's of two
/// outputs, so that what a user or a table says of products holds.
bool fuses_swiglu(const Gguf& file, const ModelConfig& config, PassRequest request, const KernelChooser& chooser);

/// What the programs of a session share: buffers by name, caches, repacked weights, kernels.
class StepBinder {
 public:
  /// All outlive it.
  StepBinder(LoadedModel& model, Device& device, const KernelChooser& chooser, KernelShelf& shelf,
             std::function<void(const std::string&)> note);
  ~StepBinder();
  StepBinder(const StepBinder&) = delete;
  StepBinder& operator=(const StepBinder&) = delete;

  /// A weight's accuracy class is that of the first pass bound: bind the one for a single token first.
  StepProgram bind(const PassRequest& request);
  /// The ops of such a pass with their kernels, compiled where they were not: what may take longer than the pass.
  std::vector<BoundOp> built(const PassRequest& request);
  /// Makes buffers large enough for such a pass, so that later ones find them where they are.
  void reserve(const PassRequest& request);

  /// Whether a product of such a pass would get a plain loop although a single token gets better: then tokens one by
  /// one are faster.
  bool is_better_one_by_one(const PassRequest& request);
  /// Whether products of so many tokens are made in tile registers (AMX): each piece of a prompt then expands all
  /// weights anew, which long pieces make up for.
  bool expands_weights(const PassRequest& request);

  /// A buffer of the pass. ASSAY_CHECK that it is there.
  Address buffer(const std::string& name) const;
  bool has_buffer(const std::string& name) const { return buffers_.count(name) != 0; }
  /// Puts another one in its place and gives the old one back: programs bound before are void.
  void replace_buffer(const std::string& name, Address memory, int64_t bytes);
  /// Whether a buffer moved since it was asked last: programs bound before are void.
  bool take_moved() { return std::exchange(moved_, false); }

 private:
  struct Buffer {
    Address memory = nullptr;
    int64_t bytes = 0;
  };
  Address grown(const std::string& name, int64_t bytes);
  std::vector<PassOp> pass(PassRequest request);
  const Spec& spec_of(const std::string& line);
  KernelChoice choose(const PassOp& op, const Spec& spec);
  Launch launch(const BoundOp& bound);  // without its weights
  void import_weights(const BoundOp& bound, Launch& launch);
  void make_room(const std::vector<BoundOp>& ops, std::vector<Launch>& launches);
  void prepare(const BoundOp& bound, Launch& launch);
  std::string prepared_name(const BoundOp& bound) const;

  LoadedModel& model_;
  Device& device_;
  const KernelChooser& chooser_;
  KernelShelf& shelf_;
  const std::function<void(const std::string&)> note_;
  std::map<std::string, Spec> specs_;                 // by line
  std::map<std::string, KernelChoice> choices_;       // by canonical line and required class
  std::map<std::string, Accuracy> classes_;           // by weight
  std::map<std::string, Buffer> buffers_, prepared_;  // by name; by storage and weights, places in rooms_
  std::vector<Address> rooms_;
  std::optional<bool> fuses_;  // gate, up and swiglu, in every pass
  bool moved_ = false;
  uint64_t last_id_ = 0;
};

}  // namespace assay
