// A model's forward pass as data: every op in its order, its spec line, and what each operand is.
#pragma once
#include <string>
#include <vector>

#include "model/model_config.h"
#include "spec/tensor.h"

namespace assay {

struct PassRequest {
  int64_t tokens = 1;    // m: 1 decodes; more are a piece of a prompt
  int64_t logits = 1;    // of the last so many tokens; 0: none are wanted
  int64_t capacity = 1;  // positions that the KV cache has room for
  Dtype cache = Dtype::f32;
  Dtype activations = Dtype::f32;  // of all that goes from op to op
  bool fuses_swiglu = true;        // gate, up and swiglu are one op, where the two weights have one type
  bool picks = false;              // the place of the largest of each row of logits is wanted, too: "picked"
};

/// An operand: a tensor of the file, or a buffer of the pass by its name. A layer's caches are "blk.N.k_cache" and
/// "blk.N.v_cache"; "tokens" and "position" are what the caller sets.
struct PassOperand {
  Operand part = Operand::a;
  uint32_t segment = 0;
  std::string name;
  bool is_weight = false;    // a tensor of the file
  int64_t skipped_rows = 0;  // of a buffer: the operand begins after them
};

struct PassOp {
  std::string line;    // of its spec
  std::string role;    // "attn_qkv", "mlp_down_proj": what it is in the step
  int64_t layer = -1;  // -1: of no layer
  std::vector<PassOperand> operands;
};

/// The type's name in spec lines.
std::string spec_type_name(TensorType type);

/// In order. Attention's line says that all of the capacity is seen: its length is an operand. Error where the model
/// has what no op computes yet. ASSAY_CHECK unless check_model_tensors() held.
std::vector<PassOp> forward_pass(const Gguf& file, const ModelConfig& config, const PassRequest& request);

}  // namespace assay
