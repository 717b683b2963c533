// Where a run's time went and what is odd in its trace, as text and as JSON.
#pragma once
#include <string>
#include <vector>

#include "analysis/accounting.h"
#include "base/json_reader.h"

namespace assay {

/// What is odd, by kind, most important first: a line each, without an indent.
std::vector<std::vector<std::string>> anomaly_lines(const Anomalies& anomalies);

/// The sections "Time per token", "Time against position" and "Anomalies", each only if it has data; "" without any.
std::string accounting_text(const Accounts& accounts);

/// "192", "80.5": of a phase whose tokens are passes (is_of_passes()), how many each computed, their mean.
std::string tokens_of_pass(const PhaseAccount& phase);

/// {"stretches": {"load", "prompt", "decode", "outside"}, "pairing", "by_length"}; µs.
Json to_json(const Accounts& accounts);
/// One key a kind of anomaly; lines count from 0.
Json to_json(const Anomalies& anomalies);

}  // namespace assay
