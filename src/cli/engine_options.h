// What every command that runs a model takes, and the engine that it opens with it.
#pragma once
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "cli/command_files.h"
#include "cli/options.h"
#include "engine/generation.h"
#include "kernel/build_cache.h"

namespace assay {

struct EngineOptions {
  std::string model, table;
  std::vector<std::string> kernels;  // SPEC-GLOB=family/name
  std::vector<std::string> kernel_folders;
  int64_t threads = 0, context = 0, chunk = 0;
  std::string cache_type = "f32";
  bool verbose = false;
  bool picks = false;  // the program picks the token of the largest logit (SessionOptions::picks)
};

/// MODEL first, then the options of a group "Engine". threads_list: where several numbers of threads go, if that makes
/// sense.
void add_engine_options(const Options& options, CommandFiles& files, EngineOptions& to,
                        std::string* threads_list = nullptr);

/// --cache-type. Error unless a cache can have it.
Dtype parse_cache_type(const std::string& text);
/// Error also where this model's heads are no whole blocks of it. model: its name, for the error.
Dtype cache_type_of(const std::string& text, const ModelConfig& config, const std::string& model);

struct SamplingText {
  SamplingOptions sampling;
  std::vector<std::string> stops;
  int64_t max_tokens = -1;
};
/// A group "Sampling". max_tokens: the default that help shows.
void add_sampling_options(const Options& options, SamplingText& to);

/// A model, a device, kernels and a session, as a command line asks for them.
class OpenedEngine {
 public:
  explicit OpenedEngine(const EngineOptions& options);
  ~OpenedEngine();

  LoadedModel& model();
  Session& session();
  const DeviceInfo& device() const;
  const std::string& table_text() const { return table_text_; }  // which table, and for what

 private:
  struct Parts;
  std::unique_ptr<Parts> parts_;
  std::string table_text_;
};

/// A piece of what a model says: to standard output at once. A terminal gets nothing that it would obey.
void put_answer(std::string_view text);

/// Token numbers with blanks between. Error that names the input and what is none.
std::vector<Token> parse_token_numbers(std::string_view text, const std::string& name);

}  // namespace assay
