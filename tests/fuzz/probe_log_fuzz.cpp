// Fuzz entry of the probe log: any bytes are an audit or an Error; what is counted is what is listed; the JSON parses.
#include <cstdint>
#include <cstdlib>
#include <string>
#include <string_view>

#include "base/error.h"
#include "base/json_reader.h"
#include "report/audit_report.h"
#include "report/csv.h"

namespace {
void demand(bool holds) {
  if (!holds) std::abort();
}
}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  const std::string_view text(reinterpret_cast<const char*>(data), size);
  assay::ProbeLog log;
  try {
    log = assay::parse_probe_log(text, "fuzz");
  } catch (const assay::Error&) {
    return 0;
  }
  const assay::Audit audit = assay::audit_log(std::move(log));
  demand(audit.rows == audit.log.rows());
  demand(audit.wrong + audit.unchecked + audit.failed <= audit.rows);
  demand(audit.crowns_wrong + audit.crowns_slower <= audit.crowns);
  for (const assay::AuditSpec& spec : audit.specs)
    demand(spec.best_device < 0 || spec.rows[size_t(spec.best_device)].verdict == assay::RowVerdict::right);
  demand(!assay::audit_text(audit, {.verbose = true, .width = 80}).empty());
  demand(assay::audit_table(audit).rows.size() == audit.rows);
  demand(!assay::csv_table(assay::audit_table(audit)).empty());
  demand(assay::Json::parse(assay::audit_json(audit))["counts"]["rows"] == audit.rows);
  return 0;
}
