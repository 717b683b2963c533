// The run, event by event. Mean times, names and counts per pass are those of seed-003 (Qwen2.5-0.5B, Q8_0).
#include "engine.h"

#include <algorithm>

namespace trace_generator {
namespace {

constexpr std::string_view kRmsNorm = "metallic::kernels::rmsnorm::RMSNormOp";
constexpr std::string_view kRope = "metallic::kernels::rope::RoPEOp";
constexpr std::string_view kRearrange = "metallic::kernels::kv_rearrange::KvRearrangeOp";
constexpr std::string_view kKvWrite = "metallic::kernels::kv_cache_write::KvCacheWriteOp";
constexpr std::string_view kPermute = "metallic::kernels::permute::PermuteOp";
constexpr std::string_view kSwiglu = "metallic::kernels::swiglu::SwiGLUFusedActivationOp";
constexpr std::string_view kEmbedding = "metallic::kernels::embedding_lookup::EmbeddingLookupOp";
constexpr std::string_view kGemv = "metallic::kernels::matmul_gemv::base::MatmulGemvAddmmOp/matmul/gemv_addmm (Q)";
constexpr std::string_view kQkv = "metallic::kernels::matmul_gemv::qkv::MatmulGemvQkvFusedOp/matmul/gemv_qkv_fused (Q)";
constexpr std::string_view kGateUp =
    "metallic::kernels::matmul_gemv::fused2::MatmulGemvQ8Fused2Op/matmul/gemv_q8_fused2 (Q)";
constexpr std::string_view kMlxDense = "metallic::kernels::matmul_mlx::MatMulMlxOp/matmul/mlx (D)";
constexpr std::string_view kMlxQuantized = "metallic::kernels::matmul_mlx::MatMulMlxOp/matmul/mlx (Q)";
constexpr double kUsPerKey = 0.05;  // of one attention product on the GPU

// Good events of each stretch, told apart so that a run can be planned to the exact number.
constexpr int64_t kEventsPerBlock = 17 + 18 * 2 + 3 + 2;
constexpr int64_t kEventsPerPass = 24 * kEventsPerBlock + 3 * 3 + 2 * 3 + 4 * 2 + 12;
constexpr int64_t kEventsPerSampling = 3 + 1 + 2 + 8 + 1 + 2;
constexpr int64_t kLoadFixed = 3, kMemoryEvery = 3, kCacheEvery = 4, kSyncEvery = 32;

int64_t events_of_token(bool prompt, int64_t index) {
  return kEventsPerPass + (prompt ? 0 : kEventsPerSampling) + (index % kMemoryEvery == 0) + (index % kCacheEvery == 0) +
         (index % kSyncEvery == 1 ? 3 : 0);
}

using Fields = std::vector<std::pair<std::string, std::string>>;

/// `fields` in the order of the report's shape line; "?" stands for what a fused product does not have.
Matmul describe(const std::string& backend, const Fields& fields) {
  Matmul matmul;
  matmul.backend = backend;
  for (const auto& [name, value] : fields) {
    matmul.line += (matmul.line.empty() ? "" : " | ") + name + "=" + value;
    if (value != "?") matmul.data += "\"" + name + "\":\"" + value + "\",";
  }
  matmul.data += "\"backend\":\"" + backend + "\"";
  return matmul;
}

Matmul product(const std::string& backend, const std::string& op, int64_t batch, int64_t n, int64_t k, bool tB,
               const std::string& loader = "") {
  Fields fields = {{"op", op},
                   {"batch", std::to_string(batch)},
                   {"m", "1"},
                   {"n", std::to_string(n)},
                   {"k", std::to_string(k)},
                   {"tA", "0"},
                   {"tB", tB ? "1" : "0"}};
  if (!loader.empty()) fields.emplace_back("loader", loader);
  return describe(backend, fields);
}

Matmul fused(const std::string& backend, const Fields& segments) {
  Fields fields = {{"op", "matmul"}, {"batch", "1"}, {"m", "1"}, {"n", "?"}, {"k", "896"}, {"tA", "?"}, {"tB", "?"}};
  fields.insert(fields.end(), segments.begin(), segments.end());
  return describe(backend, fields);
}

}  // namespace

Engine::Engine(const RunOptions& options, LineFile& out, Truth& truth)
    : options_(options),
      out_(out),
      truth_(truth),
      record_(out, truth, options.seed, options.defects),
      prompt_(make_phase("Prompt Processing")),
      decode_(make_phase("Generation Loop")),
      qkv_(fused("gemv_qkv_fused", {{"nk", "128"}, {"nq", "896"}, {"nv", "128"}})),
      out_proj_(product("gemv", "matmul", 1, 896, 896, true)),
      gate_up_(fused("gemv_q8_fused2", {{"n0", "4864"}, {"n1", "4864"}})),
      down_(product("gemv", "matmul", 1, 896, 4864, true)),
      logits_(product("mlx", "matmul", 1, 151936, 896, false, "q8nk_split")) {
  truth_.seed = int64_t(options.seed);
}

Engine::Phase Engine::make_phase(const std::string& name) {
  Phase phase{name, name + "/generation_step_output", {}};
  for (size_t i = 0; i < phase.blocks.size(); ++i) {
    Block& b = phase.blocks[i];
    const std::string block = "block_" + std::to_string(i);
    const auto scope = [&](const std::string& part) { return name + "/" + block + "/" + part + "_" + block + "_op"; };
    b.base = name + "/" + block;
    b.rearrange = scope("attn_rearrange"), b.swiglu = scope("mlp_swiglu"), b.qkv = scope("attn_qkv"),
    b.rope = scope("rope");
    b.kv = scope("kv_cache_write"), b.sdpa = scope("sdpa"), b.copy = scope("kv_repeat");
    b.out_kernel = "attn_output_" + block + "_op/" + std::string(kGemv);
    b.down_kernel = "mlp_down_proj_" + block + "_op/" + std::string(kGemv);
    b.total = block + "_total", b.forward_cpu = "forward_cpu_" + block;
  }
  return phase;
}

Engine::Schedule Engine::plan() const {
  Schedule schedule;
  schedule.load_buffers = std::min<int64_t>(536, options_.events / 100);
  const int64_t room = options_.events - kLoadFixed - 3 * schedule.load_buffers;
  const int64_t passes = room / (kEventsPerPass + kEventsPerSampling + 1);
  if (passes < 2) throw std::runtime_error("--events must be at least 3500: a prompt token and a decoded one");
  schedule.prompt = std::min(options_.prompt_tokens, std::max<int64_t>(1, passes / 3));
  int64_t used = 0;
  for (int64_t index = 0;; ++index) {
    const int64_t position = index % options_.context;
    const bool prompt = position < schedule.prompt;
    const int64_t events = events_of_token(prompt, index);
    if (used + events > room) break;
    used += events;
    schedule.tokens.emplace_back(prompt, position);
  }
  schedule.filler = room - used;
  return schedule;
}

void Engine::write() {
  const Schedule schedule = plan();
  root_span_ = record_.open_span("run", 0);
  record_.leave();
  load(schedule);
  truth_.load = record_.take_parts();
  for (size_t i = 0; i < schedule.tokens.size(); ++i) {
    const auto [prompt, position] = schedule.tokens[i];
    const bool cut = options_.defects.cutoff && i + 1 == schedule.tokens.size();
    token(prompt, position, int64_t(i), cut);
    if (cut) break;
    truth_.tokens.push_back({prompt, position, record_.take_parts()});
  }
  record_.finish();
  if (options_.defects.cutoff) {
    truth_.defect("cutoff", out_.lines());
    out_
        << R"({"timestamp":1762100000000000000,"span_id":68719007,"parent_span_id":68719003,"span_name":"block_11","event":{"type":"GpuOpComp)";
  }
  truth_.events = record_.events();
  truth_.lines = out_.lines() + (options_.defects.cutoff ? 1 : 0);
}

void Engine::load(const Schedule& schedule) {
  record_.event("GgufFileMmap") << R"({"size_bytes":531068096})";
  record_.end_event();
  record_.event("ModelWeights")
      << R"({"total_bytes":525336576,"breakdown":{"token_embd":144645120,"blocks":380684288,"norms":7168}})";
  record_.end_event();
  record_.event("ForwardStep")
      << R"({"total_bytes":2228224,"breakdown":{"attention":786432,"mlp":1245184,"norm":196608}})";
  record_.end_event();
  record_.gap(180'000);
  for (int64_t i = 0; i < schedule.load_buffers; ++i) {
    const bool prepare = i % 5 < 3;
    record_.run({"Unscoped", prepare ? "tensor_staging_prepare" : "tensor_staging_flush", prepare ? 380.0 : 190.0,
                 nullptr, true});
  }
  for (int64_t i = 0; i < schedule.filler; ++i) preparation_stats();
}

void Engine::set_length(int64_t keys) {
  keys_ = keys;
  scores_ = product("mlx", "matmul_alpha_beta", 14, keys, 64, true, "dense");
  values_ = product("mlx", "matmul_alpha_beta", 14, 64, keys, false, "dense");
}

void Engine::token(bool prompt, int64_t position, int64_t index, bool cut) {
  const Phase& phase = prompt ? prompt_ : decode_;
  const int64_t began = record_.now_us();
  set_length(position + 1);
  const int64_t step_span = record_.open_span(phase.name, root_span_);
  if (!prompt) record_.cpu("generation_loop", "embedding", 148);
  record_.run({phase.name, kEmbedding, 9});
  record_.leave();
  staging();
  const int64_t forward_began = record_.now_us();
  for (size_t i = 0; i < phase.blocks.size(); ++i) {
    if (cut && i == 11) return;
    block(phase, i, step_span);
  }
  record_.enter(step_span, root_span_, phase.name);
  record_.run({phase.name, kRmsNorm, 222});
  if (!prompt) record_.total("forward_step_total", record_.now_us() - forward_began);
  memory_events(index);
  if (!prompt) record_.gap(260);
  record_.run({phase.output, kMlxQuantized, 2222, &logits_});
  if (!prompt) generate_token(phase, began);
}

void Engine::block(const Phase& phase, size_t index, int64_t step_span) {
  const Block& b = phase.blocks[index];
  const int64_t began = record_.now_us();
  record_.open_span(std::string_view(b.base).substr(phase.name.size() + 1), step_span);
  record_.run({b.base, kRmsNorm, 222});
  record_.run({b.qkv, kQkv, 34, &qkv_});
  attention(b);
  record_.run({b.base, b.out_kernel, 69, &out_proj_});
  if (record_.defects().nested) record_.total("attention_total", record_.now_us() - began);
  const int64_t mlp_began = record_.now_us();
  record_.run({b.base, kRmsNorm, 222});
  record_.run({b.swiglu, kGateUp, 156, &gate_up_});
  record_.run({b.swiglu, kSwiglu, 6});
  record_.run({b.swiglu, b.down_kernel, 306, &down_});
  if (record_.defects().nested) record_.total("mlp_total", record_.now_us() - mlp_began);
  record_.cpu("generation_loop", b.forward_cpu, 164);
  record_.gap(38);
  record_.total(b.total, record_.now_us() - began);
}

void Engine::attention(const Block& b) {
  for (int i = 0; i < 3; ++i) record_.run({b.rearrange, kRearrange, 5});
  for (int i = 0; i < 2; ++i) record_.run({b.rope, kRope, 4});
  record_.run({b.kv, kKvWrite, 4});
  record_.run({b.copy, "", 3});
  record_.event("KernelBackendSelected") << R"({"op_name":"sdpa","backend":"legacy","reason":"default_auto"})";
  record_.end_event();
  record_.event("ResourceCacheAccess") << R"({"cache_key":"sdpa_)" << keys_ << R"(_64","hit":)"
                                       << (b.sdpa.find("block_0_") == std::string::npos ? "true" : "false")
                                       << R"(,"bytes":)" << keys_ * 14 * 2 << "}";
  record_.end_event();
  const double key_us = kUsPerKey * double(keys_);
  record_.run({b.sdpa, kMlxDense, 12 + key_us, &scores_});
  record_.event("GpuKernelDispatched") << R"({"kernel_name":"sdpa_softmax","op_name":")" << b.sdpa
                                       << R"(","thread_groups":[14,1,1]})";
  record_.end_event();
  record_.run({b.sdpa, ".", 6 + key_us / 4});
  record_.run({b.sdpa, kMlxDense, 12 + key_us, &values_});
  record_.run({b.sdpa, kPermute, 4});
}

void Engine::generate_token(const Phase& phase, int64_t began_us) {
  record_.event("GpuKernelDispatched")
      << R"({"kernel_name":"sample_topk_fused","op_name":"sample_topk_fused","thread_groups":[149,1,1]})";
  record_.end_event();
  record_.run({phase.name, "sample_topk_fused", 1110, nullptr, true});
  record_.run({phase.name, "", 3});
  record_.cpu("sampling", "next_token_wait", 1);
  record_.cpu("sampling", "next_token_ready_latency", 6);
  record_.cpu("decoding", "token_decode", 2);
  for (const char* name : {"token_push", "token_callback", "pool_reset", "cache_logging", "eos_check"})
    record_.cpu("generation_loop", name, record_.random().unit() < 0.05 ? 1 : 0);
  record_.gap(55);
  record_.total("iteration_total", record_.now_us() - began_us);
}

void Engine::staging() {
  record_.run({"Unscoped", "tensor_staging_prepare", 60, nullptr, true});
  record_.run({"Unscoped", "tensor_staging_flush", 40, nullptr, true});
  for (int i = 0; i < 4; ++i) record_.run({"Unscoped", "", 5});
  for (int i = 0; i < 12; ++i) preparation_stats();
}

void Engine::preparation_stats() {
  record_.event("TensorPreparationStats")
      << R"({"cache_hits":)" << int64_t(record_.random().bits() % 290) << R"(,"cache_misses":)"
      << int64_t(record_.random().bits() % 4) << R"(,"total_preparation_time_us":)" << record_.random().around(40)
      << R"(,"estimated_time_saved_us":)" << record_.random().around(300) << R"(,"hit_rate":0.9)"
      << int64_t(record_.random().bits() % 100) << "}";
  record_.end_event();
}

void Engine::memory_events(int64_t index) {
  if (index % kMemoryEvery == 0) {
    record_.event("HostMemory") << R"({"total_bytes":)" << 600'000'000 + index * 4096
                                << R"(,"tensor_pool_reserved_bytes":268435456,"tensor_pool_used_bytes":)"
                                << 2'228'224 + keys_ * 1792
                                << R"(,"kv_pool_reserved_bytes":50331648,"kv_pool_used_bytes":)" << keys_ * 12288
                                << R"(,"forward_pass_breakdown":{"attention":786432,"mlp":1245184}})";
    record_.end_event();
  }
  if (index % kCacheEvery == 0) {
    record_.event("ResourceCacheSummary") << R"({"cache":"sdpa","hits":)" << 23 * (index + 1) << R"(,"misses":)"
                                          << index + 1 << R"(,"hit_rate":0.958333,"size":)" << index + 1 << "}";
    record_.end_event();
  }
  if (index % kSyncEvery == 1) {
    record_.event("CacheEviction") << R"({"cache":"sdpa","strategy":"lru","count":)" << kSyncEvery
                                   << R"(,"reason":"capacity","size_after":)" << index + 1 << "}";
    record_.end_event();
    record_.event("TensorMemory") << R"({"total_bytes":)" << 2'228'224 + keys_ * 1792 << R"(,"tensor_count":)"
                                  << 412 + keys_ << R"(,"breakdown":{"kv_cache":50331648,"activations":2228224}})";
    record_.end_event();
    record_.cpu("memory", "device_synchronize", 45);
  }
}

}  // namespace trace_generator
