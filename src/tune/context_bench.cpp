// A table where it counts.
#include "tune/context_bench.h"

#include <stdlib.h>

#include "base/error.h"
#include "base/file.h"
#include "base/json.h"
#include "base/process.h"
#include "base/terminal.h"
#include "measure/worker_process.h"
#include "stats/summary.h"

namespace assay {
namespace fs = std::filesystem;
namespace {

constexpr double kLimitS = 600;

ContextRun read_run(const std::string& text, const std::string& file) {
  const Json parsed = parse_json(text, file);
  const JsonReader json(parsed, file);
  ContextRun run;
  for (const JsonReader& row : json.at("rows").items()) {
    if (!row.at("test").string().starts_with("decode")) {
      std::vector<double> ms;
      const auto tokens = double(row.at("tokens").integer());
      for (const JsonReader& seconds : row.at("seconds").items()) ms.push_back(seconds.number() * 1e3 / tokens);
      run.prompt_ms_per_token = percentile(ms, 50);
      continue;
    }
    run.ms_per_token = row.at("step").at("ms").number();
    run.between_ms = row.at("step").at("between_ops_ms").number();
    for (const JsonReader& op : row.at("ops").items())
      run.ops.push_back({op.at("spec").string(), op.at("variant").string(), op.at("us").number()});
  }
  if (!(run.ms_per_token > 0)) fail("{}: assay bench measured no decoding", file);
  return run;
}

}  // namespace

ContextBench::ContextBench(ContextRequest request) : request_(std::move(request)), folder_("assay-tune") {}

std::optional<ContextRun> ContextBench::run(const DispatchTable& table) {
  const fs::path table_file = folder_.path() / "table.json", result = folder_.path() / "bench.json";
  write_file(table_file, table_text(table));
  std::vector<std::string> argv{request_.program,
                                "bench",
                                request_.model,
                                "--table",
                                table_file.string(),
                                "-p",
                                std::to_string(request_.prompt_tokens),
                                "-n",
                                std::to_string(request_.tokens),
                                "-d",
                                std::to_string(request_.depth),
                                "-r",
                                std::to_string(request_.repetitions),
                                "--repeat-fill",
                                "--ops",
                                "--cache-type",
                                request_.cache_type,
                                "--json",
                                result.string()};
  if (request_.threads > 0) argv.insert(argv.end(), {"-t", std::to_string(request_.threads)});
  for (const std::string& folder : request_.kernel_folders) argv.insert(argv.end(), {"--kernels", folder});
  ProcessSet children;
  children.start(argv, kLimitS);
  std::optional<std::pair<size_t, ProcessResult>> ended;
  while (!ended) {
    if (interrupted()) return std::nullopt;  // the set kills it
    ended = children.wait(0.2);
  }
  if (interrupted()) return std::nullopt;
  const ProcessResult& child = ended->second;
  if (child.timed_out) fail("assay bench of {} took over {} s", request_.model, kLimitS);
  if (child.exit_code != 0 || child.signal != 0)
    fail("assay bench of {} failed ({}): {}", request_.model,
         child.signal ? fmt::format("signal {}", child.signal) : fmt::format("exit code {}", child.exit_code),
         cut_end(one_line(child.output), 400));
  return read_run(read_file(result), "assay bench");
}

}  // namespace assay
