// A step's measurable part as a workload file.

#include <set>

#include "base/error.h"
#include "base/joined.h"
#include "base/json.h"
#include "model/step.h"

namespace assay {

std::string step_name(const std::string& model, const StepRequest& request) {
  std::string name = fmt::format("{}-m{}", model, request.tokens);
  if (request.context > 0) name += fmt::format("-c{}", request.context);
  return name;
}

std::string step_workload(const StepSource& source, const StepRequest& request, const std::vector<StepFold>& folds) {
  Json lines = Json::array();
  std::set<std::string> left_out;
  int64_t bytes = 0, bytes_left_out = 0;
  for (const StepFold& fold : folds) {
    bytes += fold.bytes;
    if (!fold.first.spec) {
      bytes_left_out += fold.bytes;
      left_out.insert(fold.first.not_yet);
      continue;
    }
    lines.push_back({{"line", lines.size() + 1},
                     {"text", fold.first.line},
                     {"calls_per_token", fmt::format("{}/{}", fold.calls, request.tokens)},
                     {"observed", Json::array()}});
  }
  if (lines.empty()) fail("{}: no op of its step can be measured yet: {}", source.file, joined(left_out, "; "));
  const std::string what =
      request.tokens == 1 ? "a decode step of " + source.model
                          : fmt::format("a chunk of {} tokens of {}, counted per token", request.tokens, source.model);
  const std::string context =
      request.context > 0 ? fmt::format(" at a context of {}", request.context) : ", without attention";
  const std::string not_in_it =
      left_out.empty()
          ? ""
          : fmt::format("; {:.1f} % of its bytes are not in it: {}",
                        100 * double(bytes_left_out) / double(std::max(bytes, int64_t(1))), joined(left_out, "; "));
  Json json = {
      {"name", step_name(source.model, request)},
      {"description", fmt::format("{}{}; {} activations{}", what, context, dtype_name(request.activations), not_in_it)},
      {"sources",
       {{{"id", "step"},
         {"title", "assay specs " + source.file},
         {"device", "none: counted from the file"},
         {"tokens", request.tokens},
         {"rules", Json::array()},
         {"lines", std::move(lines)}}}}};
  return json.dump(2) + "\n";
}

}  // namespace assay
