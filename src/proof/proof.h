// What measuring knows of a proof: how the inputs of a launch are varied, and whether what came out is right.
#pragma once
#include <limits>
#include <memory>
#include <random>
#include <span>
#include <string>
#include <vector>

#include "proof/inputs.h"
#include "proof/row_sums.h"
#include "spec/accuracy.h"
#include "store/record.h"

namespace assay {

/// What one launch was given: a copy of B, and A.
struct LaunchInputs {
  int64_t copy = 0;
  Variation a;
};

/// Elements of D in its order, segments one after another.
struct ElementRange {
  int64_t first = 0, end = std::numeric_limits<int64_t>::max();
};

/// Is this D right? One for each case, in its worker; it gathers the statistics of all launches.
class Judge {
 public:
  virtual ~Judge() = default;

  /// Scans D (all segments, one after another) for NaN and infinity, or negative numbers: an element that was never
  /// written, or is wrong. Not sparse outputs. "" or a message.
  std::string scan(std::span<const std::byte> d);
  /// So many more outputs that a device itself found finite.
  void count_scanned(int64_t launches) { stats_.launches_scanned += launches; }
  /// Compares the range's elements with the reference; only where it can. "" or a message naming the worst element.
  virtual std::string check(std::span<const std::byte> d, const LaunchInputs& inputs,
                            ElementRange range = ElementRange()) = 0;
  /// Compares one element whose right answer is computed anew, for any A and nearly any copy. "" or a message.
  virtual std::string check_one(std::span<const std::byte>, const LaunchInputs&, uint64_t /*drawn*/) { return ""; }
  /// Whether all of D is right as far as its random projections tell (OutputRing::projected): for any copy. "" or a
  /// message.
  virtual std::string check_projections(std::span<const double> sums, const LaunchInputs& inputs) = 0;
  /// Compares all of what is not projected: sparse outputs and those of i32, of any copy.
  virtual std::string check_unprojected(std::span<const std::byte>, const LaunchInputs&) { return ""; }
  /// About how many multiplications the two take, if that is much; else 0.
  virtual int64_t projection_cost() const { return 0; }
  /// Whether check() can: on this copy of the weights, and for such an A.
  virtual bool can_check(int64_t copy) const = 0;
  virtual bool can_check(const LaunchInputs& launch) const { return can_check(launch.copy); }
  /// Elements that a check of all compares.
  virtual int64_t check_cost() const { return elements_; }

  const ErrorStats& stats() const { return stats_; }

 protected:
  struct Part {
    Dtype dtype;
    int64_t elements;
    bool is_sparse;
  };
  explicit Judge(std::vector<Part> parts);
  /// "D[0,17]", of all elements of all parts.
  virtual std::string where(int64_t element) const = 0;

  ErrorStats stats_;

 private:
  const std::vector<Part> parts_;
  int64_t elements_ = 0;
};

/// The right answers of one spec, made once, before its workers fork.
class Proof {
 public:
  virtual ~Proof() = default;

  virtual const SpecInputs& inputs() const = 0;
  /// Whether launches on this copy of the weights can be compared element by element.
  virtual bool knows(int64_t copy) const = 0;
  /// How A of one sample of `launches` differs; comparable: so that its elements can be compared where a copy is known.
  virtual Variation draw(std::mt19937_64& random, int64_t launches, bool comparable) const = 0;
  /// Of launches that come late, some of which are small: of a product by its values, of another op a special draw.
  virtual Variation draw_late(std::mt19937_64& random, bool is_small, Accuracy accuracy) const = 0;
  /// How many special launches the op has; of a product these are others (proof/special_values.h).
  virtual int64_t specials() const { return 0; }
  /// How one of them varies its inputs: drawn once a spec.
  virtual Variation special(int64_t) const { return {}; }
  /// Of an op that looks up rows what they must give, where that was worked out; else null.
  virtual const RowSums* row_sums() const { return nullptr; }
  /// The inputs' spec, or the one with other numbers, as such a launch has them.
  virtual const Spec& spec_of(const Variation&) const { return inputs().spec(); }
  /// The bytes of the varied operands (of a product A) as such a launch gets them, in the spec's order.
  virtual void varied(const Variation& variation, std::vector<std::vector<std::byte>>& bytes) const = 0;
  /// Of the projections of D: the weight of each column, one list an output; none of an output that is not projected.
  virtual std::vector<std::span<const float>> projection_weights() const = 0;
  virtual std::unique_ptr<Judge> judge(Accuracy accuracy) const = 0;
  /// Between two visits no process that is forked needs it. When it comes back it has drawn anew what it keeps of some
  /// weights alone.
  virtual void leave() {}
  virtual void come_back() {}
};

/// Of products by references and projections (proof/reference.h), of other ops element by element
/// (proof/element_proof.h). classes: of the kernels to come. Error "suspect the reference" if two opinions disagree.
std::unique_ptr<Proof> make_proof(const SpecInputs& inputs, const std::vector<Accuracy>& classes);

}  // namespace assay
