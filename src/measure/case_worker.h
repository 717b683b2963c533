// One case in its worker: sequences of launches timed, each poisoned before and checked after.
#pragma once
#include <memory>
#include <optional>
#include <random>
#include <string>
#include <vector>

#include "measure/binding.h"
#include "measure/late_launches.h"
#include "measure/sample_order.h"
#include "measure/sequence_length.h"
#include "measure/special_launch.h"
#include "measure/unread_weights.h"

namespace assay {

class CaseWorker {
 public:
  /// Both outlive it; `opened` is shared by the cases of one worker.
  CaseWorker(const WorkerCase& work, OpenedArenas& opened);

  /// Loads, binds, prepares, warms up. What a kernel does wrong is the reply's outcome; Error where it reports one
  /// itself.
  void setup(const Command& command, Reply& reply);
  /// Launches on special values: those that setup() left out, when no others will come; in place of setup() all that
  /// its case names.
  void try_other_special(Reply& reply);
  /// A turn: up to kMostSamples samples into `times`.
  void sample(const Command& command, Reply& reply, LaunchTimes* times);
  /// Launches over all numbers that the op looks up, or as many as the command gives time for: untimed; what was timed
  /// last stays to be looked at.
  void sweep_numbers(const Command& command, Reply& reply);
  /// Many launches more, untimed and into memory of their own: what was timed last stays to be looked at.
  void launch_late(const Command& command, Reply& reply);
  /// 50 ms and more after the last launch: nothing may have changed since.
  void settle(const Command& command, Reply& reply);
  void fill_in(Reply& reply) const;

  /// The first outcome that is no pass stays.
  static void set(Reply& reply, Outcome outcome, const std::string& detail);
  /// To the detail of what is wrong.
  static void add_before(Reply& reply, const std::string& words);

 private:
  struct Role {
    bool compared = false;  // one of its launches element by element in any case, not only where that is cheap
    bool last = false;      // of its step
    bool whole = false;     // what is compared of a big D is all of it, not a part
  };

  /// What of a sample's outputs, which are on the host by then, is compared, and with what.
  struct Comparison {
    SampleOrder order;
    LaunchInputs inputs;
    std::vector<int64_t> slots;  // element by element
    int64_t anew = -1;           // of this one an element is computed anew
    bool whole = false;
  };

  void load();
  LaunchInputs warm_up(Reply& reply);
  bool try_walled(const LaunchInputs& inputs, std::span<const std::byte> first, Reply& reply);
  void try_uneven_launches(const LaunchInputs& inputs, Reply& reply);
  void try_spaced_operands(Reply& reply);
  void look_at_process(Reply& reply);
  void try_special_draws(Reply& reply);
  void try_other_sizes(Reply& reply);
  void launch_special(LaunchInputs inputs, Reply& reply);
  void try_reused_weights(Reply& reply);
  void try_other_constants(Reply& reply);
  void try_some_numbers(Reply& reply);
  struct SweepTimes {  // of the processor's time, for some numbers, for a share of them and for all
    double usual_ms, share_ms, whole_ms;
  };
  void sweep(const SweepTimes& times, int64_t multiplications, bool far, Reply& reply);
  void try_special_at_setup(Reply& reply, std::span<std::byte> room, int64_t* room_used);
  bool takes_shorter_instead() const;
  void try_fewer_columns(Reply& reply);
  void try_special_values(const SpecialValues* values, Reply& reply, SpecialKernel of, std::optional<Spacing> only);
  void look_at_special_outputs(Reply& reply);
  void take_samples(const Command& command, Reply& reply, LaunchTimes* times);
  bool prepared_is_whole(Reply& reply);
  void finish(Reply& reply);
  int64_t least_launches() const;
  int64_t most_launches() const;
  std::vector<bool> checkable() const;
  LaunchInputs random_inputs(int64_t position, int64_t length, bool comparable);
  LaunchTimes launch(const LaunchInputs& inputs, int64_t length, Reply& reply, Role role);
  double hand_over(const LaunchInputs& inputs, int64_t length, bool is_sequence, Reply& reply);
  LaunchTimes dispatch_alone(int64_t copy);
  void evict();
  std::unique_ptr<Program> bind_sequence();
  LaunchTimes submit_many(Reply& reply);
  LaunchTimes time_counted(const Launch& bound, bool is_sequence, int64_t length, Reply& reply);
  void verify(const SampleOrder& order, const LaunchInputs& inputs, Reply& reply, Role role);
  std::string compare(const Comparison& of);
  void compare_pending(Reply& reply);
  std::vector<int64_t> draw_projected(const Comparison& of);
  int64_t slots_to_use();
  std::vector<int64_t> slots_by_copy(const SampleOrder& order) const;
  std::vector<int64_t> draw_compared(const SampleOrder& order, const LaunchInputs& inputs, Role role);
  LaunchInputs of_slot(const SampleOrder& order, const LaunchInputs& inputs, int64_t slot) const;
  std::span<const Address> watched() const;
  ElementRange drawn_part();
  bool may_compare_more();
  bool may_judge_more();
  bool may_be_free();
  void account(int64_t began_ns, const Reply& reply);

  const WorkerCase& work_;
  OpenedArenas& opened_;
  MeasuredDevice& device_;
  std::unique_ptr<LoadedKernel> kernel_, converter_;
  std::optional<Binding> bound_;
  std::unique_ptr<Judge> judge_;
  std::mt19937_64 random_;
  std::optional<SequenceLength> length_;
  LaunchInputs last_;  // of a launch of the last sample, its copy as the reference counts them
  int64_t last_slot_ = 0, last_place_ = 0, own_position_ = 0;
  SampleOrder order_;                        // of the sample in work
  std::optional<int> uneven_way_;            // of the launch in work, where it is to run so
  std::optional<Launch> instead_;            // of the launch that is bound, in the work of special draws
  std::unique_ptr<Program> program_;         // of the sample in work, where it is bound already
  std::optional<Comparison> pending_;        // of the sample before: while the device is at the next
  bool sampling_ = false, is_read_ = false;  // is_read_: the outputs of the launch in work are on the host already
  bool hands_over_ = false;                  // whether this turn shows launches whose inputs come late
  int64_t turns_ = 0, free_launches_ = 0;
  double spent_us_ = 0, checked_us_ = 0;  // by this case so far, in set-up and turns
  std::optional<LateLaunches> late_;
  std::vector<SeenOutput> special_outputs_;                  // of launches on special values
  std::vector<std::unique_ptr<SpecialValues>> own_special_;  // with the spec's own numbers, of who takes no others
  bool watch_all_ = false;                                   // as the command of this step says
  std::vector<std::vector<std::byte>> host_varied_;          // of each varied operand
  std::vector<std::vector<std::byte>> host_decoys_;          // likewise, other contents
};

}  // namespace assay
