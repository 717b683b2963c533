// The run whose trace is written: a decoder of 24 blocks in profiling mode, one command buffer a kernel, waited for at
// once.
#pragma once
#include <array>
#include <string>
#include <vector>

#include "recorder.h"

namespace trace_generator {

struct RunOptions {
  int64_t events = 210'372;  // good events, defects aside
  uint64_t seed = 1;
  int64_t prompt_tokens = 46;
  int64_t context = 4096;  // a sequence ends here and a new prompt begins
  Defects defects;
};

class Engine {
 public:
  Engine(const RunOptions& options, LineFile& out, Truth& truth);

  /// Writes the whole run: load, prompt, decode, …, exactly `events` good events. With cutoff it ends within a token
  /// and a line.
  void write();

 private:
  struct Block {
    std::string base, rearrange, swiglu, qkv, rope, kv, sdpa, copy;  // scopes of its command buffers
    std::string out_kernel, down_kernel, total, forward_cpu;
  };
  struct Phase {
    std::string name, output;  // "Generation Loop", "Generation Loop/generation_step_output"
    std::array<Block, 24> blocks;
  };
  struct Schedule {
    int64_t load_buffers = 0, prompt = 0, filler = 0;
    std::vector<std::pair<bool, int64_t>> tokens;  // prompt?, position
  };

  static Phase make_phase(const std::string& name);
  Schedule plan() const;
  void load(const Schedule& schedule);
  void token(bool prompt, int64_t position, int64_t index, bool cut);
  void block(const Phase& phase, size_t index, int64_t step_span);
  void attention(const Block& b);
  void generate_token(const Phase& phase, int64_t began_us);
  void staging();
  void preparation_stats();
  void memory_events(int64_t index);
  void set_length(int64_t keys);

  RunOptions options_;
  LineFile& out_;
  Truth& truth_;
  Recorder record_;
  Phase prompt_, decode_;
  Matmul qkv_, scores_, values_, out_proj_, gate_up_, down_, logits_;
  int64_t keys_ = 0, root_span_ = 0;
};

}  // namespace trace_generator
