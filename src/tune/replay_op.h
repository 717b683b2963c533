// One op of a replayed step in memory of its device: weights of its own for each call, everything else once.
#pragma once
#include <map>
#include <memory>
#include <vector>

#include "backend/device.h"
#include "proof/inputs.h"
#include "tune/replay.h"

namespace assay {

class BoundReplayOp {
 public:
  /// So many sets of weights, at least one a call. copies: the device has memory of its own. repacked: room for
  /// `sets` × repacked_bytes().
  BoundReplayOp(const ReplayOp& op, int64_t sets, Device& device, LoadedKernel& kernel, bool copies, Address repacked);

  std::vector<Launch> launches;  // one for each set of weights; the first are the step's calls

 private:
  std::map<size_t, std::vector<std::byte>> varied(const Spec& spec) const;
  std::vector<Tensor> operands(const Spec& spec, Device& device) const;
  void add_workspace(Device& device, LoadedKernel& kernel);
  void prepare(LoadedKernel& kernel, Address to);

  std::unique_ptr<Arenas> arenas_;  // its own: no other op brings its weights into a cache
  std::unique_ptr<SpecInputs> inputs_;
};

/// What a kernel makes of one set of an op's weights, in whole pages; 0 where it reads them as they lie.
int64_t repacked_bytes(const ReplayOp& op, LoadedKernel& kernel);

}  // namespace assay
