// A model's forward pass as data: it reads from top to bottom.
#include "model/forward_pass.h"

#include <cctype>
#include <cmath>

#include "base/error.h"
#include "base/terminal.h"

namespace assay {
namespace {

using Operands = std::vector<PassOperand>;

PassOperand in(std::string name, uint32_t segment = 0) { return {Operand::a, segment, std::move(name)}; }
PassOperand out(std::string name, uint32_t segment = 0) { return {Operand::d, segment, std::move(name)}; }
PassOperand file_tensor(Operand part, std::string name, uint32_t segment = 0) {
  return {part, segment, std::move(name), /*is_weight=*/true};
}

class Pass {
 public:
  Pass(const Gguf& file, const ModelConfig& config, const PassRequest& request)
      : file_(file), c_(config), request_(request), m_(request.tokens), x_type_(dtype_name(request.activations)) {}

  std::vector<PassOp> make() {
    add("embedding",
        fmt::format("m={} | n={} | rows={} | dtB={} | dtD={}", m_, c_.embedding, c_.vocabulary,
                    type("token_embd.weight"), x_type_),
        "embedding", {file_tensor(Operand::b, "token_embd.weight"), {Operand::index, 0, "tokens"}, out(x())});
    for (layer_ = 0; layer_ < c_.layers; ++layer_) {
      norm("attn_norm", "attn_norm.weight");
      attention();
      product_and_residual("attn_output", "attn_output.weight", "attn_output.bias", "attended");
      norm("mlp_norm", "ffn_norm.weight");
      feed_forward();
      product_and_residual("mlp_down_proj", "ffn_down.weight", "", "hidden");
    }
    layer_ = -1;
    if (request_.logits > 0) head();
    return std::move(all_);
  }

 private:
  void attention() {
    query_key_value();
    std::string q = "q", k = "k";
    if (c_.query_key_norm) {
      head_norm("q_norm", "attn_q_norm.weight", c_.heads, "q", q = "q_normed");
      head_norm("k_norm", "attn_k_norm.weight", c_.kv_heads, "k", k = "k_normed");
    }
    const std::string k_cache = part("k_cache"), v_cache = part("v_cache");
    const std::string heads =
        fmt::format("m={} | heads={} | kv_heads={} | head_size={}", m_, c_.heads, c_.kv_heads, c_.key_size);
    const std::string cache = fmt::format("capacity={} | dtA={} | dtCache={} | dtD={}", request_.capacity, x_type_,
                                          dtype_name(request_.cache), x_type_);
    Operands turned = {in(q),
                       in(k, 1),
                       in("v", 2),
                       out("q_turned"),
                       {Operand::cache, 0, k_cache},
                       {Operand::cache, 1, v_cache},
                       {Operand::index, 0, "position"}};
    if (c_.rope.has_factors) turned.push_back(file_tensor(Operand::factors, "rope_freqs.weight"));
    add("rope",
        fmt::format("{} | {} | style={} | base={} | dimensions={}{}", heads, cache,
                    c_.rope.pairs == RopePairs::neighbours ? "pairs" : "neox", c_.rope.base, c_.rope.dimensions,
                    c_.rope.has_factors ? " | factors=1" : ""),
        "rope", std::move(turned));
    add("attention",
        fmt::format("{} | length={} | {} | scale={}", heads, request_.capacity, cache,
                    1 / std::sqrt(double(c_.key_size))),
        "sdpa",
        {in("q_turned"),
         {Operand::cache, 0, k_cache},
         {Operand::cache, 1, v_cache},
         out("attended"),
         {Operand::index, 0, "position"}});
  }

  /// One product where the three weights have one type: they share A. Files may mix types.
  void query_key_value() {
    struct Third {
      const char *name, *weight, *bias;
    };
    const Third thirds[] = {{"q", "attn_q.weight", "attn_q.bias"},
                            {"k", "attn_k.weight", "attn_k.bias"},
                            {"v", "attn_v.weight", "attn_v.bias"}};
    const std::string t = type(part("attn_q.weight"));
    if (type(part("attn_k.weight")) != t || type(part("attn_v.weight")) != t) {
      for (const Third& third : thirds)
        product(fmt::format("attn_{}", third.name), third.weight, third.bias, "normed", third.name);
      return;
    }
    const bool bias = c_.query_key_value_bias;
    Operands operands{in("normed")};
    for (uint32_t s = 0; s < 3; ++s) {
      operands.push_back(file_tensor(Operand::b, part(thirds[s].weight), s));
      operands.push_back(out(thirds[s].name, s));
      if (bias) operands.push_back(file_tensor(Operand::bias, part(thirds[s].bias), s));
    }
    add(bias ? "matmul_bias_add" : "matmul",
        fmt::format("batch=1 | m={} | n=? | k={} | tA=? | tB=? | nq={} | nk={} | nv={} | {}{}", m_, c_.embedding,
                    c_.query_rows(), c_.key_rows(), c_.value_rows(), types(t), bias ? " | bias=1" : ""),
        "attn_qkv", std::move(operands));
  }

  /// One op where the two weights have one type.
  void feed_forward() {
    const std::string gate = part("ffn_gate.weight"), up = part("ffn_up.weight");
    if (request_.fuses_swiglu && type(gate) == type(up)) {
      add("matmul_swiglu", fmt::format("m={} | n={} | k={} | {}", m_, c_.feed_forward, c_.embedding, types(type(gate))),
          "mlp_swiglu", {in("normed"), file_tensor(Operand::b, gate), file_tensor(Operand::b, up, 1), out("hidden")});
      return;
    }
    gate_and_up(gate, up);
    add("swiglu", fmt::format("m={} | n={} | dtA={} | dtD={}", m_, c_.feed_forward, x_type_, x_type_), "mlp_swiglu",
        {in("gate"), in("up", 1), out("hidden")});
  }

  void gate_and_up(const std::string& gate, const std::string& up) {
    if (type(gate) != type(up)) {
      product("mlp_gate", "ffn_gate.weight", "", "normed", "gate");
      product("mlp_up", "ffn_up.weight", "", "normed", "up");
      return;
    }
    add("matmul",
        fmt::format("batch=1 | m={} | n=? | k={} | tA=? | tB=? | n0={} | n1={} | {}", m_, c_.embedding, c_.feed_forward,
                    c_.feed_forward, types(type(gate))),
        "mlp_gate_up",
        {in("normed"), file_tensor(Operand::b, gate), out("gate"), file_tensor(Operand::b, up, 1), out("up", 1)});
  }

  /// Of the last tokens alone, as far as their logits are wanted.
  void head() {
    PassOperand residual = in(x());
    residual.skipped_rows = m_ - request_.logits;
    m_ = request_.logits;
    norm_line("output_norm", "output_norm.weight", m_, c_.embedding, {residual, out("normed")});
    const std::string weight = c_.tied_output ? "token_embd.weight" : "output.weight";
    product_line("generation_step_output", weight, "", "normed", "logits");
    if (request_.picks)
      add("argmax", fmt::format("m={} | n={} | dtA={}", m_, c_.vocabulary, x_type_), "sampling",
          {in("logits"), out("picked")});
  }

  // The residual stands in x0 or x1: what adds to it reads the one and writes the other.
  std::string x(int64_t later = 0) const { return fmt::format("x{}", (added_ + later) % 2); }

  void norm(const std::string& role, const std::string& weight) {
    norm_line(role, part(weight), m_, c_.embedding, {in(x()), out("normed")});
  }
  void head_norm(const std::string& role, const std::string& weight, int64_t heads, const std::string& from,
                 const std::string& to) {
    norm_line(role, part(weight), m_ * heads, c_.key_size, {in(from), out(to)});
  }
  void norm_line(const std::string& role, const std::string& weight, int64_t rows, int64_t columns, Operands operands) {
    operands.push_back(file_tensor(Operand::b, weight));
    // The file's epsilon is a float: its shortest form is the one that people wrote.
    add("rms_norm",
        fmt::format("m={} | n={} | {} | eps={}", rows, columns, types(type(weight)), float(c_.norm_epsilon)), role,
        std::move(operands));
  }

  void product(const std::string& role, const std::string& weight, const std::string& bias, const std::string& from,
               const std::string& to) {
    product_line(role, part(weight), bias.empty() ? "" : part(bias), from, to);
  }
  void product_and_residual(const std::string& role, const std::string& weight, const std::string& bias,
                            const std::string& from) {
    product_line(role, part(weight), bias.empty() ? "" : part(bias), from, x(1), x());
    ++added_;
  }
  /// The bias is one of the model's only if the file has it.
  void product_line(const std::string& role, const std::string& weight, const std::string& bias,
                    const std::string& from, const std::string& to, const std::string& residual = "") {
    const GgufTensor& b = tensor(weight);
    const bool adds = !bias.empty() && file_.find_tensor(bias);
    Operands operands{in(from), file_tensor(Operand::b, weight), out(to)};
    if (adds) operands.push_back(file_tensor(Operand::bias, bias));
    if (!residual.empty()) operands.push_back({Operand::c, 0, residual});
    add(!residual.empty() ? "matmul_residual"
        : adds            ? "matmul_bias_add"
                          : "matmul",
        fmt::format("batch=1 | m={} | n={} | k={} | tA=0 | tB=1 | {}{}{}", m_, b.dims[1], b.dims[0],
                    types(type(weight)), adds ? " | bias=1" : "", residual.empty() ? "" : " | residual=1"),
        role, std::move(operands));
  }

  std::string part(std::string_view rest) const { return fmt::format("blk.{}.{}", layer_, rest); }
  const GgufTensor& tensor(const std::string& name) const {
    const GgufTensor* found = file_.find_tensor(name);
    ASSAY_CHECK(found);
    return *found;
  }
  std::string type(const std::string& name) const { return spec_type_name(tensor(name).type); }
  std::string types(const std::string& of_weights) const {
    return fmt::format("dtA={} | dtB={} | dtD={}", x_type_, of_weights, x_type_);
  }
  void add(const std::string& op, const std::string& rest, std::string role, Operands operands) {
    all_.push_back({fmt::format("op={} | {}", op, rest), std::move(role), layer_, std::move(operands)});
  }

  const Gguf& file_;
  const ModelConfig& c_;
  const PassRequest& request_;
  int64_t m_, layer_ = -1, added_ = 0;
  const std::string_view x_type_;
  std::vector<PassOp> all_;
};

}  // namespace

std::string spec_type_name(TensorType type) {
  std::string name(tensor_type_name(type));
  for (char& c : name) c = char(std::tolower(uint8_t(c)));
  return name;
}

std::vector<PassOp> forward_pass(const Gguf& file, const ModelConfig& config, const PassRequest& request) {
  ASSAY_CHECK(request.tokens >= 1 && request.logits >= 0 && request.logits <= request.tokens);
  ASSAY_CHECK(request.capacity >= request.tokens);
  const auto key = [&](const char* name) { return config.architecture + "." + name; };
  if (config.key_size != config.value_size)
    fail("{}: key \"{}\" is {} and \"{}\" {}; heads whose sizes differ are not supported: take another model",
         file.name(), key("attention.key_length"), config.key_size, key("attention.value_length"), config.value_size);
  if (config.rope.scaling == "none") return Pass(file, config, request).make();
  std::string keys;
  for (const char* name : {"rope.scaling.type", "rope.scaling.factor", "rope.scale_linear"})
    if (file.has(key(name))) keys += fmt::format("{}\"{}\"", keys.empty() ? "" : ", ", key(name));
  fail(
      "{}: scales its positions by the rule \"{}\" and a factor of {} ({}), which is not supported: take another model",
      file.name(), cut_end(one_line(config.rope.scaling), 40), config.rope.factor, keys);
}

}  // namespace assay
